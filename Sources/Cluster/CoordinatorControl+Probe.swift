import ExperimentFile
import ParameterServer
import Training
import Transport

/// Probes: what is measured by all workers together on a version that stands still, within the budget.
extension CoordinatorControl {
    /// Begins what fits the budget; a version for which nothing does is not held up.
    mutating func startProbe(_ version: Step, port: inout LoopPort) {
        let names = budget.admit(
            plan.experiment.diagnostics.probes, at: version, estimates: plan.probeEstimates(stepSeconds: steps.stepSeconds))
        guard !names.isEmpty else { return handle(.probed(version: version), port: &port) }
        var programme = ProbeProgramme(plan: plan, version: version, names: names)
        let action = programme.start()
        probing = (programme, MonotonicClock.now())
        carryOut(action, version, port: &port)
    }

    /// Its version is gone; what went into the diagnostic at hand is spent all the same.
    mutating func abandonProbe() {
        guard let (programme, since) = probing else { return }
        probing = nil
        for (index, name) in programme.names.enumerated() {
            budget.release(name, after: index == 0 ? MonotonicClock.now() - since : .zero)
        }
    }

    mutating func continueProbe(_ reply: ProbeShardReply, port: inout LoopPort) {
        guard var programme = probing?.programme else { return }
        let action = programme.receive(reply)
        probing?.programme = programme
        carryOut(action, programme.version, port: &port)
    }

    private mutating func carryOut(_ action: ProbeProgramme.Action, _ version: Step, port: inout LoopPort) {
        switch action {
        case .order(let order): outlets.shard(.probe(order, timeline: machine.timeline))
        case .measured(let name, let rows):
            let now = MonotonicClock.now()
            let duration = now - (probing?.since ?? now)
            probing?.since = now
            steps.leaveOut(duration)
            let stretch = budget.charge(name, duration, at: version)
            outlets.recorder(.diagnostics(version: version, name, rows, duration, stretch))
            guard var programme = probing?.programme else { return }
            let next = programme.goOn()
            probing?.programme = programme
            carryOut(next, version, port: &port)
        case .finished:
            probing = nil
            outlets.shard(.probe(.end, timeline: machine.timeline))
            handle(.probed(version: version), port: &port)
        }
    }
}
