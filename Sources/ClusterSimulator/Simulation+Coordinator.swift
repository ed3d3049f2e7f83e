import ExperimentFile
import LinearAlgebra
import ParameterServer
import RunStore
import ShardKernels
import Training

/// The shell of the coordinator: its control thread, its shard's thread and its recorder's.
extension Simulation {
    func receive(_ envelope: Envelope) throws {
        let life = envelope.life
        switch envelope.message {
        case .hello:
            if coordinator?.peers[life] == nil { coordinator?.peers[life] = (envelope.slot, false) }
            send(.welcome, to: life)
        case .ready:
            guard let peer = coordinator?.peers[life], !peer.isReady else { return }
            coordinator?.peers[life]?.isReady = true
            try tell(.joined(life))
        case .heartbeat(let report):
            guard let peer = coordinator?.peers[life] else { return send(.rejoin, to: life) }
            if peer.isReady { try tell(.heard(life, report)) }
        case .synchronized: try tell(.synchronized(life))
        case .leaving: try tell(.left(life, reason: "asked to"))
        case .subscribe(let version, let timeline):
            if coordinator?.shard.timeline == timeline { try tellShard(.subscribed(life, fromVersion: version)) }
        case .request(let version, let chunk): try tellShard(.parametersRequested(life, version: version, chunks: [chunk]))
        case .push(let name, let values): try tellShard(.pushed(name), values)
        case .statistics(let name, let values): try tellShard(.pushed(name), scalars: values)
        case .probeSubscribe, .probeRequest, .probePush: receiveProbe(life, envelope.message)
        case .welcome, .rejoin, .stop, .assignment, .parameters, .probe: break
        }
    }

    func takePost(_ post: LocalPost) throws {
        switch post {
        case .toShard(let event, let clipScale):
            if case .applyAllowed = event { coordinator?.clipScale = clipScale }
            if case .unsubscribed(let worker) = event { coordinator?.probe.unsubscribe(worker) }
            try tellShard(event)
        case .restoreShard(let version, let timeline, let state): try restoreShard(version, timeline, state)
        case .reduced(let step, let norms):
            coordinator?.decided[step] = try StepDecision(
                plan: problem.plan, step: step, squaredNorms: problem.plan.needsNorms(at: step) ? norms : nil
            ).clipScale
            try tell(.shardReduced(step: step))
        case .statistics(let step, let values): try record(step, values)
        case .applied(let version): if version > coordinator?.machine.version ?? .max { try tell(.shardApplied(version: version)) }
        case .toProbe(let order, let timeline): carryOut(order, timeline)
        case .probed(let reply, let timeline): try continueProbe(reply, timeline)
        case .restored(let version, let timeline):
            coordinator?.isBetweenTimelines = false
            coordinator?.generationChangedAt = version
            try tell(.rolledBack(version: version, timeline: timeline))
        case .captured(let capture): self.post(.record(capture))
        case .unreachable(let worker): try tell(.left(worker, reason: "unreachable"))
        case .record(let capture): try save(capture)
        case .rollBack: try rollBack()
        case .snapshotEnded(let version): try tell(.snapshotEnded(version: version))
        }
    }

    // MARK: Control

    func tell(_ event: CoordinatorMachine.Event) throws {
        var directives: [CoordinatorMachine.Directive] = []
        coordinator?.machine.handle(event, at: Instant(sinceStart: .microseconds(now)), into: &directives)
        for directive in directives { try carryOut(directive) }
    }

    private func carryOut(_ directive: CoordinatorMachine.Directive) throws {
        switch directive {
        case .assign(let worker, let assignment, _): send(.assignment(assignment), to: worker)
        case .probe(let version): try startProbe(version)
        case .unsubscribe(let worker): post(.toShard(.unsubscribed(worker), clipScale: 1))
        case .judgeGradient(let step): try tell(.gradientAccepted(step: step))
        case .allowApply(let step, let timeline):
            let scale = coordinator?.decided.removeValue(forKey: step) ?? 1
            post(.toShard(.applyAllowed(step: step, timeline: timeline), clipScale: scale))
        case .recordMembership(let row): try check(row)
        case .warnWait(let wait):
            if case .gradients = wait.subject { reach("slow step") }
        case .stepDone(let version): try checkStep(version)
        case .expel(let worker):
            reach("expelled")
            coordinator?.peers[worker] = nil
            send(.rejoin, to: worker)
        case .rollBack:
            coordinator?.isBetweenTimelines = true
            coordinator?.programme = nil
            post(.rollBack)
        case .place: throw violation("shards are placed on workers, but live with the coordinator")
        case .requestSnapshot: post(.toShard(.captureRequested(version: nil), clipScale: 1))
        case .end(let outcome): try end(outcome)
        }
    }

    private func end(_ outcome: CoordinatorMachine.Outcome) throws {
        switch outcome {
        case .finished: isFinished = true
        case .interrupted(_, let snapshot):
            reach(snapshot == nil ? "interrupted without a snapshot" : "interrupted with a snapshot")
            endCoordinator()
            let resumption = active.map { faults[$0] }.filter { if case .stop = $0.kind { true } else { false } }.map(\.end).max()
            queue.add(.startCoordinator, at: max(now, resumption ?? now) + 1_000)
        case .failed(let failure): throw violation("the run ends: \(failure)")
        }
    }

    // MARK: Shard

    func tellShard(_ event: ShardMachine.Event, _ payload: [Float] = [], scalars: [Double] = []) throws {
        var directives: [ShardMachine.Directive] = []
        coordinator?.shard.handle(event, into: &directives)
        for directive in directives {
            guard case .accept(let chunk, let merging, let yields) = directive, case .pushed(let name) = event else {
                try carryOut(directive)
                continue
            }
            try count(name, merging: merging, yields: yields)
            if chunk == problem.plan.chunks.statistics {
                coordinator?.statistics.accept(scalars, merging: merging, yields: yields)
            } else {
                unsafe coordinator?.store.accept(chunk: chunk, payload: payload.span.bytes, merging: merging, yields: yields)
            }
        }
    }

    private func carryOut(_ directive: ShardMachine.Directive) throws {
        let (plan, statistics) = (problem.plan, problem.plan.chunks.statistics)
        switch directive {
        case .accept: throw violation("something else than a push was accepted")
        case .drop(_, let reason): reach("dropped push: \(reason.rawValue)")
        case .reportCaptureMissed: throw violation("the only host misses no capture")
        case .discard(let chunk, let nodes):
            reach("partial sums replaced")
            for node in nodes { coordinator?.counted[Int(chunk.rawValue)][node] = nil }
            if chunk == statistics {
                coordinator?.statistics.discard(nodes)
            } else {
                coordinator?.store.discard(chunk: chunk, nodes: nodes)
            }
        case .rooted(let chunk, let step):
            if plan.needsNorms(at: step), let norms = coordinator?.store.squaredNorms(chunk: chunk, root: plan.tree.root) {
                coordinator?.norms[Int(chunk.rawValue)] = norms
            }
        case .reportReduced(let step):
            if let norms = coordinator?.norms { post(.reduced(step: step, squaredNorms: norms.flatMap { $0 })) }
        case .apply(let chunk, let step): try apply(chunk, step)
        case .deliverStatistics(let step):
            try countRoot(statistics, step)
            if let values = coordinator?.statistics.take(root: plan.tree.root) { post(.statistics(step: step, values)) }
        case .capture(let chunk, let version, let occasion):
            guard let store = coordinator?.store else { return }
            if let capture = coordinator?.captures.add(chunk, version: version, occasion, from: store) { post(.captured(capture)) }
        case .publish(let chunk, let version, let readers): publish(chunk, version, readers)
        case .reportApplied(let version): post(.applied(version: version))
        }
    }

    private func apply(_ chunk: ChunkIndex, _ step: Step) throws {
        try countRoot(chunk, step)
        guard let scale = coordinator?.clipScale else { return }
        coordinator?.store.apply(chunk: chunk, step: step, clipScale: scale, root: problem.plan.tree.root)
        let range = problem.plan.chunks.chunks[Int(chunk.rawValue)].range
        guard let state = coordinator?.store.state, sameBits(state.parameters, problem.states[Int(step) + 1].parameters, range)
        else {
            throw violation("chunk \(chunk.rawValue) has other bits than the reference trainer's after step \(step)")
        }
    }

    private func publish(_ chunk: ChunkIndex, _ version: Step, _ readers: [WorkerID]) {
        guard let timeline = coordinator?.shard.timeline, let state = coordinator?.store.state else { return }
        let range = chunk == problem.plan.chunks.statistics ? 0..<0 : problem.plan.chunks.chunks[Int(chunk.rawValue)].range
        let values = range.map { state.parameters.span[$0] }
        for reader in readers { send(.parameters(chunk, version, timeline, values), to: reader) }
    }

    private func restoreShard(_ version: Step, _ timeline: Timeline, _ state: OptimizerState) throws {
        coordinator?.captures = CaptureAssembler(
            plan: problem.plan.chunks, optimizer: problem.plan.experiment.optimizer, elements: state.parameters.count)
        coordinator?.store.restore(state)
        coordinator?.probe.restart(timeline: timeline)
        coordinator?.clipScale = 1
        for index in 0..<problem.plan.chunks.frameCount { coordinator?.nextStep[index] = version }
        try tellShard(.restored(version: version, timeline: timeline))
        post(.restored(version: version, timeline))
    }

    // MARK: Recorder

    /// Saves what a snapshot holds, as the recorder does; the disk may kill the process in the middle of it.
    private func save(_ capture: Capture) throws {
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

    private func rollBack() throws {
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
