import CVectorKernels

/// A symmetric tridiagonal matrix [n, n] in float64.
public struct SymmetricTridiagonal: Hashable, Sendable {
    /// n elements.
    public var diagonal: [Double]
    /// Element i is beside the diagonal in rows i and i + 1; n elements, the last without meaning.
    public var beside: [Double]

    /// Of no rows.
    public init() { (diagonal, beside) = ([], []) }

    public init(diagonal: [Double], beside: [Double]) {
        precondition(diagonal.count == beside.count, "as many elements beside the diagonal, the last without meaning")
        (self.diagonal, self.beside) = (diagonal, beside)
    }

    /// Ascending; they err by about √n·ε₆₄ of the largest in size. O(n²). Oracle: LAPACK's syevd.
    ///
    /// - Throws: `LAPACKError` when the matrix is not finite or the iteration stops.
    public func eigenvalues() throws(LAPACKError) -> [Double] { try Self.eigenvalues(self, SymmetricTridiagonal()).0.get() }

    public typealias Eigenvalues = Result<[Double], LAPACKError>

    /// Those of two matrices, each with the bits or the error of it alone: a sweep waits for its divisions, and the other's fill that time.
    public static func eigenvalues(_ a: SymmetricTridiagonal, _ b: SymmetricTridiagonal) -> (Eigenvalues, Eigenvalues) {
        var (first, second) = (Sweeps(a), Sweeps(b))
        let found = unsafe plumb_tridiagonal_eigenvalues(
            &first.diagonal, &first.squares, first.diagonal.count, &second.diagonal, &second.squares, second.diagonal.count)
        return (first.eigenvalues(areFound: found & 1 != 0), second.eigenvalues(areFound: found & 2 != 0))
    }

    /// A matrix as the sweeps take it: about 1 in size, the smaller end of its diagonal first; of no rows if it is not finite.
    private struct Sweeps {
        var diagonal: [Double] = []
        var squares: [Double] = []
        private var exponent = 0
        private var isFinite = true

        init(_ matrix: SymmetricTridiagonal) {
            let beside = matrix.beside.dropLast()
            let largest = (matrix.diagonal + beside).reduce(0) { $1.isFinite ? max($0, abs($1)) : .infinity }
            if !largest.isFinite {
                isFinite = false
                return
            }
            let size = largest == 0 ? 0 : Int(largest.exponent)
            let unit = Double(sign: .plus, exponent: -size / 2, significand: 1)
            let rest = Double(sign: .plus, exponent: -size + size / 2, significand: 1)
            let isReversed = abs(matrix.diagonal.last ?? 0) < abs(matrix.diagonal.first ?? 0)
            let scaled = matrix.diagonal.map { $0 * unit * rest }
            let others = beside.map { ($0 * unit * rest) * ($0 * unit * rest) }
            exponent = size
            diagonal = isReversed ? scaled.reversed() : scaled
            squares = (isReversed ? others.reversed() : others) + (scaled.isEmpty ? [] : [0])
        }

        func eigenvalues(areFound: Bool) -> Eigenvalues {
            if !isFinite { return .failure(.notFinite(routine: "tridiagonal QL")) }
            if !areFound { return .failure(.noConvergence(routine: "tridiagonal QL", info: 1)) }
            let unit = Double(sign: .plus, exponent: exponent / 2, significand: 1)
            let rest = Double(sign: .plus, exponent: exponent - exponent / 2, significand: 1)
            return .success(diagonal.map { $0 * unit * rest }.sorted())
        }
    }
}
