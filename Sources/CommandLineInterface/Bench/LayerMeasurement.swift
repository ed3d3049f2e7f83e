import Foundation
import LinearAlgebra
import StructuredLayers

/// What one layer costs beside a dense layer of the same width and batch, measured by turns.
struct LayerMeasurement: Encodable, Sendable {
    var family: String
    /// As `householder, reflectors 64`: the options that the configuration sets.
    var title: String
    /// Every option, defaults written out.
    var options: [String: OptionValue]
    /// Trained, the bias of the layer among them.
    var parameters: Int
    /// Of the path's forward map; nil where no formula is known.
    var flopsPerExample: Double?
    /// Proven bounds on the singular values of the path; nil where there is none.
    var certificateLower: Double?
    var certificateUpper: Double?
    var forwardBackwardMilliseconds: Spread
    var deriveMilliseconds: Spread
    /// Forward, backward and one derivation.
    var totalMilliseconds: Spread
    /// Of the dense layer measured right before.
    var denseMilliseconds: Spread
    /// Total over dense, round by round.
    var ratio: Spread

    /// As `[0.5, 2.25]`, and `1 ± 3.0e-05` where all that is proven to be missing is rounding.
    var certificate: String {
        guard let certificateLower, let certificateUpper else { return "none" }
        let distance = max(abs(1 - certificateLower), abs(certificateUpper - 1))
        if distance == 0 { return "1" }
        if distance < 0.01 { return "1 ± " + String(format: "%.1e", distance) }
        return "[\(Figures.short(certificateLower)), \(Figures.short(certificateUpper))]"
    }
}

/// Measures layers in one run: in every round each layer right after a dense one, so that whatever slows the machine slows both.
struct LayerComparison {
    private var dense: LayerStopwatch
    private var stopwatches: [LayerStopwatch] = []
    private var configurations: [LayerConfiguration] = []
    private let width: Int
    private let batch: Int
    private let families: LayerFamilies

    /// - Throws: `SpecificationError` when a layer of this width cannot be.
    init(width: Int, batch: Int, families: LayerFamilies) throws(SpecificationError) {
        (self.width, self.batch, self.families) = (width, batch, families)
        dense = try LayerStopwatch(.dense, width: width, batch: batch, families: families)
    }

    /// - Throws: `SpecificationError` when there is no such layer of this width.
    mutating func add(_ configuration: LayerConfiguration) throws(SpecificationError) {
        stopwatches.append(
            try LayerStopwatch(configuration.path(width: width), width: width, batch: batch, families: families))
        configurations.append(configuration)
    }

    /// - Throws: `LAPACKError` when a certificate cannot be computed.
    mutating func run(rounds: Int) throws(LAPACKError) -> [LayerMeasurement] {
        var laps = Array(repeating: [(dense: LayerStopwatch.Lap, layer: LayerStopwatch.Lap)](), count: stopwatches.count)
        for _ in 0..<rounds {
            for index in stopwatches.indices { laps[index].append((dense.lap(), stopwatches[index].lap())) }
        }
        var measurements: [LayerMeasurement] = []
        for index in stopwatches.indices { measurements.append(try measurement(index, laps[index])) }
        return measurements
    }

    private func measurement(
        _ index: Int, _ laps: [(dense: LayerStopwatch.Lap, layer: LayerStopwatch.Lap)]
    ) throws(LAPACKError) -> LayerMeasurement {
        let (configuration, layer) = (configurations[index], stopwatches[index].layer)
        let bounds = try layer.certificate().path
        return LayerMeasurement(
            family: configuration.family, title: configuration.title(width: width), options: layer.pathSpecification.options,
            parameters: layer.parameterCount,
            flopsPerExample: configuration.operations?(Double(width)),
            certificateLower: bounds.upper.isFinite ? bounds.lower : nil,
            certificateUpper: bounds.upper.isFinite ? bounds.upper : nil,
            forwardBackwardMilliseconds: Spread(laps.map { $0.layer.pass * 1000 }),
            deriveMilliseconds: Spread(laps.map { $0.layer.derivation * 1000 }),
            totalMilliseconds: Spread(laps.map { $0.layer.total * 1000 }),
            denseMilliseconds: Spread(laps.map { $0.dense.total * 1000 }),
            ratio: Spread(laps.map { $0.layer.total / $0.dense.total }))
    }
}
