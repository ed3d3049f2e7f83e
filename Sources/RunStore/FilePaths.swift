import Glibc

/// The directory part of a path; `.` for a bare name.
func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The last part of a path.
func fileName(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return path }
    return String(path[path.index(after: slash)...])
}

/// The names in a directory without `.` and `..`, in byte order, so that no result depends on the file system's order.
func fileNames(in directory: String) throws(SystemError) -> [String] {
    guard let stream = unsafe opendir(directory) else { throw SystemError.last("opendir") }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
            unsafe field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                unsafe String(cString: $0)
            }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// Makes a directory and those above it that are missing. Another process may make one of them at the same time.
func makeDirectories(_ path: String) throws(SystemError) {
    if unsafe mkdir(path, 0o755) == 0 { return }
    switch errno {
    case EEXIST:
        guard try PosixFile.status(of: path).isDirectory else { throw SystemError(call: "mkdir", code: ENOTDIR) }
    case ENOENT where directory(of: path) != path:
        try makeDirectories(directory(of: path))
        if unsafe mkdir(path, 0o755) != 0 && errno != EEXIST { throw SystemError.last("mkdir") }
    default: throw SystemError.last("mkdir")
    }
}
