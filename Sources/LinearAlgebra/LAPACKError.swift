/// Why a LAPACK routine gave no result.
public enum LAPACKError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The input holds NaN or infinity, on which LAPACK may not return at all.
    case notFinite(routine: String)
    /// The iteration stopped before its end.
    case noConvergence(routine: String, info: Int)
    /// The matrix has no inverse: the pivot of this row, counted from 1, is zero.
    case singular(routine: String, pivot: Int)

    public var description: String {
        switch self {
        case .notFinite(let routine): "\(routine): the matrix holds NaN or infinity; look for the step at which training diverged"
        case .noConvergence(let routine, let info):
            "\(routine): the iteration did not converge (info \(info)); the matrix may be badly scaled"
        case .singular(let routine, let pivot): "\(routine): the matrix is singular, pivot \(pivot) is zero; it has no inverse"
        }
    }
}
