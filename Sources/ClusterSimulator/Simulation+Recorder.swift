import ExperimentFile
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import Training

/// The coordinator's recorder: the thread that owns the disk.
extension Simulation {
    /// Saves what a snapshot holds, as the recorder does; the disk may kill the process in the middle of it.
    func save(_ capture: Capture) throws {
        guard capture.isComplete, coordinator?.isBetweenTimelines == false || capture.occasion == .requested else { return }
        guard let timeline = coordinator?.recorderTimeline else { return }
        var bytes = Bytes(capture.state).content
        bytes.append(UInt8(truncatingIfNeeded: capture.version))
        let keep = problem.plan.experiment.training.keepCheckpoints
        let saved = try? snapshots.save(step: capture.version, timeline: timeline.rawValue, keeping: keep) { path in
            var file = try DurableFile(path: path, on: disk)
            unsafe try file.write(bytes.span.bytes)
            return try file.commit()
        }
        if diskKilledCoordinator() { return }
        if saved != nil && !sameState(capture.state, problem.states[Int(capture.version)]) {
            throw violation("snapshot \(capture.version) does not hold the reference trainer's state")
        }
        if saved == nil { reach("snapshot failed") }
        if capture.occasion == .requested { post(.snapshotEnded(version: saved == nil ? nil : capture.version)) }
    }

    func rollBack() throws {
        reach("rollback")
        let (version, state) = try newestSnapshot()
        let timeline = try? snapshots.beginTimeline()
        if diskKilledCoordinator() { return }
        guard let timeline else {
            // The run cannot go on on this disk: the process ends, and somebody resumes it.
            endCoordinator()
            return queue.add(.startCoordinator, at: now + 1_000_000)
        }
        try announce(timeline)
        coordinator?.recorderTimeline = Timeline(rawValue: timeline)
        post(.restoreShard(version: version, Timeline(rawValue: timeline), state))
    }

    private func diskKilledCoordinator() -> Bool {
        guard disk.isCrashed else { return false }
        reach("death while writing")
        endCoordinator()
        queue.add(.startCoordinator, at: now + 500_000)
        return true
    }

    /// What a resumed run begins with; what a manifest vouches for must be whole unless a fault has damaged it.
    func newestSnapshot() throws -> (Step, OptimizerState) {
        let (usable, damaged) = snapshots.manifests()
        if let error = damaged.first { throw violation("\(error)") }
        for manifest in usable where manifest.step < problem.steps {
            guard let path = try? snapshots.verify(manifest) else {
                reach("damaged snapshot passed over")
                if damagedVersions == 0 {
                    throw violation("the manifest of version \(manifest.step) vouches for a file that is not whole")
                }
                continue
            }
            let reference = problem.states[Int(manifest.step)]
            let bytes = Bytes(reference)
            guard let content = try? disk.read(path, at: 0, count: manifest.bytes), Array(content.dropLast()) == bytes.content
            else {
                throw violation("the snapshot of version \(manifest.step) does not hold the reference trainer's state")
            }
            return (manifest.step, reference)
        }
        return (0, problem.states[0])
    }
}

/// Parameters and moments as bytes.
private struct Bytes {
    var content: [UInt8] = []

    init(_ state: OptimizerState) {
        for vector in [state.parameters] + state.moments {
            for index in 0..<vector.count {
                let bits = vector.span[index].bitPattern
                for shift in stride(from: 0, to: 32, by: 8) { content.append(UInt8(truncatingIfNeeded: bits >> UInt32(shift))) }
            }
        }
    }
}

func sameState(_ a: OptimizerState, _ b: OptimizerState) -> Bool {
    sameBits(a.parameters, b.parameters) && zip(a.moments, b.moments).allSatisfy { sameBits($0, $1) }
}
