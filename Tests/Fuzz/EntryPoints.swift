import Glibc

/// What libFuzzer calls. Which decoder to try is said once, by `--decoder=NAME`: libFuzzer leaves double dashes to the program.
nonisolated(unsafe) private var decoder = Decoder.frame

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
    let given = unsafe (0..<Int(count.pointee)).map { unsafe String(cString: arguments.pointee[$0]) }
    let name = given.last { $0.hasPrefix("--decoder=") }?.dropFirst("--decoder=".count) ?? ""
    guard let chosen = Decoder(rawValue: String(name)) else {
        print("say --decoder= and one of: \(Decoder.allCases.map(\.rawValue).joined(separator: ", "))")
        exit(2)
    }
    unsafe decoder = chosen
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe decoder.read(unsafe [UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}
