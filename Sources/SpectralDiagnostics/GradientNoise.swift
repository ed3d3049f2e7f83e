/// D19 and D20: what K microbatch gradients of b examples each say of the gradient's noise, from two scalars.
///
/// With G_k the mean gradient of microbatch k and Ḡ their mean: S = bK/(K−1)·(mean‖G_k‖² − ‖Ḡ‖²) estimates the trace of the
/// per-example covariance, |G|² = ‖Ḡ‖² − S/(bK) the true gradient's squared norm, both without bias (McCandlish et al., 2018); their
/// ratio is the simple noise scale, in examples. The mean pairwise inner product is (‖ΣG‖² − Σ‖G_k‖²)/(K(K−1)).
/// Tier T0; O(1).
public struct GradientNoise: Hashable, Sendable {
    /// S.
    public let noise: Measured
    /// |G|².
    public let signal: Measured
    /// S/|G|², in examples; n/a where the estimate of |G|² is not positive.
    public let scale: Measured
    /// Mean pairwise inner product over the mean squared norm: 1 for identical gradients, 0 for orthogonal ones.
    public let agreement: Measured

    /// - Parameters:
    ///   - microbatches: K.
    ///   - examples: b.
    ///   - summedSquares: Σ_k ‖b·G_k‖², of gradients summed over their examples.
    ///   - squareOfSum: ‖Σ_k b·G_k‖².
    public init(microbatches: Int, examples: Int, summedSquares: Double, squareOfSum: Double) {
        if microbatches < 2 {
            let reason = "one microbatch has nothing to be compared with; set training.partitions to 2 or more"
            (noise, signal, scale, agreement) = (
                .unavailable(reason), .unavailable(reason), .unavailable(reason), .unavailable(reason)
            )
            return
        }
        guard summedSquares.isFinite, squareOfSum.isFinite else {
            let reason = "a gradient is not finite"
            (noise, signal, scale, agreement) = (
                .unavailable(reason), .unavailable(reason), .unavailable(reason), .unavailable(reason)
            )
            return
        }
        let (k, b) = (Double(microbatches), Double(examples))
        let meanSquare = summedSquares / (k * b * b)
        let squareOfMean = squareOfSum / (k * k * b * b)
        let s = b * k / (k - 1) * (meanSquare - squareOfMean)
        let g = squareOfMean - s / (b * k)
        noise = .value(s)
        signal = .value(g)
        scale = g > 0 ? .value(s / g) : .unavailable("the estimate of the squared gradient is not positive: the noise hides it")
        let product = (squareOfSum - summedSquares) / (k * (k - 1) * b * b)
        agreement = meanSquare > 0 ? .value(product / meanSquare) : .unavailable("all gradients are zero")
    }
}
