import CVectorKernels

/// A step from one version of the parameters to the next, by gradients that lie where they arrived.
///
/// Elementwise the same as the steps in place, bit for bit. The next version is written past the caches where it is for whoever reads it
/// on another core: it is visible to others after `StreamingStores.finish()`.
extension VectorKernels {
    /// `momentumStep` from `parameters` to `next` by the sum of `first` and `second`, of which the latter may be empty.
    public static func momentumStep(
        from parameters: Span<Float>, to next: inout MutableSpan<Float>, velocity: inout MutableSpan<Float>,
        gradient first: RawSpan,
        plus second: RawSpan, learningRate: Float, momentum: Float, gradientScale: Float, weightDecay: Float,
        pastCaches: Bool = true
    ) {
        precondition(next.count == parameters.count && velocity.count == parameters.count, "spans of one length")
        let settings = plumb_momentum(
            learning_rate: learningRate, momentum: momentum, gradient_scale: gradientScale, weight_decay: weightDecay)
        unsafe velocity.withUnsafeMutableBufferPointer { velocity in
            unsafe step(parameters, &next, first, second) { next, parameters, first, second, count in
                guard let velocity = velocity.baseAddress else { return }
                let kernel = unsafe pastCaches ? kernels.momentum_step_to : kernels.momentum_step_near
                unsafe kernel(next, parameters, velocity, first, second, count, settings)
            }
        }
    }

    /// `adamStep` from `parameters` to `next` by the sum of `first` and `second`, of which the latter may be empty.
    public static func adamStep(
        from parameters: Span<Float>, to next: inout MutableSpan<Float>, firstMoment: inout MutableSpan<Float>,
        secondMoment: inout MutableSpan<Float>, gradient first: RawSpan, plus second: RawSpan, learningRate: Float, beta1: Float,
        beta2: Float, epsilon: Float, firstCorrection: Float, secondCorrection: Float, gradientScale: Float, coupledDecay: Float,
        decoupledDecay: Float, pastCaches: Bool = true
    ) {
        precondition(
            next.count == parameters.count && firstMoment.count == parameters.count && secondMoment.count == parameters.count,
            "spans of one length")
        let settings = plumb_adam(
            learning_rate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, first_correction: firstCorrection,
            second_correction: secondCorrection, gradient_scale: gradientScale, coupled_decay: coupledDecay,
            decoupled_decay: decoupledDecay)
        unsafe firstMoment.withUnsafeMutableBufferPointer { m in
            unsafe secondMoment.withUnsafeMutableBufferPointer { v in
                unsafe step(parameters, &next, first, second) { next, parameters, first, second, count in
                    guard let m = m.baseAddress, let v = v.baseAddress else { return }
                    let kernel = unsafe pastCaches ? kernels.adam_step_to : kernels.adam_step_near
                    unsafe kernel(next, parameters, m, v, first, second, count, settings)
                }
            }
        }
    }

    /// to ← first + second, or first if `second` is empty; little-endian float32 at any alignment.
    public static func sum(_ first: RawSpan, _ second: RawSpan, into to: inout MutableSpan<Float>) {
        precondition(
            first.byteCount == to.count * 4 && (second.isEmpty || second.byteCount == first.byteCount), "spans of one length")
        unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                unsafe to.withUnsafeMutableBufferPointer { to in
                    guard let target = to.baseAddress, let first = first.baseAddress else { return }
                    unsafe kernels.sum_to(target, first, second.isEmpty ? nil : second.baseAddress, to.count)
                }
            }
        }
    }

    private static func step(
        _ parameters: Span<Float>, _ next: inout MutableSpan<Float>, _ first: RawSpan, _ second: RawSpan,
        _ body: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafeRawPointer, UnsafeRawPointer?, Int) -> Void
    ) {
        precondition(
            first.byteCount == parameters.count * 4 && (second.isEmpty || second.byteCount == first.byteCount),
            "spans of one length")
        unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                unsafe pair(parameters, &next) { parameters, next, count in
                    guard let base = first.baseAddress else { return }
                    unsafe body(next, parameters, base, second.isEmpty ? nil : second.baseAddress, count)
                }
            }
        }
    }
}
