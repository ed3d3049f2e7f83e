import Cluster
import Dispatch
import ExperimentFile
import Foundation
import Logging
import RunStore
import Synchronization
import Training

/// What surrounds a run on the command line: its directory and log, what a person is shown, and signals.
final class RunSession: Sendable {
    let tenure: RunTenure
    let log: Logger
    let display: ConsoleDisplay
    private let file: JSONLinesFile
    private let json: Bool
    private let signals = Mutex<[Kept]>([])
    /// Whether a signal has asked the run to end.
    private let isStopping = Atomic<Bool>(false)

    /// Sendable: only kept alive, never touched again.
    private struct Kept: @unchecked Sendable { let source: any DispatchSourceSignal }

    init(plan: TrainingPlan, options: ExperimentOptions, json: Bool) throws {
        self.json = json
        // The log is in the directory that the lease is for, so what is said before goes to the terminal.
        tenure = try options.tenure(plan, log: Logger(label: "plumb") { RunLogHandler(label: $0, file: nil, echo: .warning) })
        let file = try JSONLinesFile(path: tenure.directory.logPath)
        self.file = file
        log = Logger(label: "plumb") { RunLogHandler(label: $0, file: file, echo: .warning) }
        display = ConsoleDisplay()
    }

    /// Says from where a resumed run goes on.
    func showResumption() {
        if tenure.isResumed { show("going on in \(tenure.directory.path) from step \(tenure.version)") }
    }

    func show(_ text: String) { display.note(text) }

    /// The first Ctrl-C or SIGTERM ends the run in order, a second one at once.
    func stopOnSignals(_ service: CoordinatorService) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            let name = number == SIGINT ? "Ctrl-C" : "SIGTERM"
            source.setEventHandler { [self] in
                let isSecond = isStopping.exchange(true, ordering: .relaxed)
                if !isSecond { return service.requestStop(reason: name) }
                // The default action cannot be left to the system: the source keeps the signal blocked in every thread.
                tenure.directory.publishEndpoint(nil)
                tenure.end()
                _exit(128 + number)
            }
            source.resume()
            let kept = Kept(source: source)
            signals.withLock { $0.append(kept) }
        }
    }

    /// Shows what the run amounts to.
    func end(with result: RunResult) throws {
        display.finish()
        let view = try RunView(of: result.summary.runDirectory).shortLines(.ofThisTerminal())
        for line in [""] + view + ResultTable.lines(result) { display.note(line) }
        log.info("run finished", metadata: ["weightsSHA256": "\(result.summary.weightsSHA256)"])
        file.close()
        if json { print(try result.summary.jsonLine()) }
    }
}

/// One progress line on a terminal, plain lines otherwise; all on standard error, so that standard output stays a machine's.
final class ConsoleDisplay: RunDisplay {
    private struct State {
        var lastShown = ContinuousClock.now - .seconds(60)
        var lineIsOpen = false
    }

    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1

    func progress(_ progress: RunProgress) {
        let isLast = progress.step == progress.steps
        state.withLock { state in
            let interval: Duration = isTerminal ? .milliseconds(100) : .seconds(5)
            guard isLast || ContinuousClock.now - state.lastShown >= interval else { return }
            state.lastShown = .now
            let text = Self.line(progress)
            if isTerminal {
                write("\r\u{1B}[2K\(text)")
                state.lineIsOpen = true
            } else {
                write(text + "\n")
            }
        }
    }

    func note(_ text: String) {
        state.withLock { state in
            if state.lineIsOpen { write("\n") }
            state.lineIsOpen = false
            write(text + "\n")
        }
    }

    func finish() {
        state.withLock { state in
            if state.lineIsOpen { write("\n") }
            state.lineIsOpen = false
        }
    }

    private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Array(text.utf8)) }

    private static func line(_ progress: RunProgress) -> String {
        var parts = [
            "step \(progress.step)/\(progress.steps)", "loss \(Figures.short(progress.trainLoss))",
            "accuracy \(Figures.percent(progress.trainAccuracy))",
        ]
        if let validation = progress.validationAccuracy { parts.append("validation \(Figures.percent(validation))") }
        parts.append("\(Figures.count(progress.samplesPerSecond)) samples/s")
        parts.append("\(Figures.time(progress.secondsLeft)) left")
        parts.append(progress.workers == 1 ? "1 worker" : "\(progress.workers) workers")
        return parts.joined(separator: "  ")
    }
}
