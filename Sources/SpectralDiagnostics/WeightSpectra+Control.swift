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

    /// Solves matrices that have been shuffled, as `spectrum` was before.
    static func control(of slices: [Matrix], like spectrum: MatrixSpectrum, completeUpTo: Int) -> Control {
        roughControl(of: slices, like: spectrum) ?? fullControl(of: slices, like: spectrum, completeUpTo: completeUpTo)
    }

    /// By float64, or by what `spectrum`'s size allows.
    static func fullControl(of slices: [Matrix], like spectrum: MatrixSpectrum, completeUpTo: Int) -> Control {
        let shuffled = MatrixSpectrum(ofAll: slices, completeUpTo: completeUpTo, precision: spectrum.precision)
        let laws = laws(shuffled)
        return Control(singularValues: shuffled.singularValues, tail: laws.0, bulk: laws.1)
    }

    /// By float32; nil where that could be seen.
    static func roughControl(of slices: [Matrix], like spectrum: MatrixSpectrum) -> Control? {
        var (values, rounding): ([Double], RoundingFloor) = ([], RoundingFloor())
        for slice in slices {
            guard let part = SingularValueSolver.roughValues(slice) else { return nil }
            values += part
            rounding.widen(to: RoundingFloor(of: slice.view, spectrum.precision))
        }
        return roughControl(values: values, rounding: rounding, like: spectrum)
    }

    /// Of singular values in float32, in any order; nil where that could be seen.
    static func roughControl(values: [Double], rounding: RoundingFloor, like spectrum: MatrixSpectrum) -> Control? {
        let values = values.sorted(by: >)
        guard let largest = values.first, SingularValueSolver.isResolved(values) else { return nil }
        let floor = max(rounding.expected, roughFloor.squareRoot() * largest)
        let (tail, bulk) = laws(
            values, rows: spectrum.rows, columns: spectrum.columns, slices: spectrum.slices, floor: floor, spectrum.precision)
        // A better tail that begins below the floor is not missed: with the median a hundred times above its start it would hold
        // half of its law's eigenvalues where 100^(1 − α) of them belong, which is no close fit unless α is 1.15 or less.
        guard let start = tail.tailStart.number, SingularValueSolver.isResolved(start.squareRoot(), below: largest) else {
            return nil
        }
        return Control(singularValues: values, tail: tail, bulk: bulk)
    }

    /// What float32 makes of a matrix' elements in a random order, as work that is not yet done.
    static func shuffling(_ w: Matrix, _ generator: CounterRNG, _ precision: ElementPrecision) -> WorkOffer<Shuffled> {
        WorkOffer {
            var slices = [w]
            shuffle(&slices, generator, rows: w.rows, columns: w.columns)
            let shuffled = slices[0]
            return Shuffled(
                rough: SingularValueSolver.roughMatrix(shuffled), rounding: RoundingFloor(of: shuffled.view, precision))
        }
    }

    /// A shuffled matrix without its elements.
    struct Shuffled: Sendable {
        /// Nil where float32 does not do.
        var rough: SymmetricTridiagonal?
        var rounding: RoundingFloor
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
