import ExperimentFile
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import StructuredLayers
import Training

/// One run of a simulated cluster: the very machines, real numbers, and a seeded network, clock and disk.
///
/// Every event is followed by the invariants; the first one that fails ends the run with a `Violation`. Used by one thread.
final class Simulation {
    enum Event {
        case deliver(Envelope)
        case post(process: Int, LocalPost)
        case coordinatorTick(process: Int)
        case workerTick(slot: Int, process: Int)
        case computed(slot: Int, process: Int, life: WorkerID, Step, TreeNode)
        case workerReady(slot: Int, life: WorkerID)
        case startCoordinator
        case startWorker(slot: Int)
        case faultBegins(Int)
        case faultEnds(Int)
    }

    let problem: SimulatedProblem
    let faults: [Fault]
    let workers: Int
    let placement: ShardPlacement
    /// Workers that host shards at most.
    let hostsMax: Int
    /// Which thread of the coordinator's hosts which chunk; nil where workers do.
    let coordinatorMap: ShardMap?
    var now = 0
    var queue = EventQueue<Event>()
    var dice: Dice
    var coordinator: SimulatedCoordinator?
    var slots: [WorkerSlot] = []
    let disk = SimulatedDisk()
    let snapshots: SnapshotStore<SimulatedDisk>
    var computer: MicrobatchComputer
    var prober: ProbeComputer
    /// Faults that are going on, in order of their beginning: a set's order would be another in every process, and with it the dice.
    var active: [Int] = []
    /// Counts of faults that hold a process still, by slot; -1 is the coordinator.
    var pauses: [Int: Int] = [:]
    var held: [Int: [Event]] = [:]
    /// Counts of faults that keep a process from starting.
    var down: [Int: Int] = [:]
    var processes = 0
    var lives: UInt64 = 0
    var linkTimes: [Int: Int] = [:]
    var lastTimeline: UInt32 = 0
    var damagedVersions = 0
    /// Where each life is lived.
    var homes: [WorkerID: Int] = [:]
    /// Who hosts what, on each timeline.
    var maps: [Timeline: ShardMap] = [:]
    /// The step that each chunk applies next, on each timeline.
    var nextSteps: [Timeline: [Step]] = [:]
    var recordedLosses: [Step: [Double]] = [:]
    var isFinished = false
    private(set) var eventCount = 0
    /// What the run went through, by name: proof that a campaign reaches the paths that it is meant for.
    private(set) var reached: [String: Int] = [:]

    /// Virtual time in which a run must end once nothing goes wrong any more, besides the time to compute it.
    static let endPatience = 400_000_000
    static let microbatchTime = 60_000...350_000
    /// How often a lane that waits for chunks looks for them.
    static let gateInterval = 20_000
    static let heartbeat = 1_000_000

    init(
        problem: SimulatedProblem, workers: Int, placement: ShardPlacement = .coordinator, seed: UInt64, faults: [Fault]
    ) {
        var choice = Dice(seed: seed, purpose: "hosts")
        // Mostly every worker that was there at the beginning; sometimes some only compute.
        hostsMax = choice.chance(0.25) ? choice.within(1...workers) : problem.plan.chunks.chunks.count
        var threads = Dice(seed: seed, purpose: "shard threads")
        let hosts = WorkerID.coordinators(threads.within(1...3))
        coordinatorMap = placement == .coordinator ? ShardMap(problem.plan.chunks, hosts: hosts) : nil
        self.placement = placement
        self.problem = problem
        self.workers = workers
        self.faults = faults
        dice = Dice(seed: seed, purpose: "events")
        snapshots = SnapshotStore("run", on: disk)
        computer = MicrobatchComputer(problem.plan)
        prober = ProbeComputer(problem.plan)
        slots = Array(repeating: WorkerSlot(), count: workers)
        for (index, fault) in faults.enumerated() {
            queue.add(.faultBegins(index), at: fault.start)
            queue.add(.faultEnds(index), at: fault.end)
        }
        queue.add(.startCoordinator, at: 0)
        for slot in slots.indices { queue.add(.startWorker(slot: slot), at: dice.below(300_000)) }
    }

    /// Runs to the end of training.
    ///
    /// - Throws: `Violation`.
    func run() throws {
        let lastFault = faults.map(\.end).max() ?? 0
        let work = Int(problem.steps) * problem.plan.tree.partitions * Self.microbatchTime.upperBound
        let deadline = lastFault + Self.endPatience + 2 * work * (1 + SimulatedProblem.roundsPerProbe)
        while !isFinished {
            guard let (time, event) = queue.next() else {
                throw violation("nothing is left to happen, and the run is not finished")
            }
            now = time
            eventCount += 1
            guard now < deadline else {
                throw violation("no end although nothing has gone wrong for \((now - lastFault) / 1_000_000) s: \(situation)")
            }
            try take(event)
            try checkMemory()
        }
        try checkEnd()
    }

    func reach(_ what: String) { reached[what, default: 0] += 1 }

    func violation(_ what: String) -> Violation { Violation(time: now, what: what) }

    /// Who waits for what.
    var situation: String {
        guard let coordinator else { return "no coordinator" }
        let machine = coordinator.machine
        var lines = [
            "\(machine.phaseName), timeline \(machine.timeline.rawValue), generation \(machine.generation.rawValue), version "
                + "\(machine.version), the shards at \(coordinator.shards.map(\.machine.version)) with \(coordinator.shard.machine.readerCount) readers, missing "
                + "\(coordinator.shards.map(\.machine.missingPartitions))\(coordinator.programme == nil ? "" : ", probing"), round "
                + "\(coordinator.probe.round) of probes missing \(coordinator.probe.missingPartitions)"
        ]
        if let ledger = coordinator.ledger {
            lines.append(
                "the hosts are at \(ledger.version.map { "\($0)" } ?? "nothing"), capture \(ledger.captureTarget ?? 0) is awaited")
        }
        for (slot, worker) in slots.enumerated() {
            guard let process = worker.process else { continue }
            let partitions = machine.assignments.first { $0.worker == process.life }?.partitions
            let report = process.report
            lines.append(
                "worker \(slot): life \(process.life), timeline \(report.timeline.rawValue), generation \(report.generation.rawValue), "
                    + "version \(report.version.map { "\($0)" } ?? "none"), misses \(process.machine.missingChunks.count), computes "
                    + "\(process.lane.count), probes \(process.probe.situation), assigned \(partitions.map { "\($0)" } ?? "nothing")"
            )
            guard let host = process.host else { continue }
            let shard = host.shard?.machine
            lines.append(
                "  hosts \(host.chunks.count) chunks of timeline \(host.timeline.rawValue), misses \(host.missing.count), version "
                    + "\(shard.map { "\($0.version)" } ?? "none"), missing \(shard?.missingPartitions ?? []), "
                    + "waits for \(host.reduced.map { "the word on \($0.step)" } ?? "nothing")"
            )
        }
        return lines.joined(separator: "\n  ")
    }

    private func take(_ event: Event) throws {
        switch event {
        case .deliver(let envelope):
            if hold(event, envelope.to) { return }
            try deliver(envelope)
        case .post(let process, let post):
            if hold(event, -1) { return }
            if coordinator?.process == process { try takePost(post) }
        case .coordinatorTick(let process):
            guard coordinator?.process == process else { return }
            if hold(event, -1) { return }
            try tickHub()
            try tell(.ticked)
            queue.add(event, at: now + 250_000)
        case .workerTick(let slot, let process):
            guard slots[slot].process?.process == process else { return }
            if hold(event, slot) { return }
            try tickWorker(slot)
            queue.add(event, at: now + Self.heartbeat)
        case .computed(let slot, let process, let life, let step, let node):
            guard slots[slot].process?.process == process else { return }
            if hold(event, slot) { return }
            try computed(slot, life, step, node)
        case .workerReady(let slot, let life):
            guard slots[slot].process?.life == life else { return }
            if hold(event, slot) { return }
            slots[slot].process?.unanswered = .ready
            send(.ready, from: slot)
        case .startCoordinator: try startCoordinator()
        case .startWorker(let slot): startWorker(slot)
        case .faultBegins(let index): try begin(index)
        case .faultEnds(let index): end(index)
        }
    }

    /// Keeps an event of a process that stands still for its awakening.
    private func hold(_ event: Event, _ actor: Int) -> Bool {
        guard pauses[actor, default: 0] > 0 else { return false }
        held[actor, default: []].append(event)
        return true
    }

    /// What a process that stood still has missed: its timers come last, for the inbox is drained before deadlines are judged.
    func wake(_ actor: Int) {
        let missed = held.removeValue(forKey: actor) ?? []
        func isTick(_ event: Event) -> Bool {
            switch event {
            case .coordinatorTick, .workerTick: true
            default: false
            }
        }
        for event in missed where !isTick(event) { queue.add(event, at: now) }
        for event in missed where isTick(event) { queue.add(event, at: now) }
    }
}
