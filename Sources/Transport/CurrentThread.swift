import CZeroMQ
import Glibc

/// The calling thread.
public enum CurrentThread {
    /// Gives it the name that debuggers and `top -H` show, of which the system keeps the first 15 bytes.
    public static func setName(_ name: String) {
        unsafe pthread_setname_np(pthread_self(), String(decoding: name.utf8.prefix(15), as: UTF8.self))
    }
}
