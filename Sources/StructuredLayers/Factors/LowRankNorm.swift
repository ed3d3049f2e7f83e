import LinearAlgebra

/// ‖U·Vᵀ‖₂ of a product of two thin factors, from r × r matrices in float64.
enum LowRankNorm {
    /// A true upper bound, above the norm by rounding alone. `up`: U [m, r], `down`: Vᵀ [r, n]. O((m + n)·r² + r³).
    static func upperBound(up: MatrixView, down: MatrixView) throws(LAPACKError) -> Double {
        let rank = up.columns
        if rank == 0 { return 0 }
        let (left, right) = (DoubleMatrix(up).columnGram(), DoubleMatrix(down).rowGram())
        // With UᵀU = Wᵀ·Λ·W, ‖U·Vᵀ‖² is the largest eigenvalue of √Λ·W·VᵀV·Wᵀ·√Λ.
        let (eigenvalues, vectors) = try LAPACK.symmetricEigenvectors(left)
        var scaled = vectors
        for i in 0..<rank { for k in 0..<rank { scaled[i, k] *= max(0, eigenvalues[i]).squareRoot() } }
        let core = multiply(multiply(scaled, right, transposed: false), scaled, transposed: true)
        let largest = try LAPACK.symmetricEigenvalues(core).last ?? 0
        // Every step errs by at most a few (m + n)·ε of ‖U‖²·‖V‖², which the traces bound.
        let size = trace(left) * trace(right)
        return max(0, largest + 16 * Double(up.rows + down.columns) * Double.ulpOfOne * size).squareRoot()
    }

    private static func multiply(_ a: DoubleMatrix, _ b: DoubleMatrix, transposed: Bool) -> DoubleMatrix {
        let n = a.rows
        var product = DoubleMatrix(rows: n, columns: n)
        for i in 0..<n {
            for j in 0..<n {
                var sum = 0.0
                for k in 0..<n { sum += a[i, k] * (transposed ? b[j, k] : b[k, j]) }
                product[i, j] = sum
            }
        }
        return product
    }

    private static func trace(_ a: DoubleMatrix) -> Double { (0..<a.rows).reduce(0) { $0 + a[$1, $1] } }
}
