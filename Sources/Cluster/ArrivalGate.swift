import ParameterServer
import Synchronization
import Transport

/// Keeps lanes from reading chunks of a version that have not arrived: they wait until a prefix of the chunks is there.
///
/// The data loop opens it; lanes wait. Where nothing is waited for, a look costs two atomic loads.
final class ArrivalGate: Sendable {
    /// The version that arrives.
    let version: Step
    /// How many chunks are there, from the first on without a gap.
    private let prefix: Atomic<Int>
    private let abandoned = Atomic<Bool>(false)
    /// What those who wait are woken by.
    private let changes: Monitor<Void>

    /// Why a computation ended without a result.
    struct Abandoned: Error {}

    /// A gate at which `prefix` chunks are there. Gates may share `changes`: whoever waits looks at its own.
    init(version: Step, prefix: Int, changes: Monitor<Void> = Monitor(())) {
        (self.version, self.changes) = (version, changes)
        self.prefix = Atomic(prefix)
    }

    /// Chunks that were written before this call may be read.
    func open(_ count: Int) {
        guard count > prefix.load(ordering: .relaxed) else { return }
        prefix.store(count, ordering: .releasing)
        changes.update { _ in }
    }

    /// The version is void: whoever waits, or asks from now on, is sent away.
    func abandon() {
        abandoned.store(true, ordering: .sequentiallyConsistent)
        changes.update { _ in }
    }

    var isAbandoned: Bool { abandoned.load(ordering: .sequentiallyConsistent) }

    /// Waits until the first `count` chunks are there; returns how long.
    ///
    /// - Parameter goesOn: asked every 100 ms whether there is still reason to wait; the data loop says what is being waited for.
    func wait(for count: Int, while goesOn: () -> Bool) throws(Abandoned) -> Duration {
        if isAbandoned { throw Abandoned() }
        if prefix.load(ordering: .acquiring) >= count { return .zero }
        let start = MonotonicClock.now()
        while changes.wait(atMost: .milliseconds(100), until: { _ in isOver(count) ? true : nil }) == nil {
            if !goesOn() { throw Abandoned() }
        }
        if isAbandoned { throw Abandoned() }
        return MonotonicClock.now() - start
    }

    private func isOver(_ count: Int) -> Bool { prefix.load(ordering: .acquiring) >= count || isAbandoned }
}
