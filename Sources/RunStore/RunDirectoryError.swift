/// Why a run directory cannot be used.
public enum RunDirectoryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The experiment's name cannot be part of a file name.
    case unusableName(String)
    /// The directory holds a run already.
    case runExists(path: String)
    /// The directory holds files, and none of them says that it is a run.
    case notEmpty(path: String, example: String)
    /// There is no run in the directory.
    case notARun(path: String)
    /// The system refuses to make or change the directory.
    case notWritable(path: String, SystemError)
    /// Another coordinator holds the lease.
    case leased(path: String, holder: String)

    /// What happened, the value seen, and what to do; one sentence.
    public var description: String {
        switch self {
        case .unusableName(let name):
            "the name \(name.quotedForMessage) cannot name a run directory; use 1 to 100 letters, digits, '.', '_' and '-', not beginning with '.' or '-'"
        case .runExists(let path):
            "\(path) holds a run already; pass another --run-dir or remove it"
        case .notEmpty(let path, let example):
            "\(path) is not empty and not a run (it holds \(example.quotedForMessage)); pass another --run-dir"
        case .notARun(let path):
            "\(path) is not a run directory (it has no run.sqlite); pass the directory that a run left"
        case .notWritable(let path, let error):
            "\(path) cannot be written (\(error)); pass a --run-dir that this user may write"
        case .leased(let path, let holder):
            "\(path) has a coordinator already (\(holder)); stop that one first or pass another --run-dir"
        }
    }
}
