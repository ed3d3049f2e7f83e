extension DiagnosticsSpecification {
    /// What a diagnostic needs, and so when it is measured.
    public enum Tier: Int, Hashable, Sendable {
        /// T0: scalars that ride on the step's own messages.
        case onTheStep
        /// T1: the weights of a version, examined on an idle core.
        case onTheWeights
        /// T2: a probe round, in which the workers evaluate one frozen version together.
        case onProbes
    }

    /// A diagnostic, or a group measured together, that can be chosen by name or by the id of one of its members.
    public enum Name: String, CaseIterable, Hashable, Sendable {
        /// D1, D2, D3, D4, D7: singular values, condition number, ranks and orthogonality of each layer's map.
        case spectrum
        /// D12: slopes of log-norms over depth.
        case depthSlope = "depth-slope"
        /// D19: gradient noise scale.
        case noiseScale = "noise-scale"
        /// D20: agreement of the microbatches' gradients.
        case agreement
        /// How much of its caps each correction uses.
        case caps
        /// D8: the spectrum of the update beside that of the weights.
        case update
        /// D5: heavy tails of each spectrum.
        case tails
        /// D6: the bulk of noise after Marchenko and Pastur, and what stands out of it.
        case noiseBulk = "noise-bulk"
        /// D10: singular values and Lyapunov exponents of the end-to-end Jacobian.
        case jacobian
        /// D9: the spectrum of each layer's Jacobian.
        case layerJacobians = "layer-jacobians"
        /// D11: the product of the layers' Lipschitz bounds, and a lower bound on the network's constant.
        case lipschitz
        /// D13: fixed points of each square layer, iterated.
        case fixedPoints = "fixed-points"
        /// D14 to D18: the loss's Hessian and its relatives.
        case curvature
        /// D22, D23: covariance of the representations, and their likeness over depth.
        case representations
        /// D24: gain of perturbations.
        case perturbation
        /// D25: radii within which no input changes its class.
        case certifiedRadius = "certified-radius"
        /// D26: the adjoint test of each layer.
        case adjoint

        /// The ids of the reference, ascending; `caps` has none.
        public var ids: [String] {
            switch self {
            case .spectrum: ["D1", "D2", "D3", "D4", "D7"]
            case .depthSlope: ["D12"]
            case .noiseScale: ["D19"]
            case .agreement: ["D20"]
            case .caps: []
            case .update: ["D8"]
            case .tails: ["D5"]
            case .noiseBulk: ["D6"]
            case .jacobian: ["D10"]
            case .layerJacobians: ["D9"]
            case .lipschitz: ["D11"]
            case .fixedPoints: ["D13"]
            case .curvature: ["D14", "D15", "D16", "D17", "D18"]
            case .representations: ["D22", "D23"]
            case .perturbation: ["D24"]
            case .certifiedRadius: ["D25"]
            case .adjoint: ["D26"]
            }
        }

        public var tier: Tier {
            switch self {
            case .depthSlope, .noiseScale, .agreement: .onTheStep
            case .spectrum, .caps, .update, .tails, .noiseBulk: .onTheWeights
            case .jacobian, .layerJacobians, .lipschitz, .fixedPoints, .curvature, .representations, .perturbation,
                .certifiedRadius,
                .adjoint:
                .onProbes
            }
        }

        /// What is measured where the file selects nothing: all that needs no probe round.
        static let cheap = allCases.filter { $0.tier != .onProbes }

        /// The diagnostics that `word` chooses: `all`, a name, an id, or a pattern over names and ids.
        static func chosen(by word: String) -> [Name] {
            if word == "all" { return allCases }
            let glob = Glob(word)
            return allCases.filter { name in glob.matches(name.rawValue) || name.ids.contains { glob.matches($0) } }
        }
    }
}
