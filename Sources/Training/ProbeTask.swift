import ExperimentFile
import ParameterServer
import SpectralDiagnostics
import StructuredLayers

/// What the workers evaluate together in one round of a probe, on a version that stands still.
public struct ProbeTask: Hashable, Sendable {
    /// What is evaluated of each partition's share of the probe batch.
    public enum Work: Hashable, Sendable {
        /// The partial sums of a network probe: scalars alone.
        case measure(DiagnosticsSpecification.Name)
        /// A gradient at the round's vector, a point near the version's parameters, for products with a curvature matrix.
        case gradient(CurvatureKind, ProbeSign)
    }

    /// The version whose parameters are probed.
    public var version: Step
    public var work: Work

    public init(version: Step, work: Work) { (self.version, self.work) = (version, work) }

    /// Whether a vector goes out and a sum of its size comes back.
    public var hasVector: Bool { if case .gradient = work { true } else { false } }

    // MARK: On the wire

    /// The length of `encoded`.
    public static let encodedCount = 4

    /// As it travels, in the place of the statistics' parameters.
    public var encoded: [Double] {
        switch work {
        case .measure(let name):
            [Double(version), 0, Double(DiagnosticsSpecification.Name.allCases.firstIndex(of: name) ?? 0), 0]
        case .gradient(let kind, let sign):
            [Double(version), 1, Double(CurvatureKind.allCases.firstIndex(of: kind) ?? 0), sign == .plus ? 1 : -1]
        }
    }

    /// Reads what a peer sent; nil when it is no task that this build knows.
    public init?(decoding values: [Double]) {
        guard values.count == Self.encodedCount, let version = Step(exactly: values[0]), let index = Int(exactly: values[2]) else {
            return nil
        }
        let (names, kinds) = (DiagnosticsSpecification.Name.allCases, CurvatureKind.allCases)
        switch values[1] {
        case 0 where names.indices.contains(index) && names[index].networkProbe != nil:
            self.init(version: version, work: .measure(names[index]))
        case 1 where kinds.indices.contains(index) && abs(values[3]) == 1:
            self.init(version: version, work: .gradient(kinds[index], values[3] > 0 ? .plus : .minus))
        default: return nil
        }
    }
}
