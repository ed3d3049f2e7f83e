import LinearAlgebra
import ParameterServer
import ShardKernels
import Training
import Transport

/// What hosts tell the hub, and what the hub makes of it: from this thread and others of the process, and, once they have been read, from
/// workers' frames.
extension ShardHost {
    mutating func report(_ item: ShardReport) { reports.append((item, machine.timeline)) }

    /// What follows in the hub may be more to report.
    mutating func passReports(port: inout LoopPort) {
        while !reports.isEmpty {
            let due = reports
            reports.removeAll(keepingCapacity: true)
            for (report, timeline) in due {
                if isHub {
                    take(report, from: identity, timeline, port: &port)
                } else {
                    pass(.coordinator, .reported(report, from: identity, timeline: timeline))
                }
            }
        }
    }

    /// Takes what a host tells the hub; what is of another timeline is void.
    mutating func take(_ report: ShardReport, from host: WorkerID, _ timeline: Timeline, port: inout LoopPort) {
        guard timeline == machine.timeline else { return }
        switch report {
        case .restored:
            placement.restoring?.hosts.remove(host)
            tellRestored()
        case .applied(let version): reported { $0.applied(host, version) }
        case .norms(let step, let values):
            let (plan, needed) = (plan, plan.needsNorms(at: step))
            reported { ledger in
                ledger.reduced(host, step: step, norms: values) { chunk in
                    needed ? plan.chunks.chunks[Int(chunk.rawValue)].segments.count : 0
                }
            }
        case .captured(let chunk, let version, let occasion, let sections):
            put(version, occasion) { captures in
                var whole: Capture?
                for (section, values) in sections.enumerated() {
                    whole = captures.add(section, of: chunk, version: version, occasion, unsafe values.span.bytes)
                }
                return whole
            }
        case .captureMissed(let target, let foremost):
            if let later = placement.ledger?.captureMissed(target: target, foremost: foremost) { ask(for: later, port: &port) }
        }
    }

    /// Puts a piece of a version that is awaited to the others; whoever asked for the copy gets it when it is whole.
    mutating func put(_ version: Step, _ occasion: CaptureOccasion, _ add: (inout CaptureAssembler) -> Capture?) {
        guard placement.ledger?.awaits(version, occasion) == true, let capture = add(&captures) else { return }
        if occasion == .probed { placement.probed = capture.state } else { tell(.captured(capture)) }
        reported { $0.captured(version, occasion) }
    }

    /// Has every other host of the coordinator's put the version in place. Nobody takes part in the timeline before all have.
    mutating func beginRestoring(_ version: Step, _ timeline: Timeline, _ state: OptimizerState) {
        let others = plan.coordinators.filter { $0 != identity }
        placement.restoring = (version, Set(others))
        for host in others { pass(host, .restore(version: version, timeline: timeline, state: state)) }
        tellRestored(timeline)
    }

    private mutating func tellRestored(_ timeline: Timeline? = nil) {
        guard let restoring = placement.restoring, restoring.hosts.isEmpty else { return }
        placement.restoring = nil
        tell(.restored(version: restoring.version, timeline: timeline ?? machine.timeline))
    }

    /// Takes a report into the ledger, and tells the coordinator what follows from it.
    mutating func reported(_ report: (inout ShardLedger) -> Void) {
        // Taken out, so that it is changed in its place.
        guard var ledger = placement.ledger.take() else { return }
        defer { placement.ledger = ledger }
        report(&ledger)
        while let news = ledger.news(needsNorms: { plan.needsNorms(at: $0) }) {
            switch news {
            case .placed:
                placement.first = nil
                tell(.placed(generation: placement.generation))
            case .applied(let version): tell(.applied(version: version))
            case .reduced(let step, let norms):
                tell(
                    machine.configuration.isHeld(step)
                        ? .reduced(step: step, squaredNorms: norms) : .norms(step: step, squaredNorms: norms))
            }
        }
    }
}
