import LinearAlgebra

/// Uniformly distributed matrices with orthonormal columns, or rows where there are fewer of them.
enum RandomOrthogonal {
    /// A ← Q·sign(diag R) of A = Q·R, or of Aᵀ for a wide A [rows, columns]: uniformly distributed when A was Gaussian (Mezzadri,
    /// 2007).
    static func orthogonalise(_ values: inout MutableSpan<Float>, rows: Int, columns: Int) {
        let (tall, count) = (rows >= columns, min(rows, columns))
        var a = Matrix(rows: max(rows, columns), columns: count)
        for i in 0..<a.rows { for j in 0..<count { a[i, j] = values[tall ? i * columns + j : j * columns + i] } }
        guard let (q, r) = try? LAPACK.qr(a.view) else { return }
        for i in 0..<a.rows {
            for j in 0..<count { values[tall ? i * columns + j : j * columns + i] = r[j, j] < 0 ? -q[i, j] : q[i, j] }
        }
    }
}
