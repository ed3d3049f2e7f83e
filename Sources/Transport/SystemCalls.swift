import CZeroMQ
import Glibc

/// Calls `body` again for as long as a signal interrupts it; a failed call of libzmq or of the system returns -1 and sets `errno`.
func retryingInterrupts(_ body: () -> Int32) -> Int32 {
    while true {
        let result = body()
        if result != -1 || zmq_errno() != EINTR { return result }
    }
}

/// libzmq's own error numbers, which its header builds from a macro.
enum ZeroMQErrors {
    static let hausnumero: Int32 = 156_384_712
    /// The context is going down.
    static let terminated = hausnumero + 53
}

/// The text of an error number of libzmq or of the system.
func text(ofError code: Int32) -> String { unsafe String(cString: zmq_strerror(code)) }
