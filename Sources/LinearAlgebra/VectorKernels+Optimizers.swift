import CVectorKernels

extension VectorKernels {
    /// One step of gradient descent with momentum, each operation rounded once, in this order:
    /// g′ = gradient·gradientScale + weightDecay·w; v = momentum·v + g′; w = w − learningRate·v.
    public static func momentumStep(
        parameters: inout MutableSpan<Float>, velocity: inout MutableSpan<Float>, gradient: Span<Float>, learningRate: Float,
        momentum: Float, gradientScale: Float, weightDecay: Float
    ) {
        precondition(parameters.count == gradient.count && velocity.count == gradient.count, "spans of one length")
        let settings = plumb_momentum(
            learning_rate: learningRate, momentum: momentum, gradient_scale: gradientScale, weight_decay: weightDecay)
        unsafe velocity.withUnsafeMutableBufferPointer { velocity in
            unsafe pair(gradient, &parameters) { gradient, parameters, count in
                guard let velocity = velocity.baseAddress else { return }
                unsafe kernels.momentum_step(parameters, velocity, gradient, count, settings)
            }
        }
    }

    /// One step of Adam, each operation rounded once, in this order:
    /// g′ = gradient·gradientScale + coupledDecay·w; m = β₁·m + (1 − β₁)·g′; v = β₂·v + (1 − β₂)·(g′·g′);
    /// w = w − learningRate·((m/firstCorrection)/(√(v/secondCorrection) + ε) + decoupledDecay·w).
    public static func adamStep(
        parameters: inout MutableSpan<Float>, firstMoment: inout MutableSpan<Float>, secondMoment: inout MutableSpan<Float>,
        gradient: Span<Float>, learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, firstCorrection: Float,
        secondCorrection: Float, gradientScale: Float, coupledDecay: Float, decoupledDecay: Float
    ) {
        precondition(
            parameters.count == gradient.count && firstMoment.count == gradient.count && secondMoment.count == gradient.count,
            "spans of one length")
        let settings = plumb_adam(
            learning_rate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, first_correction: firstCorrection,
            second_correction: secondCorrection, gradient_scale: gradientScale, coupled_decay: coupledDecay,
            decoupled_decay: decoupledDecay)
        unsafe firstMoment.withUnsafeMutableBufferPointer { first in
            unsafe secondMoment.withUnsafeMutableBufferPointer { second in
                unsafe pair(gradient, &parameters) { gradient, parameters, count in
                    guard let first = first.baseAddress, let second = second.baseAddress else { return }
                    unsafe kernels.adam_step(parameters, first, second, gradient, count, settings)
                }
            }
        }
    }
}
