import Foundation

/// What a run amounts to: the object that `--json` prints.
public struct RunSummary: Hashable, Sendable, Encodable {
    /// Seconds of wall time that a step took.
    public struct StepSeconds: Hashable, Sendable, Encodable {
        public var median: Double
        public var p95: Double
    }

    public var name: String
    public var steps: UInt64
    /// Mean loss of the last step's batch.
    public var trainLoss: Double
    public var validationLoss: Double?
    public var validationAccuracy: Double?
    /// Of the final weights, on examples that nothing was chosen by.
    public var testLoss: Double?
    public var testAccuracy: Double?
    /// The step whose weights did best on the validation examples, kept as `best.safetensors`.
    public var bestStep: UInt64?
    public var bestValidationAccuracy: Double?
    public var samplesPerSecond: Double
    public var stepSeconds: StepSeconds
    /// Over the raw little-endian float32 of every parameter block in layout order.
    public var weightsSHA256: String
    /// Microbatches that counted, by worker; they sum to steps × M.
    public var microbatchesPerWorker: [String: Int]
    public var runDirectory: String

    /// One line of JSON with sorted keys.
    public func jsonLine() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// Wall times of steps, for medians and rates.
struct StepTimes: Sendable {
    private var seconds: [Double] = []

    mutating func append(_ duration: Double) { seconds.append(duration) }

    var total: Double { seconds.reduce(0, +) }
    var count: Int { seconds.count }

    /// Mean of the last few steps.
    var recentSeconds: Double {
        let recent = seconds.suffix(20)
        return recent.isEmpty ? 0 : recent.reduce(0, +) / Double(recent.count)
    }

    func recentRate(batch: Int) -> Double { recentSeconds > 0 ? Double(batch) / recentSeconds : 0 }

    /// The value below which a `fraction` of the steps lie.
    func quantile(_ fraction: Double) -> Double {
        guard !seconds.isEmpty else { return 0 }
        let sorted = seconds.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * fraction))]
    }
}
