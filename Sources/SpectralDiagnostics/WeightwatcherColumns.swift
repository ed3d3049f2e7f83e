import LinearAlgebra

/// What weightwatcher 0.7.7 prints of one layer, by its definitions: λ = σ², not divided by N; spectral_norm is σ₁²; norm is ‖W‖_F²; the tail
/// is fitted to λ > 10⁻⁵ whatever the matrix's scale; ranks count σ > σ₁·N·ε₆₄; entropy is over p = λ/Σλ and divided by ln rank; the
/// matrices of a kernel in two dimensions are divided by √2.
///
/// A kernel of rank one or less has no entropy here, where weightwatcher divides by 0. Tier T1; O(m·n·min(m, n)).
/// Oracle: weightwatcher itself, golden file.
public struct WeightwatcherColumns: Sendable {
    /// Why there are no columns at all.
    public let reason: String?
    /// By name, in weightwatcher's order.
    public let figures: [(name: String, value: Measured)]
    /// `success`, or `failed` when no tail could be fitted.
    public let status: String
    /// `over-trained` for α < 2, `under-trained` for α > 6, or nothing.
    public let warning: String
    /// M and N as weightwatcher has them.
    public let (small, large): (Int, Int)
    public let receptiveField: Int

    /// - Parameters:
    ///   - slices: a matrix, or those of a kernel, one for each of its places.
    ///   - isKernel: whether they are a kernel's, which a kernel of one place does not show.
    ///   - control: the generator of the n-th random order for the columns of `analyze(randomize=True)`; nil leaves them out.
    ///   - offering: is shown the control's work while the matrix itself is solved, so that an idle thread may do it.
    public init(
        of matrices: consuming [Matrix], isKernel: Bool, control: ((Int) -> CounterRNG)?,
        offering: (any OfferedWork) -> Void = { _ in }
    ) {
        var slices = consume matrices
        receptiveField = slices.count
        (small, large) = Self.sizes(slices)
        var (values, first): ([[Double]], FirstOrder) = ([], .unknown)
        do {
            if let control, slices.count == 1, SingularValueSolver.suitsFloat32(slices[0]) {
                let work = Self.shuffling(slices[0], control(0))
                defer { work.withdraw() }
                offering(work)
                let (own, other) = try Self.solve(slices[0], isKernel: isKernel) { work.value() }
                values = [own]
                first = other.flatMap { SingularValueSolver.isResolved($0) ? .resolved($0) : nil } ?? .unresolved
            } else {
                for slice in slices { values.append(try Self.solve(slice, isKernel: isKernel)) }
            }
        } catch {
            (reason, figures, status, warning) = ("\(error)", [], "failed", "")
            return
        }
        let eigenvalues = values.joined().map { $0 * $0 }.sorted()
        guard let largest = eigenvalues.last, largest > 0 else {
            let text = eigenvalues.isEmpty ? "the matrix is empty" : "all elements are zero"
            (reason, figures, status, warning) = (text, [], "failed", "")
            return
        }
        let tail = PowerLawTail(
            singularValues: values.flatMap { $0 }, rows: large, columns: small, convention: .weightwatcher, precision: .ulpOfOne)
        var figures = Self.spectrum(values, eigenvalues, large: large) + Self.tail(tail, largest)
        if let control {
            figures += Self.randomised(&slices, isKernel, eigenvalues, first, control, small: small, large: large)
        }
        reason = nil
        self.figures = figures.sorted { $0.name < $1.name }
        status = tail.alpha.number == nil ? "failed" : "success"
        let alpha = tail.alpha.number ?? 4
        warning = alpha < 2 ? "over-trained" : alpha > 6 ? "under-trained" : ""
    }

    /// M and N: weightwatcher exchanges them at every place of a kernel [outputs, inputs] that has fewer outputs than inputs, so that after
    /// an even number of places N is the smaller one.
    private static func sizes(_ slices: [Matrix]) -> (small: Int, large: Int) {
        guard let first = slices.first else { return (0, 0) }
        let (rows, columns) = (first.rows, first.columns)
        let isExchanged = rows < columns && (slices.count == 1 || !slices.count.isMultiple(of: 2))
        return isExchanged ? (rows, columns) : (columns, rows)
    }

    /// The singular values of one slice as weightwatcher scales it.
    static func solve(_ slice: Matrix, isKernel: Bool) throws(LAPACKError) -> [Double] {
        try solve(slice, isKernel: isKernel) { nil }.0
    }

    /// The same, and those of another matrix of its kind by its float32 form, if it has one.
    private static func solve(_ slice: Matrix, isKernel: Bool, beside other: () -> SymmetricTridiagonal?) throws(LAPACKError) -> (
        [Double], [Double]?
    ) {
        if !VectorKernels.allFinite(slice.span) { throw .notFinite(routine: "svd") }
        let (values, others) = try SingularValueSolver.values(slice.view, beside: other)
        return (scaled(values, isKernel), others.map { scaled($0, isKernel) })
    }

    static func scaled(_ values: [Double], _ isKernel: Bool) -> [Double] {
        isKernel ? values.map { $0 * 0.5.squareRoot() } : values
    }

    private static func spectrum(_ values: [[Double]], _ eigenvalues: [Double], large: Int) -> [(name: String, value: Measured)] {
        let (norm, largest) = (eigenvalues.reduce(0, +), eigenvalues[eigenvalues.count - 1])
        func rank(_ values: [Double]) -> Int {
            let floor = (values.max() ?? 0) * Double(large) * Double.ulpOfOne
            return values.count { $0 > floor }
        }
        let hardRank = rank(values.flatMap { $0 })
        return [
            ("entropy", entropy(eigenvalues, norm, rank: hardRank)), ("lambda_max", .value(largest)),
            ("log_norm", .value(ScalarMath.log10(norm))), ("log_spectral_norm", .value(ScalarMath.log10(largest))),
            ("matrix_rank", .value(Double(hardRank))), ("norm", .value(norm)), ("num_evals", .value(Double(eigenvalues.count))),
            ("rank_loss", .value(Double(values.reduce(0) { $0 + $1.count - rank($1) }))), ("spectral_norm", .value(largest)),
            ("stable_rank", .value(norm / largest)), ("sv_max", .value(values.reduce(0) { max($0, $1.max() ?? 0) })),
            // The largest of the places' smallest.
            ("sv_min", .value(values.reduce(0) { max($0, $1.min() ?? 0) })),
            ("weak_rank_loss", .value(Double(eigenvalues.count { $0 < 1e-6 }))),
        ]
    }

    private static func entropy(_ eigenvalues: [Double], _ norm: Double, rank: Int) -> Measured {
        if rank < 2 { return .unavailable("the rank is \(rank)") }
        let sum = eigenvalues.reduce(0) { sum, value in
            let p = value / norm + 1e-10
            return sum - p * ScalarMath.log(p)
        }
        return .value(sum / ScalarMath.log(Double(rank) + 1e-10))
    }

    private static func tail(_ tail: PowerLawTail, _ largest: Double) -> [(name: String, value: Measured)] {
        let sigma = tail.alpha.uncertainty.map { Measured.value($0) } ?? tail.alpha
        return [
            ("D", tail.distance), ("alpha", tail.alpha), ("alpha_weighted", tail.alphaWeighted),
            ("log_alpha_norm", tail.logAlphaNorm), ("num_pl_spikes", tail.tailCount), ("sigma", sigma),
            ("xmax", tail.alpha.number == nil ? tail.alpha : .value(largest)), ("xmin", tail.tailStart),
        ]
    }
}
