import LinearAlgebra
import StructuredLayers

/// D18: the empirical Fisher matrix (1/K)·Σ G_k·G_kᵀ of K microbatch gradients, by the eigenvalues of its K × K Gram matrix, which are
/// its nonzero ones. Not the Fisher matrix itself: labels are the data's, and G_k a mean over a microbatch (Kunstner et al., 2019).
/// Tier T0, once a Gram of the gradients is there; O(K²·d) for that, O(K³) for the eigenvalues. Oracle: NumPy's Gram in float64.
public struct EmpiricalFisher: Hashable, Sendable {
    /// Descending, K of them; empty when there are none.
    public let eigenvalues: [Double]
    public let largest: Measured
    /// (1/K)·Σ‖G_k‖².
    public let trace: Measured

    /// - Parameter gram: ⟨G_k, G_l⟩, [K, K].
    public init(gram: DoubleMatrix) {
        precondition(gram.rows == gram.columns, "a Gram matrix is square")
        let count = gram.rows
        var scaled = gram
        for index in scaled.elements.indices { scaled.elements[index] /= Double(count) }
        do {
            eigenvalues = count == 0 ? [] : try LAPACK.symmetricEigenvalues(scaled).reversed()
        } catch {
            let reason = "a gradient is not finite"
            (eigenvalues, largest, trace) = ([], .unavailable(reason), .unavailable(reason))
            return
        }
        let none = Measured.unavailable("there are no gradients")
        largest = eigenvalues.first.map { .value($0) } ?? none
        trace = count == 0 ? none : .value((0..<count).reduce(0) { $0 + scaled[$1, $1] })
    }

    /// Of mean gradients, [layout.count] each; elements of state and padding do not count. O(K²·d).
    public init(gradients: [AlignedVector], layout: ParameterLayout) {
        let blocks = layout.blocks.filter { $0.role == .parameter }
        var gram = DoubleMatrix(rows: gradients.count, columns: gradients.count)
        for k in gradients.indices {
            for l in 0...k {
                let (left, right) = (gradients[k], gradients[l])
                var product = 0.0
                for block in blocks {
                    product += VectorKernels.dot(left.span.extracting(block.range), right.span.extracting(block.range))
                }
                (gram[k, l], gram[l, k]) = (product, product)
            }
        }
        self.init(gram: gram)
    }

    /// D18 as the record keeps it.
    public func rows() -> [DiagnosticRow] {
        [DiagnosticRow("D18", "empirical_fisher_lambda_max", largest), DiagnosticRow("D18", "empirical_fisher_trace", trace)]
    }
}
