import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import Training

/// What must hold after every event.
extension Simulation {
    /// A timeline's chunks begin with its first version, wherever they lie.
    func begin(_ timeline: Timeline, at version: Step) {
        nextSteps[timeline] = Array(repeating: version, count: problem.plan.chunks.frameCount)
    }

    /// The version that every chunk has reached on a timeline.
    func reachedVersion(_ timeline: Timeline) -> Step { nextSteps[timeline]?.min() ?? 0 }

    private func nextStep(_ chunk: ChunkIndex, _ timeline: Timeline) -> Step? { nextSteps[timeline]?[Int(chunk.rawValue)] }

    /// Each partition counts once for a chunk and step, and only pushes of the shard's timeline do.
    func count(_ name: PushName, merging: [TreeNode], yields: TreeNode, in shard: SimulatedShard) throws {
        let (index, timeline) = (Int(name.chunk.rawValue), shard.machine.timeline)
        guard name.timeline == timeline else {
            throw violation("a push of timeline \(name.timeline.rawValue) counts on timeline \(timeline.rawValue)")
        }
        guard name.step == nextStep(name.chunk, timeline) else {
            throw violation("a push of step \(name.step) counts at step \(nextStep(name.chunk, timeline) ?? 0) of chunk \(index)")
        }
        var counts = Array(repeating: 0, count: problem.plan.tree.partitions)
        for partition in name.node.partitions { counts[partition] += 1 }
        var sum = name.node
        for sibling in merging {
            guard let other = shard.counted[index][sibling] else {
                throw violation("chunk \(index) adds a push to \(sibling), which it does not hold")
            }
            guard let (parent, expected) = problem.plan.tree.parent(of: sum), expected == sibling else {
                throw violation("chunk \(index) adds \(sum) and \(sibling), which are not halves of one node")
            }
            for partition in counts.indices { counts[partition] += other[partition] }
            shard.counted[index][sibling] = nil
            sum = parent
        }
        guard sum == yields, counts.enumerated().allSatisfy({ $1 == (yields.partitions.contains($0) ? 1 : 0) }) else {
            throw violation("chunk \(index) counts its partitions \(counts) times at step \(name.step)")
        }
        shard.counted[index][yields] = counts
    }

    /// A chunk moves by exactly one step of its timeline, in one place, and only with the sum of all partitions.
    func countRoot(_ chunk: ChunkIndex, _ step: Step, in shard: SimulatedShard) throws {
        let (index, timeline) = (Int(chunk.rawValue), shard.machine.timeline)
        guard let next = nextStep(chunk, timeline), next == step else {
            throw violation("chunk \(index) applies step \(step) where step \(nextStep(chunk, timeline) ?? 0) comes next")
        }
        guard shard.counted[index][problem.plan.tree.root] != nil else {
            throw violation("chunk \(index) applies step \(step) without all of its gradient")
        }
        shard.counted[index] = [:]
        nextSteps[timeline]?[index] = step + 1
    }

    /// Versions come one by one, and the workers that made one hold it or the one before.
    func checkStep(_ version: Step) throws {
        guard let coordinator else { return }
        let timeline = coordinator.shard.machine.timeline
        let reached = reachedVersion(timeline)
        // Reports of workers may be lost, and the next ones tell more.
        guard version <= reached, version + 1 >= reached || placement == .workers else {
            throw violation("the coordinator is at version \(version), the shards at \(reached)")
        }
        if problem.plan.needsNorms(at: version - 1) && !coordinator.normed.contains(version - 1) {
            throw violation("version \(version) is complete without the norms of the step that made it")
        }
        if problem.plan.captures.capture(at: version) != nil && !coordinator.copied.contains(version) {
            throw violation("version \(version) is complete without its copy")
        }
        let isCalm = active.isEmpty && now > (faults.filter { $0.start < now }.map(\.end).max() ?? 0) + 30_000_000
        guard faults.isEmpty || isCalm, version >= coordinator.generationChangedAt + 3 else { return }
        reach("calm step")
        for (worker, partitions) in coordinator.machine.assignments where !partitions.isEmpty {
            guard let slot = coordinator.slots[worker], let process = slots[slot].process, process.life == worker,
                let holds = process.machine.version, process.machine.currentTimeline == timeline
            else { continue }
            // A whole next version waits for the lane, which may be at work once more for the one before.
            let whole = process.machine.missingChunks.isEmpty ? holds + 1 : holds
            guard whole + 1 >= version, holds <= reached else {
                throw violation("worker \(slot) holds version \(holds) while version \(version) is complete: \(situation)")
            }
        }
    }

    /// Nobody is declared lost whose heartbeats could arrive; the time during which the coordinator stood still does not count.
    func check(_ row: CoordinatorMachine.Membership) throws {
        guard let coordinator else { return }
        self.coordinator?.generationChangedAt = row.step
        reach("membership: \(row.change.rawValue)")
        guard row.change == .lost, let slot = coordinator.slots[row.worker], slots[slot].process?.life == row.worker else { return }
        if pauses[slot, default: 0] > 0 || now < slots[slot].disturbedUntil + 10_000_000 { return }
        throw violation("worker \(slot) is declared lost although nothing kept its heartbeats from arriving")
    }

    /// The scalars of a step are the reference trainer's, in every timeline.
    func record(_ step: Step, _ values: [Double]) throws {
        guard values.map(\.bitPattern) == problem.scalars[Int(step)].map(\.bitPattern) else {
            throw violation("the scalars of step \(step) have other bits than the reference trainer's")
        }
        recordedLosses[step] = values
    }

    /// What is kept does not grow with faults.
    func checkMemory() throws {
        let plan = problem.plan
        if let coordinator {
            let held = coordinator.shards.reduce(0) { $0 + $1.machine.heldNodes }
            guard held <= plan.chunks.frameCount * plan.tree.partitions else {
                throw violation("the coordinator holds \(held) nodes")
            }
        }
        for (slot, worker) in slots.enumerated() {
            guard let process = worker.process else { continue }
            // A computation of an ended timeline may still run beside those of the present one, and what was abandoned wait to be passed over.
            let abandoned = process.lane.count { $0.isAbandoned }
            guard process.lane.count - abandoned <= 2 * plan.tree.partitions, abandoned <= 2 * plan.tree.partitions,
                process.finished.count <= plan.tree.partitions
            else {
                throw violation(
                    "worker \(slot) has \(process.lane.count) computations waiting, \(abandoned) of them abandoned, and "
                        + "\(process.finished.count) results")
            }
            guard let host = process.host, let shard = host.shard else { continue }
            let held = shard.machine.heldNodes
            guard held <= host.chunks.count * plan.tree.partitions else {
                throw violation("the shard of worker \(slot) holds \(held) nodes")
            }
        }
    }

    /// The end of a run: every version made, every step's scalars recorded, the reference trainer's bits, nothing left lying about.
    func checkEnd() throws {
        guard let coordinator else { throw violation("the run has finished without a coordinator") }
        guard coordinator.machine.version == problem.steps, reachedVersion(coordinator.shard.machine.timeline) == problem.steps
        else {
            throw violation("the run has finished at version \(coordinator.machine.version) of \(problem.steps)")
        }
        guard let last = placement == .workers ? coordinator.last : coordinator.shard.store.state(at: problem.steps) else {
            throw violation("the run has finished before its last version was with the coordinator")
        }
        guard sameState(last, problem.states[Int(problem.steps)]) else {
            throw violation("the last version has other bits than the reference trainer's")
        }
        if let left = disk.paths.first(where: { $0.contains(".partial-") }), !active.contains(where: { isDiskFault(faults[$0]) }) {
            throw violation("\(left) is left behind")
        }
    }

    private func isDiskFault(_ fault: Fault) -> Bool {
        switch fault.kind {
        case .diskFull, .crashOnDisk: true
        default: false
        }
    }
}
