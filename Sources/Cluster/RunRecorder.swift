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

/// What a run hands to its recorder.
enum RecorderItem: Sendable {
    case step(StepReport, seconds: Double, workers: Int)
    case capture(Capture)
    case membership(CoordinatorMachine.Membership, name: String, host: String)
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
    private var savedCheckpoints: [(step: Step, path: String)] = []
    private var test: Evaluation?
    private var weightsDigest: String?
    private var lastSpectra: [LayerSpectrum] = []
    private var lastDiagnostics: [DiagnosticRow] = []
    private var lastFlush = ContinuousClock.now

    init(plan: TrainingPlan, directory: RunDirectory, display: (any RunDisplay)?, log: Logger, build: String) throws {
        self.plan = plan
        self.directory = directory
        self.display = display
        self.log = log
        examiner = VersionExaminer(plan)
        record = try RunRecord(path: directory.recordPath)
        record.meta("plumb_version", build)
        record.meta("name", plan.experiment.name)
        record.meta("parameters", String(plan.network.layout.parameterCount))
        record.meta("data_digest", plan.data.digest)
        record.meta("blas_core", NumericFingerprint.currentCore)
        try record.flush()
    }

    /// Takes in one item. Blocking: writes, validates, examines.
    func take(_ item: RecorderItem) throws {
        switch item {
        case .step(let report, let seconds, let workers): take(report, seconds, workers)
        case .capture(let capture): try take(capture)
        case .membership(let row, let name, let host):
            record.membership(
                generation: row.generation.rawValue, step: row.step, worker: name, host: host, change: row.change.rawValue,
                members: row.members, reason: row.reason)
            if row.change != .joined {
                display?.note("\(name) is gone at step \(row.step) (\(row.reason)); \(row.members) left")
            }
        }
        if ContinuousClock.now - lastFlush > .milliseconds(500) {
            try record.flush()
            lastFlush = .now
        }
    }

    private func take(_ report: StepReport, _ seconds: Double, _ workers: Int) {
        times.append(seconds)
        lastLoss = report.trainLoss
        let rate = seconds > 0 ? Double(plan.experiment.training.batch) / seconds : 0
        record.step(
            report.step, trainLoss: report.trainLoss, trainAccuracy: report.trainAccuracy, gradientNorm: report.gradientNorm,
            clipScale: report.clipScale, learningRate: report.learningRate)
        record.stepTiming(report.step, wallSeconds: seconds, samplesPerSecond: rate, workers: workers)
        write(report.diagnostics, at: report.step)
        if !report.diagnostics.isEmpty { lastDiagnostics = report.diagnostics }
        let left = plan.experiment.training.steps - report.step - 1
        display?.progress(
            RunProgress(
                step: report.step + 1, steps: plan.experiment.training.steps, trainLoss: report.trainLoss,
                trainAccuracy: report.trainAccuracy, validationAccuracy: lastValidation?.accuracy,
                samplesPerSecond: times.recentRate(batch: plan.experiment.training.batch),
                secondsLeft: Double(left) * times.recentSeconds, workers: workers))
    }

    private func write(_ rows: [DiagnosticRow], at step: Step) {
        for row in rows {
            record.diagnostic(
                step, layer: row.layer, diagnostic: row.diagnostic, quantity: row.quantity, value: row.value.number,
                uncertainty: row.value.uncertainty, reason: row.value.reason)
        }
    }

    private func take(_ capture: Capture) throws {
        let (training, version) = (plan.experiment.training, capture.version)
        let isLast = version == training.steps
        let parameters = capture.state.parameters
        if plan.experiment.diagnostics.select.contains(.spectrum), plan.experiment.diagnostics.isDue(at: version) || isLast {
            examine(parameters, version)
        }
        if version > 0, isLast || (training.validateEvery > 0 && version.isMultiple(of: training.validateEvery)) {
            try validate(capture)
        }
        if capture.isComplete { try save(capture) }
        if isLast {
            test = examiner.evaluate(parameters, on: plan.data.split.test)
            if let test {
                record.validation(
                    version, split: "test", loss: test.loss, accuracy: test.accuracy, count: test.count, isBest: false)
            }
            weightsDigest = Checkpoints.weightsSHA256(parameters, plan.network.layout)
        }
    }

    private func examine(_ parameters: AlignedVector, _ version: Step) {
        lastSpectra = examiner.spectra(parameters)
        for layer in lastSpectra {
            write(VersionExaminer.rows(layer), at: version)
            record.spectrum(version, layer: layer.layer, tensor: layer.name, singularValues: layer.spectrum.singularValues)
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
        let digest = try Checkpoints.write(capture.state, version: capture.version, plan: plan, complete: false, to: path)
        record.checkpoint(capture.version, file: "checkpoints/best.safetensors", sha256: digest, kind: "best")
    }

    private func save(_ capture: Capture) throws {
        let digits = String(capture.version)
        let name = "step-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).safetensors"
        let path = "\(directory.checkpointsPath)/\(name)"
        let digest = try Checkpoints.write(capture.state, version: capture.version, plan: plan, complete: true, to: path)
        record.checkpoint(capture.version, file: "checkpoints/\(name)", sha256: digest, kind: "complete")
        savedCheckpoints.append((capture.version, path))
        while savedCheckpoints.count > plan.experiment.training.keepCheckpoints {
            try FileManager.default.removeItem(atPath: savedCheckpoints.removeFirst().path)
        }
    }

    /// Whether the last version has been looked at.
    var isComplete: Bool { weightsDigest != nil }

    /// Writes what is left and says what the run amounts to.
    func finish(contributions: [String: Int], elapsed: Duration) throws -> RunResult {
        guard let weightsDigest else { throw ClusterError.unusable("the run ended before its last version was recorded") }
        let training = plan.experiment.training
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
        let summary = RunSummary(
            name: plan.experiment.name, steps: training.steps, trainLoss: lastLoss, validationLoss: lastValidation?.loss,
            validationAccuracy: lastValidation?.accuracy, testLoss: test?.loss, testAccuracy: test?.accuracy, bestStep: best?.step,
            bestValidationAccuracy: best?.accuracy,
            samplesPerSecond: seconds > 0 ? Double(training.steps) * Double(training.batch) / seconds : 0,
            stepSeconds: .init(median: times.quantile(0.5), p95: times.quantile(0.95)), weightsSHA256: weightsDigest,
            microbatchesPerWorker: contributions, runDirectory: directory.path)
        record.meta("weights_sha256", weightsDigest)
        record.meta("summary", try summary.jsonLine())
        try record.close()
        return RunResult(summary: summary, spectra: lastSpectra, diagnostics: lastDiagnostics)
    }

    /// Keeps what there is of a run that did not finish.
    func abandon(reason: String) {
        record.event(step: 0, kind: "ended", subject: "run", detail: reason)
        try? record.close()
    }
}

/// A finished run: its summary and the last look inside.
public struct RunResult: Sendable {
    public var summary: RunSummary
    public var spectra: [LayerSpectrum]
    public var diagnostics: [DiagnosticRow]
}
