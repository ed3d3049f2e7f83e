import Foundation
import Synchronization

/// Child processes of this one that end when it ends: each holds the read end of a pipe whose write end only this process has.
///
/// Even a `kill -9` of the parent closes the pipe, and a child that watches it (`--end-with-stdin`) exits.
public final class LocalProcesses: Sendable {
    /// How a child ended.
    public struct Ending: Hashable, Sendable, CustomStringConvertible {
        public var processID: Int32
        /// Exit status, or nil when a signal ended it.
        public var status: Int32?
        public var signal: Int32?

        public var description: String {
            if let signal { return "process \(processID) was ended by signal \(signal)" }
            return "process \(processID) ended with status \(status ?? 0)"
        }
    }

    private struct Child: @unchecked Sendable {
        // Sendable: `Process` and `Pipe` are only touched under the mutex, or through the thread-safe `terminate`.
        let process: Process
        let pipe: Pipe
    }

    private let children = Mutex<[Child]>([])

    public init() {}

    /// Starts `executable` with `arguments`; `ended` is called once, on some thread, when it is gone.
    ///
    /// - Throws: Foundation's error when the program cannot be started.
    @discardableResult
    public func start(_ executable: URL, _ arguments: [String], ended: @escaping @Sendable (Ending) -> Void) throws -> Int32 {
        let (process, pipe) = (Process(), Pipe())
        // The children must not hold each other's write ends, or none would see the parent go.
        _ = fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        process.executableURL = executable
        process.arguments = arguments
        process.standardInput = pipe.fileHandleForReading
        process.terminationHandler = { process in
            let signalled = process.terminationReason == .uncaughtSignal
            ended(
                Ending(
                    processID: process.processIdentifier, status: signalled ? nil : process.terminationStatus,
                    signal: signalled ? process.terminationStatus : nil))
        }
        try process.run()
        try? pipe.fileHandleForReading.close()
        let child = Child(process: process, pipe: pipe)
        children.withLock { $0.append(child) }
        return process.processIdentifier
    }

    /// Lets every child end: closes the pipes, waits up to `patience`, then kills what is left. Returns when all are gone.
    public func reap(patience: Duration) {
        let children = children.withLock { list in
            defer { list = [] }
            return list
        }
        for child in children { try? child.pipe.fileHandleForWriting.close() }
        let deadline = ContinuousClock.now + patience
        for child in children {
            while child.process.isRunning && ContinuousClock.now < deadline { usleep(2_000) }
            if child.process.isRunning { kill(child.process.processIdentifier, SIGKILL) }
            child.process.waitUntilExit()
        }
    }
}
