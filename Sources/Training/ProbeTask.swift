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
        /// The round's vector's product with a curvature matrix at the version's parameters; `step` is for those who take differences.
        case product(CurvatureKind, step: Double)
    }

    /// The version whose parameters are probed.
    public var version: Step
    public var work: Work

    public init(version: Step, work: Work) { (self.version, self.work) = (version, work) }

    /// Whether a vector goes out and a sum of its size comes back.
    public var hasVector: Bool { if case .product = work { true } else { false } }

    // MARK: On the wire

    /// What the numbers of encoded tasks stand for, in their order: a peer that has another one is of another build.
    public static var vocabulary: [String] {
        DiagnosticsSpecification.Name.allCases.map(\.rawValue) + CurvatureKind.allCases.map { "\($0)" }
    }

    /// The length of `encoded`.
    public static let encodedCount = 4

    /// As it travels, in the place of the statistics' parameters.
    public var encoded: [Double] {
        switch work {
        case .measure(let name):
            [Double(version), 0, Double(DiagnosticsSpecification.Name.allCases.firstIndex(of: name) ?? 0), 0]
        case .product(let kind, let step): [Double(version), 1, Double(CurvatureKind.allCases.firstIndex(of: kind) ?? 0), step]
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
        case 1 where kinds.indices.contains(index) && values[3] > 0 && values[3].isFinite:
            self.init(version: version, work: .product(kinds[index], step: values[3]))
        default: return nil
        }
    }
}
