import Foundation
import ParameterServer
import Synchronization

/// Keeps lanes from reading chunks of a version that have not arrived: they wait until a prefix of the chunks is there.
///
/// The data loop opens it; lanes wait. Reading without waiting costs one atomic load. Sendable because `condition` guards every wait and
/// both values are atomic.
final class ArrivalGate: @unchecked Sendable {
    /// The version that arrives.
    let version: Step
    /// How many chunks are there, from the first on without a gap.
    private let prefix: Atomic<Int>
    private let isAbandonedFlag = Atomic<Bool>(false)
    private let condition = NSCondition()

    /// Why a computation ended without a result.
    struct Abandoned: Error {}

    init(version: Step, prefix: Int) {
        self.version = version
        self.prefix = Atomic(prefix)
    }

    /// Chunks that were written before this call may be read.
    func open(_ count: Int) {
        guard count > prefix.load(ordering: .relaxed) else { return }
        prefix.store(count, ordering: .releasing)
        wake()
    }

    /// The version is void: whoever waits, or asks from now on, is sent away.
    func abandon() {
        isAbandonedFlag.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    var isAbandoned: Bool { isAbandonedFlag.load(ordering: .sequentiallyConsistent) }

    /// Waits until the first `count` chunks are there; returns how long.
    ///
    /// - Parameter goesOn: asked every 100 ms whether there is still reason to wait; the data loop says what is being waited for.
    func wait(for count: Int, while goesOn: () -> Bool) throws(Abandoned) -> Duration {
        if isAbandoned { throw Abandoned() }
        if prefix.load(ordering: .acquiring) >= count { return .zero }
        let start = ContinuousClock.now
        condition.lock()
        defer { condition.unlock() }
        while prefix.load(ordering: .acquiring) < count && !isAbandoned {
            if !condition.wait(until: Date(timeIntervalSinceNow: 0.1)) && !goesOn() { throw Abandoned() }
        }
        if isAbandoned { throw Abandoned() }
        return ContinuousClock.now - start
    }

    private func wake() {
        condition.lock()
        condition.broadcast()
        condition.unlock()
    }
}
