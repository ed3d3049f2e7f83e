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
    public func eigenvalues() throws(LAPACKError) -> [Double] { try Self.eigenvalues(self, SymmetricTridiagonal()).0 }

    /// Those of two matrices, with the bits of one alone: in little more time than one of them takes, since a sweep waits for its divisions.
    public static func eigenvalues(_ a: SymmetricTridiagonal, _ b: SymmetricTridiagonal) throws(LAPACKError) -> ([Double], [Double])
    {
        var (first, second) = (try Sweeps(a), try Sweeps(b))
        let isFound = unsafe plumb_tridiagonal_eigenvalues(
            &first.diagonal, &first.squares, first.diagonal.count, &second.diagonal, &second.squares, second.diagonal.count)
        if isFound == 0 { throw .noConvergence(routine: "tridiagonal QL", info: 1) }
        return (first.eigenvalues, second.eigenvalues)
    }

    /// A matrix as the sweeps take it: about 1 in size, the smaller end of its diagonal first.
    private struct Sweeps {
        var diagonal: [Double]
        var squares: [Double]
        private let exponent: Int

        init(_ matrix: SymmetricTridiagonal) throws(LAPACKError) {
            let beside = matrix.beside.dropLast()
            let largest = (matrix.diagonal + beside).reduce(0) { $1.isFinite ? max($0, abs($1)) : .infinity }
            if !largest.isFinite { throw .notFinite(routine: "tridiagonal QL") }
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

        var eigenvalues: [Double] {
            let unit = Double(sign: .plus, exponent: exponent / 2, significand: 1)
            let rest = Double(sign: .plus, exponent: exponent - exponent / 2, significand: 1)
            return diagonal.map { $0 * unit * rest }.sorted()
        }
    }
}
