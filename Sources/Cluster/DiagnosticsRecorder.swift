import ExperimentFile
import LinearAlgebra
import ParameterServer
import RunStore
import SpectralDiagnostics
import Training

/// Writes diagnostics to a run's record, takes those of the weights (T1) as far as the budget goes, and says how far it stretched them.
///
/// Used by the recorder's thread.
struct DiagnosticsRecorder {
    private let plan: TrainingPlan
    private let record: RunRecord
    private let budget: DiagnosticsBudget
    private let estimates: [DiagnosticsSpecification.Name: Double]
    /// The version whose step is looked at once the next one is there.
    private var updated: WeightExamination?
    /// Diagnostics whose stretching has been told of.
    private var stretched: Set<DiagnosticsSpecification.Name> = []

    init(plan: TrainingPlan, record: RunRecord, budget: DiagnosticsBudget) {
        (self.plan, self.record, self.budget) = (plan, record, budget)
        estimates = plan.examinationEstimates
    }

    /// The step that was to be looked at belongs to a history that has ended.
    mutating func forgetStep() {
        if updated != nil { budget.release(.update) }
        updated = nil
    }

    func write(_ rows: [DiagnosticRow], at step: Step) {
        for row in rows {
            record.diagnostic(
                step, layer: row.layer, diagnostic: row.diagnostic, quantity: row.quantity, value: row.value.number,
                uncertainty: row.value.uncertainty, reason: row.value.reason)
        }
    }

    /// T1 of a version that is due or the last; and of the step that led to it, if it began with one that was looked at.
    mutating func examine(_ parameters: AlignedVector, _ version: Step, caps: () -> [DiagnosticRow]) {
        let diagnostics = plan.experiment.diagnostics
        var present = WeightExamination(plan, parameters, version: version)
        if var before = updated, version == before.version + 1 {
            measure(.update, at: before.version) { before.update(to: &present) }
            updated = nil
        }
        forgetStep()
        guard diagnostics.isDue(at: version) || version == plan.experiment.training.steps && diagnostics.every > 0 else { return }
        let names = admitted(at: version)
        for name in names {
            switch name {
            case .update: updated = present
            case .caps: measure(name, at: version) { [plan] in plan.selected(caps()) }
            default: measure(name, at: version) { present.rows(name) }
            }
        }
        guard names.contains(.spectrum) else { return }
        if updated != nil { updated = present }
        for layer in present.spectra {
            record.spectrum(
                version, layer: layer.layer, tensor: layer.name, singularValues: layer.spectrum.singularValues.map { Float($0) },
                total: layer.spectrum.total, residual: layer.spectrum.residuals.max())
        }
    }

    /// What of T1 the budget lets in. D6 costs nothing beside D5, from whose spectra it follows, and as much without it.
    private func admitted(at version: Step) -> [DiagnosticsSpecification.Name] {
        // No step begins with the last version.
        let isLast = version == plan.experiment.training.steps
        let chosen = plan.experiment.diagnostics.select.filter { $0.tier == .onTheWeights && !(isLast && $0 == .update) }
        let isFree = chosen.contains(.tails) && chosen.contains(.noiseBulk)
        let names = budget.admit(chosen.filter { $0 != .noiseBulk || !isFree }, at: version, estimates: estimates)
        return isFree && names.contains(.tails) ? names + [.noiseBulk] : names
    }

    private mutating func measure(_ name: DiagnosticsSpecification.Name, at version: Step, _ rows: () -> [DiagnosticRow]) {
        let start = SuspendingClock.now
        write(rows(), at: version)
        let duration = SuspendingClock.now - start
        note(name, duration, budget.charge(name, duration, at: version), at: version)
    }

    /// That a diagnostic was taken; and, the first time that its interval was stretched, that it is.
    mutating func note(
        _ name: DiagnosticsSpecification.Name, _ duration: Duration, _ stretch: DiagnosticsBudget.Stretch?, at version: Step
    ) {
        record.measurement(version, name: name.rawValue, seconds: duration / .seconds(1), skipped: stretch?.skipped ?? 0)
        guard let stretch, stretched.insert(name).inserted else { return }
        let every = plan.experiment.diagnostics.interval(of: name)
        record.event(
            step: version, kind: "diagnostics interval", subject: name.rawValue,
            detail: "asked for every \(every) steps; due versions passed over to keep the budget: \(stretch.skipped)")
    }

    /// Says of each diagnostic that the budget has put off how often it was taken; the rows so far are in the record.
    func noteIntervals(at step: Step) {
        let taken = (try? record.measurementCounts()) ?? [:]
        for (name, skipped, last) in budget.outstanding {
            let count = taken[name.rawValue] ?? 0
            record.event(
                step: step, kind: "diagnostics interval", subject: name.rawValue,
                detail: count == 0
                    ? "never taken: no due version left enough of the budget (of \(skipped)); diagnostics.budget raises it"
                    : "times taken: \(count), last at version \(last ?? 0); due versions passed over since then: \(skipped)"
            )
        }
        record.meta("diagnostics_share", String(budget.spentShare))
    }
}
