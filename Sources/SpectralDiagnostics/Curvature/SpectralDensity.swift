import LinearAlgebra

/// D17: the density of a matrix' eigenvalues by stochastic Lanczos quadrature (Ubaru et al., 2017).
///
/// Each run gives Gauss's rule for its start vector's spectral measure: nodes at the Ritz values, weights the squares of the
/// eigenvectors' *first* components. The mean over runs estimates the distribution of all d eigenvalues, each with weight 1/d.
/// Tier T2; the products of the Lanczos runs. Oracles: dense eigenvalues, PyHessian's nodes and weights.
public struct SpectralDensity: Hashable, Sendable {
    public struct Node: Hashable, Sendable {
        public let value: Double
        public let weight: Double
    }

    /// Ascending; the weights sum to 1.
    public let nodes: [Node]

    /// Of one or more runs.
    public init(_ runs: [RitzValues]) {
        let share = 1 / Double(runs.count)
        nodes = runs.flatMap { run in zip(run.values, run.weights).map { Node(value: $0, weight: $1 * share) } }
            .sorted { $0.value < $1.value }
    }

    /// A hundredth of the nodes' range: the kernel's width unless another is asked for.
    public var usualKernelWidth: Double { nodes.isEmpty ? 0 : (nodes[nodes.count - 1].value - nodes[0].value) / 100 }

    /// Σ w·N(x; node, σ²) with a Gaussian kernel of deviation `width` > 0, at each x. O(points · nodes).
    public func density(at points: [Double], width: Double) -> [Double] {
        precondition(width > 0, "a kernel has a width")
        let norm = 1 / (width * (2 * Double.pi).squareRoot())
        return points.map { x in
            nodes.reduce(0) { sum, node in
                let z = (x - node.value) / width
                return sum + node.weight * norm * ScalarMath.exp(-z * z / 2)
            }
        }
    }

    /// The part of the eigenvalues below x. O(nodes).
    public func weight(below x: Double) -> Double { nodes.reduce(0) { $1.value < x ? $0 + $1.weight : $0 } }

    /// The least node at which the weights reach p. O(nodes).
    public func quantile(_ p: Double) -> Double? {
        var sum = 0.0
        for node in nodes {
            sum += node.weight
            if sum >= p { return node.value }
        }
        return nodes.last?.value
    }
}
