import LinearAlgebra

extension WeightSpectra {
    /// The shuffled matrix.
    ///
    /// It is one draw, whose α errs by several percent, so large ones are solved in float32, in 60 % of the time: an eigenvalue λ = σ²
    /// errs by about 10⁻⁶·λ₁ then, and those below 10⁻⁵·λ₁ enter no fit. Where the tail begins or the median lies below 10⁻³·λ₁, in
    /// matrices smaller than 128 and for elements whose squares leave float32's range, all is done in float64.
    public struct Control: Sendable {
        /// Descending; of a large matrix to about 10⁻⁶·σ₁²/σ, so that the smallest ones may be 0.
        public let singularValues: [Double]
        public let tail: PowerLawTail
        public let bulk: NoiseBulk
    }

    /// The part of λ₁ below which float32's eigenvalues are not used.
    private static let roughFloor = 1e-5
    /// The part of λ₁ that all which is reported must stand above to come from float32: an error of 10⁻³ there.
    private static let roughResolution = 1e-3

    /// Solves matrices that have been shuffled, as `spectrum` was before.
    ///
    /// - Parameter values: those that a float32 solution gave, if there is one.
    static func control(of slices: [Matrix], values: [[Double]]? = nil, like spectrum: MatrixSpectrum, completeUpTo: Int) -> Control
    {
        if let control = roughControl(of: slices, values: values, like: spectrum) { return control }
        let shuffled = MatrixSpectrum(ofAll: slices, completeUpTo: completeUpTo, precision: spectrum.precision)
        let laws = laws(shuffled)
        return Control(singularValues: shuffled.singularValues, tail: laws.0, bulk: laws.1)
    }

    /// By float32; nil where that could be seen.
    static func roughControl(of slices: [Matrix], values known: [[Double]]? = nil, like spectrum: MatrixSpectrum) -> Control? {
        var (values, rounding): ([Double], RoundingFloor) = ([], RoundingFloor())
        for (index, slice) in slices.enumerated() {
            guard let part = known?[index] ?? SingularValueSolver.roughValues(slice.view) else { return nil }
            values += part
            rounding.widen(to: RoundingFloor(of: slice.view, spectrum.precision))
        }
        values.sort(by: >)
        guard let largest = values.first, largest > 0 else { return nil }
        let median = values[values.count / 2]
        if median * median < roughResolution * largest * largest { return nil }
        let floor = max(rounding.expected, roughFloor.squareRoot() * largest)
        let (tail, bulk) = laws(
            values, rows: spectrum.rows, columns: spectrum.columns, slices: spectrum.slices, floor: floor, spectrum.precision)
        guard let start = tail.tailStart.number, start >= roughResolution * largest * largest else { return nil }
        return Control(singularValues: values, tail: tail, bulk: bulk)
    }

    /// A matrix' elements in a random order, and what is to be solved of it; nil where float32 does not do or nothing is solved.
    static func shuffled(_ w: Matrix, _ generator: CounterRNG, _ completeUpTo: Int) -> (
        matrix: Matrix, rough: SymmetricTridiagonal
    )? {
        guard min(w.rows, w.columns) <= completeUpTo, VectorKernels.allFinite(w.span) else { return nil }
        var slices = [w]
        shuffle(&slices, generator, rows: w.rows, columns: w.columns)
        let shuffled = slices[0]
        guard let rough = SingularValueSolver.roughMatrix(shuffled.view) else { return nil }
        return (shuffled, rough)
    }

    /// Puts the elements of all slices, taken together, in a random order.
    static func shuffle(_ slices: inout [Matrix], _ generator: CounterRNG, rows: Int, columns: Int) {
        if slices.count == 1 {
            var elements = slices[0].mutableSpan
            return generator.shuffle(&elements)
        }
        let size = rows * columns
        var all = AlignedVector(count: size * slices.count)
        var elements = all.mutableSpan
        for (index, slice) in slices.enumerated() {
            var part = elements.part(index * size..<(index + 1) * size)
            VectorKernels.copy(slice.span, into: &part)
        }
        generator.shuffle(&elements)
        for index in slices.indices {
            slices[index] = Matrix(
                MatrixView(elements.span.extracting(index * size..<(index + 1) * size), rows: rows, columns: columns))
        }
    }
}
