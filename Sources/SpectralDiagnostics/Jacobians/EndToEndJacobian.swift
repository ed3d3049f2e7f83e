import LinearAlgebra
import StructuredLayers

/// The largest singular value and its right vector of the Jacobian from inputs to outputs, at one example.
///
/// The Jacobian is made row by row or column by column, whichever are fewer, by products that are brought back to the size of 1 by a
/// power of two after every map, so that no depth overflows. Of more than 512 rows and columns it is met in 64 random directions only,
/// and σ₁ is a lower bound.
struct EndToEndJacobian {
    /// ln σ₁; −∞ for a zero Jacobian, NaN for one that is not finite.
    let logarithm: Double
    /// v₁, [inputs, 1]; zero where there is none.
    let direction: Matrix
    static let (wholeMax, directions) = (512, 64)

    /// - Parameter values: `FrozenNetwork.trace` of one example.
    init(_ version: FrozenNetwork, _ values: [Matrix]) {
        let (inputs, outputs) = (version.inputs(of: 0), version.outputs(of: version.depth + 1))
        let isTall = outputs > inputs
        var (block, exponent) = (Self.start(min(inputs, outputs)), 0)
        for map in isTall ? Array(0...version.depth + 1) : (0...version.depth + 1).reversed() {
            let x = values[map].repeated(block.columns)
            block =
                isTall
                ? version.jvp(of: map, at: x, output: values[map + 1].repeated(block.columns), block)
                : version.vjp(of: map, at: x, block)
            exponent += Self.normalise(&block)
        }
        let isWhole = min(inputs, outputs) <= Self.wholeMax
        let decomposition = try? LAPACK.singularValueDecomposition(block.view)
        logarithm = decomposition.map { ScalarMath.log(Double($0.values[0])) + Double(exponent) * ScalarMath.log(2) } ?? .nan
        var vector = Matrix(rows: inputs, columns: 1)
        if let decomposition, decomposition.values[0] > 0 {
            // Of Jᵀ the left vector, of J the right one, which for random directions lies in their span.
            let start = isTall && !isWhole ? Self.start(inputs) : nil
            for unit in 0..<inputs {
                if !isTall {
                    vector[unit, 0] = decomposition.u[unit, 0]
                } else if let start {
                    var sum: Float = 0
                    for k in 0..<Self.directions { sum += start[unit, k] * decomposition.vTransposed[0, k] }
                    vector[unit, 0] = sum
                } else {
                    vector[unit, 0] = decomposition.vTransposed[0, unit]
                }
            }
        }
        direction = vector
    }

    /// Orthonormal columns: the identity, or 64 random ones.
    private static func start(_ size: Int) -> Matrix {
        if size <= wholeMax { return .identity(size) }
        var normal = Matrix(rows: size, columns: directions)
        do {
            var elements = normal.mutableSpan
            CounterRNG(seed: 0, purpose: "end-to-end").fillNormal(&elements, standardDeviation: 1)
        }
        return (try? LAPACK.qr(normal.view).q) ?? normal
    }

    /// Divides by the power of two of the largest element; returns the exponent.
    private static func normalise(_ block: inout Matrix) -> Int {
        let largest = VectorKernels.maximumMagnitude(block.span)
        guard largest.isNormal else { return 0 }
        let exponent = Int(largest.exponent)
        var elements = block.mutableSpan
        // In halves: 2^127 is a float32, its inverse's inverse is not.
        for part in [exponent / 2, exponent - exponent / 2] {
            VectorKernels.scale(&elements, by: Float(sign: .plus, exponent: -part, significand: 1))
        }
        return exponent
    }
}
