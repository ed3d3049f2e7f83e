/// The probes there are.
public enum NetworkProbes {
    /// In the order of their diagnostics.
    public static let all: [any NetworkProbe] = [
        LayerJacobianProbe(), JacobianProbe(), LipschitzProbe(), FixedPointProbe(), RepresentationProbe(), PerturbationProbe(),
        CertifiedRadiusProbe(), AdjointProbe(),
    ]

    /// The probe of a name; nil when there is none.
    public static func named(_ name: String) -> (any NetworkProbe)? { all.first { $0.name == name } }
}
