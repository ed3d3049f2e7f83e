import StructuredLayers

/// The sharpness above which an optimizer's steps grow along the sharpest direction of a quadratic.
public enum StabilityThreshold: Hashable, Sendable {
    /// 2/η.
    case gradientDescent(learningRate: Double)
    /// 2(1 + β)/η.
    case heavyBall(learningRate: Double, momentum: Double)
    /// 2(1 + β₁)/((1 − β₁)η), 38/η for β₁ = 0.9; of the *preconditioned* Hessian (Cohen et al., 2022), not of H.
    case adam(learningRate: Double, beta1: Double)

    public var value: Double {
        switch self {
        case .gradientDescent(let rate): 2 / rate
        case .heavyBall(let rate, let momentum): 2 * (1 + momentum) / rate
        case .adam(let rate, let beta1): 2 * (1 + beta1) / ((1 - beta1) * rate)
        }
    }

    fileprivate var quantity: String {
        switch self {
        case .gradientDescent: "threshold_gradient_descent"
        case .heavyBall: "threshold_heavy_ball"
        case .adam: "threshold_adam_preconditioned"
        }
    }
}

extension CurvatureReport {
    /// The record's rows: of the Hessian D14–D17, and beside the sharpness what the optimizer can bear; of the others D18.
    public func rows(thresholds: [StabilityThreshold] = []) -> [DiagnosticRow] {
        switch kind {
        case .hessian: hessianRows(thresholds)
        case .gaussNewton:
            [DiagnosticRow("D18", "gauss_newton_lambda_max", largest), DiagnosticRow("D18", "gauss_newton_trace", trace)]
        case .tangentKernel:
            [DiagnosticRow("D18", "tangent_kernel_lambda_max", largest), DiagnosticRow("D18", "tangent_kernel_trace", trace)]
        }
    }

    private func hessianRows(_ thresholds: [StabilityThreshold]) -> [DiagnosticRow] {
        var rows = [
            DiagnosticRow("D14", "hessian_lambda_max", largest),
            DiagnosticRow("D14", "hessian_lambda_min", smallest),
        ]
        for threshold in thresholds {
            let value = threshold.value
            let measured = value.isFinite ? Measured.value(value) : .unavailable("the learning rate is zero")
            rows.append(DiagnosticRow("D14", threshold.quantity, measured))
        }
        rows.append(DiagnosticRow("D15", "symmetry_error", symmetryError))
        rows.append(DiagnosticRow("D16", "hessian_trace", trace))
        rows += tracesByLayer.map { DiagnosticRow("D16", layer: $0.layer, "hessian_trace", $0.trace) }
        rows.append(DiagnosticRow("D16", "hessian_squared_frobenius_norm", squaredFrobeniusNorm))
        rows.append(DiagnosticRow("D16", "hessian_squared_diagonal", squaredDiagonal))
        return rows + densityRows
    }

    private var densityRows: [DiagnosticRow] {
        func row(_ quantity: String, _ value: (SpectralDensity) -> Double?) -> DiagnosticRow {
            let number = density.flatMap(value)
            return DiagnosticRow("D17", quantity, number.map { .value($0) } ?? .unavailable(missing))
        }
        return [
            row("density_kernel_width") { $0.usualKernelWidth },
            row("density_weight_negative") { $0.weight(below: -$0.usualKernelWidth) },
            row("density_quantile_01") { $0.quantile(0.01) },
            row("density_median") { $0.quantile(0.5) },
            row("density_quantile_99") { $0.quantile(0.99) },
        ] + nodeRows
    }

    private static let recordedNodesMax = 256

    /// The quadrature itself, from which any kernel makes a density; too many nodes are a table of their own and no rows.
    private var nodeRows: [DiagnosticRow] {
        guard let nodes = density?.nodes else { return [DiagnosticRow("D17", "density_nodes", .unavailable(missing))] }
        if nodes.count > Self.recordedNodesMax {
            let reason =
                "\(nodes.count) nodes are more than the \(Self.recordedNodesMax) that are recorded; "
                + "lower diagnostics.lanczosRuns or lanczosSteps"
            return [DiagnosticRow("D17", "density_nodes", .unavailable(reason))]
        }
        return [DiagnosticRow("D17", "density_nodes", .value(Double(nodes.count)))]
            + nodes.enumerated().flatMap { index, node in
                let digits = String(String(1000 + index).dropFirst())
                return [
                    DiagnosticRow("D17", "density_node_\(digits)", .value(node.value)),
                    DiagnosticRow("D17", "density_weight_\(digits)", .value(node.weight)),
                ]
            }
    }
}
