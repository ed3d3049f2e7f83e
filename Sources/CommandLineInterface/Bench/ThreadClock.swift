import Foundation

/// The processor time of the calling thread: alone on a core the time that passes, and on a busy machine still what the work took.
enum ThreadClock {
    static func seconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
