import ExperimentFile
import LinearAlgebra
import ParameterServer
import SpectralDiagnostics
import StructuredLayers

/// The spectrum of one matrix of a version.
public struct LayerSpectrum: Sendable {
    public var layer: Int
    /// The map's name, as `layers.3.path`.
    public var name: String
    public var spectrum: MatrixSpectrum
}

/// T1 of one version: what follows from the matrices of its layers alone.
///
/// A matrix is worked out, and its singular values taken, when a diagnostic first asks for them. O(L·n³) for layers of width n. Not the
/// training's own thread.
public struct WeightExamination: Sendable {
    /// The parameters' version.
    public let version: Step
    private let plan: TrainingPlan
    private let parameters: AlignedVector
    /// The maps of the layers that the experiment selects.
    private lazy var maps = plan.network.materialised(parameters).filter {
        plan.experiment.diagnostics.includes(layer: $0.layer, depth: plan.network.layers.count)
    }
    /// D1 of every map.
    public private(set) lazy var spectra = maps.map {
        LayerSpectrum(layer: $0.layer, name: $0.name, spectrum: MatrixSpectrum(of: $0.matrix.view))
    }

    /// Begins to look at `parameters`; O(1).
    public init(_ plan: TrainingPlan, _ parameters: AlignedVector, version: Step) {
        (self.plan, self.parameters, self.version) = (plan, parameters, version)
    }

    /// The rows of a diagnostic of the weights.
    public mutating func rows(_ name: DiagnosticsSpecification.Name) -> [DiagnosticRow] {
        switch name {
        case .spectrum: spectra.flatMap(Self.spectrum)
        case .tails: zip(maps, spectra).flatMap(Self.tail)
        case .noiseBulk: zip(maps, spectra).flatMap(Self.bulk)
        default: preconditionFailure("\(name.rawValue) is not a diagnostic of one version's weights")
        }
    }

    /// D8: what the step between this version and `next`, the one after it, did to each map.
    public mutating func update(to next: inout WeightExamination) -> [DiagnosticRow] {
        zip(maps, next.maps).flatMap { before, after in
            UpdateSpectrum(before: before.matrix.view, after: after.matrix.view).rows(layer: before.layer)
        }
    }

    private static func spectrum(_ layer: LayerSpectrum) -> [DiagnosticRow] { layer.spectrum.rows(layer: layer.layer) }

    private static func tail(_ map: MaterialisedMap, _ layer: LayerSpectrum) -> [DiagnosticRow] {
        PowerLawTail(
            singularValues: layer.spectrum.singularValues.map(Double.init), rows: map.matrix.rows, columns: map.matrix.columns
        ).rows(layer: layer.layer)
    }

    private static func bulk(_ map: MaterialisedMap, _ layer: LayerSpectrum) -> [DiagnosticRow] {
        NoiseBulk(
            singularValues: layer.spectrum.singularValues.map(Double.init), rows: map.matrix.rows, columns: map.matrix.columns
        ).rows(layer: layer.layer)
    }
}
