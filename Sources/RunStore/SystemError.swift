import Glibc

/// A refusal by the operating system: the call, and what the system said.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call that failed, e.g. `fsync`.
    public let call: String
    /// The value of `errno`.
    public let code: Int32

    public init(call: String, code: Int32) { (self.call, self.code) = (call, code) }

    /// The system's own words, e.g. `No space left on device`.
    public var reason: String { unsafe String(cString: strerror(code)) }
    /// The call and the reason.
    public var description: String { "\(call): \(reason)" }

    static func last(_ call: String) -> SystemError { SystemError(call: call, code: errno) }
}

/// Repeats a call that a signal interrupted; negative results become errors.
@discardableResult
func retrying<Value: FixedWidthInteger & SignedInteger>(_ name: String, _ call: () -> Value) throws(SystemError) -> Value {
    while true {
        let result = call()
        if result >= 0 { return result }
        if errno != EINTR { throw SystemError.last(name) }
    }
}
