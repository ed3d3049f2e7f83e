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
        LayerSpectrum(layer: $0.layer, name: $0.name, spectrum: MatrixSpectrum(of: $0.matrix.view, completeUpTo: completeUpTo))
    }
    /// D2 of every map, which costs as much as D1 where that is not complete.
    private lazy var brackets = zip(maps, spectra).map { NormBracket($1.spectrum, of: [$0.matrix]) }
    private var completeUpTo: Int { plan.experiment.diagnostics.completeUpTo }

    /// Begins to look at `parameters`; O(1).
    public init(_ plan: TrainingPlan, _ parameters: AlignedVector, version: Step) {
        (self.plan, self.parameters, self.version) = (plan, parameters, version)
    }

    /// D1–D7 of every map, each beside a control.
    private lazy var examined = examine(controlSeed: plan.experiment.seed)

    private mutating func examine(controlSeed: UInt64?) -> [WeightSpectra] {
        zip(zip(maps, spectra), brackets).map { pair, bracket in
            let (map, layer) = pair
            let control = controlSeed.map { CounterRNG(seed: $0, purpose: "control", index: UInt64(map.layer)) }
            return WeightSpectra(
                layer.spectrum, of: [map.matrix], completeUpTo: completeUpTo, bracket: bracket, control: control)
        }
    }

    /// The rows of a diagnostic of the weights.
    public mutating func rows(_ name: DiagnosticsSpecification.Name) -> [DiagnosticRow] {
        let rows =
            switch name {
            case .spectrum:
                zip(maps, examine(controlSeed: nil)).flatMap { $1.rows(layer: $0.layer) }
            case .tails, .noiseBulk: zip(maps, examined).flatMap { $1.rows(layer: $0.layer) }
            default: preconditionFailure("\(name.rawValue) is not a diagnostic of one version's weights")
            }
        return rows.filter { name.ids.contains($0.diagnostic) }
    }

    /// D8: what the step between this version and `next`, the one after it, did to each map.
    public mutating func update(to next: inout WeightExamination) -> [DiagnosticRow] {
        zip(zip(maps, next.maps), spectra).flatMap { pair, layer in
            let (before, after) = pair
            var change = after.matrix
            var elements = change.mutableSpan
            VectorKernels.subtract(before.matrix.span, from: &elements)
            let spectrum = MatrixSpectrum(of: change.view, completeUpTo: completeUpTo)
            return UpdateSpectrum(of: spectrum, from: layer.spectrum).rows(layer: before.layer)
        }
    }
}
