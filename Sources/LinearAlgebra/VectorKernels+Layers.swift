import CVectorKernels

extension Activation {
    var code: plumb_activation {
        switch self {
        case .none: plumb_activation_none
        case .relu: plumb_activation_relu
        case .tanh: plumb_activation_tanh
        }
    }
}

extension VectorKernels {
    /// z[i, :] ← activation(z[i, :] + bias[i]), in one pass. `z: [rows, columns]`; `bias: [rows]`, or empty for none.
    public static func addBias(_ bias: Span<Float>, activation: Activation, to z: inout MutableMatrixView) {
        precondition(bias.isEmpty || bias.count == z.rows, "a bias a row, or none")
        if bias.isEmpty && activation == .none { return }
        let (rows, columns) = (z.rows, z.columns)
        unsafe bias.withUnsafeBufferPointer { bias in
            unsafe z.elements.withUnsafeMutableBufferPointer { z in
                guard let base = z.baseAddress else { return }
                unsafe kernels.add_bias(base, rows, columns, bias.isEmpty ? nil : bias.baseAddress, activation.code)
            }
        }
    }

    /// g ← g ⊙ activation′, written with the activation's output y: relu y > 0 ? g : 0; tanh g·(1 − y²). Both `[rows, columns]`.
    public static func multiplyByDerivative(of activation: Activation, output y: MatrixView, gradient g: inout MutableMatrixView) {
        precondition(y.rows == g.rows && y.columns == g.columns, "a gradient of the output's shape")
        if activation == .none { return }
        unsafe pair(y.elements, &g.elements) { unsafe kernels.multiply_by_derivative($1, $0, $2, activation.code) }
    }
}
