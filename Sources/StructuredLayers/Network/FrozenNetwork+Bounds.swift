import LinearAlgebra
import Synchronization

extension FrozenNetwork {
    /// Proven upper bounds on the Lipschitz constants of all maps: the embedding, the layers' certificates, the readout. L + 2 of them.
    ///
    /// Activations are 1-Lipschitz. O(L·n³) at most, the first time.
    /// - Throws: `LAPACKError` when the parameters are not finite.
    public func lipschitzBounds() throws(LAPACKError) -> [Double] {
        if let bounds = memo.bounds.withLock({ $0 }) { return bounds }
        let layers = try network.certificates(parameters).map { $0.jacobian.upper }
        let bounds = [try denseBound(0)] + layers + [try denseBound(depth + 1)]
        memo.bounds.withLock { $0 = bounds }
        return bounds
    }

    private func denseBound(_ map: Int) throws(LAPACKError) -> Double {
        guard let place = dense(map)?.weight else { return 1 }
        let (rows, columns) = (outputs(of: map), inputs(of: map))
        let weight = MatrixView(parameters.span.extracting(place), rows: rows, columns: columns)
        return try SpectralBounds.bracket(weight).widened(width: max(rows, columns)).upper
    }
}
