import Datasets
import ExperimentFile
import Foundation
import LinearAlgebra
import Logging
import ParameterServer
import RunStore
import ShardKernels
import SpectralDiagnostics
import StructuredLayers
import Training
import WireProtocol

/// What a run hands to its recorder.
enum RecorderItem: Sendable {
    case step(StepReport, seconds: Double, workers: Int, shares: [String: Int])
    case capture(Capture)
    /// Where a worker's time went in steps, and for whom it waited.
    case workerTimes(worker: String, [(ControlMessage.StepTimes.Entry, waitedFor: String?)])
    case membership(CoordinatorMachine.Membership, name: String, host: String)
    case event(step: Step, kind: String, subject: String, detail: String)
    /// What a probe of `version` has measured, how long it took, and how far the budget has put it off.
    case diagnostics(
        version: Step, DiagnosticsSpecification.Name, [DiagnosticRow], Duration, DiagnosticsBudget.Stretch?)
    /// Load the newest snapshot for another coordinator's history; what comes until `.rolledBack` is void.
    case rollBack
    case rolledBack(version: Step, timeline: Timeline)
}

/// What the recorder tells the coordinator.
struct RecorderOutlets: Sendable {
    var snapshotEnded: @Sendable (_ version: Step?) -> Void
    var snapshotLoaded: @Sendable (_ version: Step, _ timeline: Timeline, OptimizerState) -> Void
}

/// What a person who watches a run is shown.
public struct RunProgress: Sendable {
    public var step: Step
    public var steps: Step
    public var trainLoss: Double
    public var trainAccuracy: Double
    public var validationAccuracy: Double?
    public var samplesPerSecond: Double
    public var secondsLeft: Double
    public var workers: Int
}

/// Shows a run to a person; called on the recorder's thread.
public protocol RunDisplay: Sendable {
    func progress(_ progress: RunProgress)
    /// A line that stays.
    func note(_ text: String)
}

/// Turns what happens in a run into its record: rows, checkpoints, validations, spectra; and into its summary.
///
/// Used by one thread. Values under the law of the same bits and wall times go into different tables.
final class RunRecorder {
    let plan: TrainingPlan
    private let directory: RunDirectory
    private let record: RunRecord
    private let display: (any RunDisplay)?
    private let log: Logger
    private var examiner: VersionExaminer
    private var times = StepTimes()
    private var lastLoss = Double.nan
    private var lastValidation: Evaluation?
    private var best: (step: Step, accuracy: Double, loss: Double)?
    private var timeline: Timeline
    private let outlets: RecorderOutlets?
    private let startVersion: Step
    private var isBetweenTimelines = false
    /// The step whose row comes next; a version is looked at and saved once the rows of all steps before it are there.
    private var nextStep: Step
    private var heldCaptures: [Capture] = []
    private var diskComplaint: String?
    private var test: Evaluation?
    private var weightsDigest: String?
    private var diagnostics: DiagnosticsRecorder
    private var lastFlush = ContinuousClock.now
    private var eventFiles: EventFiles

    /// Opens the record; on a resumed run what was recorded after the snapshot must come again.
    init(
        plan: TrainingPlan, tenure: RunTenure, display: (any RunDisplay)?, log: Logger, build: String, budget: DiagnosticsBudget,
        outlets: RecorderOutlets?
    ) throws {
        self.plan = plan
        directory = tenure.directory
        (timeline, startVersion, nextStep) = (tenure.timeline, tenure.version, tenure.version)
        self.outlets = outlets
        self.display = display
        self.log = log
        examiner = VersionExaminer(plan)
        record = try RunRecord(path: directory.recordPath)
        diagnostics = DiagnosticsRecorder(plan: plan, record: record, budget: budget)
        eventFiles = EventFiles(of: directory, areWanted: plan.experiment.record.tensorboard)
        record.meta("plumb_version", build)
        record.meta("name", plan.experiment.name)
        record.meta("parameters", String(plan.network.layout.parameterCount))
        record.meta("data_digest", plan.data.digest)
        record.meta("blas_core", NumericFingerprint.currentCore)
        if tenure.isResumed {
            try record.beginReplay(from: tenure.version)
            try recallValidations()
            record.event(
                step: tenure.version, kind: "resumed", subject: "run", detail: "timeline \(timeline.rawValue) begins")
        }
        try record.flush()
    }

    private func recallValidations() throws {
        let (best, last) = try record.validationsSoFar()
        self.best = best
        lastValidation = last.map { Evaluation(loss: $0.0, accuracy: $0.1, count: $0.2) }
    }

    /// Takes in one item. Blocking: writes, validates, examines.
    func take(_ item: RecorderItem) throws {
        if isBetweenTimelines {
            switch item {
            // Of the history that has ended.
            case .step, .capture, .rollBack, .diagnostics, .workerTimes: return
            case .membership, .event: break
            case .rolledBack(let version, let timeline):
                isBetweenTimelines = false
                (nextStep, heldCaptures) = (version, [])
                diagnostics.forgetStep()
                record.event(step: version, kind: "rolled back", subject: "run", detail: "timeline \(timeline.rawValue) begins")
            }
        }
        switch item {
        case .step(let report, let seconds, let workers, let shares):
            take(report, seconds, workers)
            for (worker, count) in shares { record.contribution(report.step, worker: worker, microbatches: count) }
            nextStep = report.step + 1
            try takeHeldCaptures()
        case .capture(let capture):
            heldCaptures.append(capture)
            try takeHeldCaptures()
        case .membership(let row, let name, let host):
            record.membership(
                generation: row.generation.rawValue, step: row.step, worker: name, host: host, change: row.change.rawValue,
                members: row.members, reason: row.reason)
            if row.change != .joined {
                display?.note("\(name) is gone at step \(row.step) (\(row.reason)); \(row.members) left")
            } else if row.step > startVersion {
                display?.note("\(name) has joined at step \(row.step); \(row.members) workers")
            }
        case .workerTimes(let worker, let times):
            for (time, waitedFor) in times {
                record.workerTiming(
                    time.step, worker: worker, compute: time.compute, exposed: time.exposed, wait: time.wait, waitedFor: waitedFor,
                    optimizer: time.optimizer)
            }
        case .event(let step, let kind, let subject, let detail):
            record.event(step: step, kind: kind, subject: subject, detail: detail)
        case .diagnostics(let version, let name, let rows, let duration, let stretch):
            diagnostics.write(rows, at: version)
            diagnostics.note(name, duration, stretch, at: version)
        case .rollBack: try rollBack()
        case .rolledBack: break
        }
        if ContinuousClock.now - lastFlush > .milliseconds(500) {
            try flush()
            lastFlush = .now
            updateEventFiles()
        }
    }

    private func updateEventFiles(isLast: Bool = false) {
        guard let complaint = eventFiles.update(isLast: isLast) else { return }
        log.warning("\(complaint)")
        display?.note(complaint)
    }

    /// Writes rows; a disk that takes none is complained of once, and tried again later.
    private func flush() throws {
        do {
            try record.flush()
            diskComplaint = nil
        } catch let difference as RunRecord.ReplayDifference { throw ClusterError.unusable("\(difference)") } catch {
            guard RunRecord.passes(error) else {
                throw ClusterError.unusable("\(directory.recordPath) refuses a row (\(error)); the run cannot be recorded")
            }
            guard record.pendingRows < Self.pendingRowsMax else {
                throw ClusterError.unusable(
                    "\(directory.recordPath) could not be written for \(record.pendingRows) rows (\(error)); free space and resume the run"
                )
            }
            complain("\(directory.recordPath) cannot be written (\(error)); training goes on, and rows are kept until it can")
        }
    }

    /// Rows kept in memory while the disk takes none.
    private static let pendingRowsMax = 1_000_000

    private func complain(_ sentence: String) {
        if diskComplaint != nil { return }
        diskComplaint = sentence
        log.warning("\(sentence)")
        display?.note(sentence)
    }

    private func rollBack() throws {
        let (version, state) = RunTenure.newestSnapshot(plan: plan, directory: directory) { log.warning("\($0)") }
        try record.beginReplay(from: version)
        try recallValidations()
        timeline = Timeline(rawValue: try directory.snapshots.beginTimeline())
        weightsDigest = nil
        isBetweenTimelines = true
        eventFiles.beginAgain()
        outlets?.snapshotLoaded(version, timeline, state)
    }

    private func take(_ report: StepReport, _ seconds: Double, _ workers: Int) {
        times.append(seconds)
        lastLoss = report.trainLoss
        let rate = seconds > 0 ? Double(plan.experiment.training.batch) / seconds : 0
        record.step(
            report.step, trainLoss: report.trainLoss, trainAccuracy: report.trainAccuracy, gradientNorm: report.gradientNorm,
            clipScale: report.clipScale, learningRate: report.learningRate)
        record.stepTiming(report.step, wallSeconds: seconds, samplesPerSecond: rate, workers: workers)
        diagnostics.write(report.diagnostics, at: report.step)
        let left = plan.experiment.training.steps - report.step - 1
        display?.progress(
            RunProgress(
                step: report.step + 1, steps: plan.experiment.training.steps, trainLoss: report.trainLoss,
                trainAccuracy: report.trainAccuracy, validationAccuracy: lastValidation?.accuracy,
                samplesPerSecond: times.recentRate(batch: plan.experiment.training.batch),
                secondsLeft: Double(left) * times.recentSeconds, workers: workers))
    }

    private func takeHeldCaptures() throws {
        while let capture = heldCaptures.first, capture.version <= nextStep {
            heldCaptures.removeFirst()
            try take(capture)
        }
    }

    private func take(_ capture: Capture) throws {
        let (training, version) = (plan.experiment.training, capture.version)
        if capture.occasion == .requested {
            outlets?.snapshotEnded(try save(capture) ? version : nil)
            return
        }
        let isLast = version == training.steps
        let parameters = capture.state.parameters
        diagnostics.examine(parameters, version, caps: { examiner.capUtilisation(parameters) })
        if version > 0, isLast || (training.validateEvery > 0 && version.isMultiple(of: training.validateEvery)) {
            try validate(capture)
        }
        if capture.isComplete && version > startVersion, try !save(capture), isLast {
            throw ClusterError.unusable(
                "the last version could not be saved (\(diskComplaint ?? "see the log")); free space and go on with --resume \(directory.path)"
            )
        }
        if isLast {
            test = examiner.evaluate(parameters, on: plan.data.split.test)
            if let test {
                record.validation(
                    version, split: "test", loss: test.loss, accuracy: test.accuracy, count: test.count, isBest: false)
            }
            weightsDigest = Checkpoints.weightsSHA256(parameters, plan.network.layout)
        }
    }

    private func validate(_ capture: Capture) throws {
        guard let validation = examiner.evaluate(capture.state.parameters, on: plan.data.split.validation) else { return }
        lastValidation = validation
        let isBest = best.map { (validation.accuracy, -validation.loss) > ($0.accuracy, -$0.loss) } ?? true
        record.validation(
            capture.version, split: "validation", loss: validation.loss, accuracy: validation.accuracy, count: validation.count,
            isBest: isBest)
        guard isBest else { return }
        best = (capture.version, validation.accuracy, validation.loss)
        let path = "\(directory.checkpointsPath)/best.safetensors"
        do {
            let digest = try Checkpoints.write(
                capture.state, version: capture.version, timeline: timeline, plan: plan, complete: false, to: path)
            record.checkpoint(capture.version, file: "checkpoints/best.safetensors", sha256: digest, kind: "best")
        } catch { complain("\(error); training goes on without it") }
    }

    /// Writes a snapshot, the manifest last; false, and a complaint, when the disk does not take it.
    private func save(_ capture: Capture) throws -> Bool {
        let name = "snapshot \(capture.version)"
        do {
            // A resumed run takes no step before its snapshot again, so their rows must be on disk first.
            try record.flush()
            let manifest = try directory.snapshots.save(
                step: capture.version, timeline: timeline.rawValue, keeping: plan.experiment.training.keepCheckpoints
            ) { path in
                try Checkpoints.write(
                    capture.state, version: capture.version, timeline: timeline, plan: plan, complete: true, to: path)
            }
            record.checkpoint(
                capture.version, file: "checkpoints/\(manifest.file)", sha256: manifest.sha256, kind: "complete")
        } catch let difference as RunRecord.ReplayDifference { throw ClusterError.unusable("\(difference)") } catch {
            complain("\(error); training goes on without this snapshot")
            record.event(step: capture.version, kind: "snapshot failed", subject: name, detail: "\(error)")
            return false
        }
        return true
    }

    /// Whether the last version has been looked at.
    var isComplete: Bool { weightsDigest != nil }

    /// Writes what is left and says what the run amounts to.
    func finish(elapsed: Duration) throws -> RunResult {
        guard let weightsDigest else { throw ClusterError.unusable("the run ended before its last version was recorded") }
        try flush()
        diagnostics.noteIntervals(at: plan.experiment.training.steps)
        try flush()
        let contributions = try record.contributions()
        let training = plan.experiment.training
        let taken = Double(training.steps - startVersion)
        let seconds = elapsed.inSeconds
        let summary = RunSummary(
            name: plan.experiment.name, steps: training.steps, trainLoss: lastLoss, validationLoss: lastValidation?.loss,
            validationAccuracy: lastValidation?.accuracy, testLoss: test?.loss, testAccuracy: test?.accuracy, bestStep: best?.step,
            bestValidationAccuracy: best?.accuracy,
            samplesPerSecond: seconds > 0 ? taken * Double(training.batch) / seconds : 0,
            stepSeconds: .init(median: times.quantile(0.5), p95: times.quantile(0.95)), weightsSHA256: weightsDigest,
            microbatchesPerWorker: contributions, runDirectory: directory.path)
        record.meta("weights_sha256", weightsDigest)
        record.meta("summary", try summary.jsonLine())
        try record.flush()
        updateEventFiles(isLast: true)
        try record.close()
        return RunResult(summary: summary)
    }

    /// Keeps what there is of a run that did not finish.
    func abandon(reason: String, at step: Step = 0) {
        record.event(step: step, kind: "ended", subject: "run", detail: reason)
        diagnostics.forgetStep()
        diagnostics.noteIntervals(at: step)
        if (try? record.flush()) != nil { updateEventFiles(isLast: true) }
        try? record.abandon()
    }
}

/// A finished run; what was seen inside is in its record.
public struct RunResult: Sendable {
    public var summary: RunSummary
}
