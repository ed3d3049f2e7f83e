import Foundation
import RunStore
import SpectralDiagnostics

/// What a run's record shows of its training and of the network's inside, over depth and over time.
///
/// Reads every measurement once: O(rows of `layer_diagnostics` and `steps`) time, one quantity at a time in memory.
struct RunView: Encodable {
    /// The run's directory, as given.
    var run: String
    var name: String
    var parameters: Int?
    /// Steps that were taken.
    var steps: Int64
    var isFinished: Bool
    /// Loss, accuracy, gradient norm, learning rate, validations.
    var training: [Curve] = []
    /// Quantities of the whole network.
    var network: [Curve] = []
    var layers: [LayeredCurve] = []
    var occasions: [Occasion] = []
    /// Where the time of the workers' steps went; nil when the record does not say.
    var time: TimeShares?
    /// What the run says of intervals that its budget stretched.
    var intervals: [String] = []

    /// When a group of diagnostics was measured.
    struct Occasion: Encodable {
        var diagnostics: [String]
        var steps: [Int64]
    }

    /// Whether a run has left its record at `path`.
    static func isRun(_ path: String) -> Bool { FileManager.default.fileExists(atPath: RunDirectory(path: path).recordPath) }

    /// Prints the view of the run in `directory`, for people or as one object of JSON. Blocking.
    ///
    /// - Throws: `RefusedInput` when there is no record in it, or what SQLite says.
    static func print(directory: String, json: Bool) throws {
        try RunView(of: directory).print(json: json)
    }

    /// Prints the view, for people or as one object of JSON.
    func print(json: Bool) throws {
        if !json { return lines(.ofThisTerminal()).forEach { Swift.print($0) } }
        Swift.print(try SortedJSON.text(self))
    }
}

extension RunView {
    /// Reads the record of the run in `directory`. Blocking.
    init(of directory: String) throws {
        let history = try RunHistory(reading: try RunDirectory.recorded(directory).recordPath)
        defer { try? history.close() }
        run = directory
        name = try history.meta("name") ?? ""
        parameters = try history.meta("parameters").flatMap(Int.init)
        isFinished = try history.meta("weights_sha256") != nil
        let rows = try history.steps()
        steps = rows.last.map { $0.step + 1 } ?? 0
        training = Self.training(rows) + Self.validations(try history.validations())
        try readQuantities(history)
        time = try history.timeShares().flatMap(TimeShares.init)
        intervals = try history.events(kind: "diagnostics interval").map { event in
            "step \(event.step): \(event.subject)\(event.detail.isEmpty ? "" : ", \(event.detail)")"
        }
    }

    private static func training(_ rows: [RunHistory.Step]) -> [Curve] {
        var curves = ["train loss", "train accuracy", "gradient norm", "learning rate"].map { Curve("", $0) }
        for row in rows {
            curves[0].append(row.trainLoss.isNaN ? nil : row.trainLoss, at: row.step, reason: "not a number")
            curves[1].append(row.trainAccuracy, at: row.step)
            curves[2].append(row.gradientNorm, at: row.step, reason: "not needed at this step")
            curves[3].append(row.learningRate, at: row.step)
        }
        return curves.filter { !$0.numbers.isEmpty }
    }

    private static func validations(_ rows: [RunHistory.Validation]) -> [Curve] {
        var (loss, accuracy) = (Curve("", "validation loss"), Curve("", "validation accuracy"))
        for row in rows where row.split == "validation" {
            loss.append(row.loss.isNaN ? nil : row.loss, at: row.step, reason: "not a number")
            accuracy.append(row.accuracy, at: row.step)
        }
        return [loss, accuracy].filter { !$0.numbers.isEmpty }
    }

    private mutating func readQuantities(_ history: RunHistory) throws {
        var times: [(diagnostic: String, steps: Set<Int64>)] = []
        let measured = try history.measuredQuantities().enumerated().sorted { a, b in
            a.element.diagnostic == b.element.diagnostic
                ? a.offset < b.offset : QuantityName.areInOrder(a.element.diagnostic, b.element.diagnostic)
        }.map(\.element)
        for (diagnostic, quantity) in measured {
            let rows = try history.measurements(diagnostic, quantity)
            add(diagnostic, quantity, rows)
            if times.last?.diagnostic != diagnostic { times.append((diagnostic, [])) }
            times[times.count - 1].steps.formUnion(rows.map(\.step))
        }
        for (diagnostic, steps) in times {
            let steps = steps.sorted()
            if let place = occasions.firstIndex(where: { $0.steps == steps }) {
                occasions[place].diagnostics.append(diagnostic)
            } else {
                occasions.append(Occasion(diagnostics: [diagnostic], steps: steps))
            }
        }
    }

    /// Takes in what was measured at one step.
    mutating func add(_ rows: [DiagnosticRow], at step: Int64) {
        var order: [QuantityName] = []
        for row in rows {
            let name = QuantityName(diagnostic: row.diagnostic, quantity: row.quantity)
            if !order.contains(name) { order.append(name) }
        }
        for name in order {
            add(
                name.diagnostic, name.quantity,
                rows.filter { $0.diagnostic == name.diagnostic && $0.quantity == name.quantity }.map {
                    RunHistory.Quantity(
                        step: step, layer: $0.layer, diagnostic: $0.diagnostic, quantity: $0.quantity, value: $0.value.number,
                        uncertainty: $0.value.uncertainty, reason: $0.value.reason)
                })
        }
        occasions.append(Occasion(diagnostics: Set(rows.map(\.diagnostic)).sorted(by: QuantityName.areInOrder), steps: [step]))
    }

    private mutating func add(_ diagnostic: String, _ quantity: String, _ rows: [RunHistory.Quantity]) {
        var whole = Curve(diagnostic, quantity)
        for row in rows where row.layer == nil {
            whole.append(row.value, at: row.step, uncertainty: row.uncertainty, reason: row.reason)
        }
        if !whole.steps.isEmpty { network.append(whole) }
        let measurements = rows.compactMap { row in
            row.layer.map {
                LayeredCurve.Measurement(
                    step: row.step, layer: $0, value: row.value, uncertainty: row.uncertainty, reason: row.reason)
            }
        }
        if let curve = LayeredCurve(diagnostic, quantity, measurements) { layers.append(curve) }
    }
}

extension RunDirectory {
    /// The directory at `path`, which has a record. Blocking.
    static func recorded(_ path: String) throws -> RunDirectory {
        let directory = RunDirectory(path: path)
        guard FileManager.default.fileExists(atPath: directory.recordPath) else {
            throw RefusedInput("\(path): there is no run.sqlite in this directory; name the directory that a run left")
        }
        return directory
    }
}
