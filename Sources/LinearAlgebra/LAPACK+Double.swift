import COpenBLAS

extension LAPACK {
    /// The singular values of A [m, n] in float64, descending, min(m, n) of them (gesdd). O(m·n·min(m, n)).
    ///
    /// - Throws: `LAPACKError` when A is not finite or the iteration stops.
    public static func singularValues(_ a: DoubleMatrix) throws(LAPACKError) -> [Double] {
        try gesdd(a, vectors: false).values
    }

    /// U [m, k], values [k] descending and Vᵀ [k, n] of A [m, n] in float64, k = min(m, n) (gesdd). O(m·n·k).
    ///
    /// - Throws: `LAPACKError` when A is not finite or the iteration stops.
    public static func singularValueDecomposition(_ a: DoubleMatrix) throws(LAPACKError)
        -> (u: DoubleMatrix, values: [Double], vTransposed: DoubleMatrix)
    {
        let (left, values, right) = try gesdd(a, vectors: true)
        return (right, values, left)
    }

    /// gesdd of Aᵀ, which is how LAPACK reads our rows: its U by columns, the values, its Vᵀ by columns.
    private static func gesdd(_ a: DoubleMatrix, vectors: Bool) throws(LAPACKError)
        -> (left: DoubleMatrix, values: [Double], right: DoubleMatrix)
    {
        if !a.elements.allSatisfy(\.isFinite) { throw .notFinite(routine: "gesdd") }
        var (m, n, k) = (Int32(a.columns), Int32(a.rows), Int32(min(a.rows, a.columns)))
        var left = DoubleMatrix(rows: vectors ? Int(k) : 0, columns: Int(m))
        var right = DoubleMatrix(rows: vectors ? Int(n) : 0, columns: Int(k))
        var values = Array(repeating: 0.0, count: Int(k))
        if k == 0 { return (left, values, right) }
        BLAS.useOneThread()
        let job = vectors ? "S" : "N"
        var (copy, leading, inner) = (a.elements, m, k)
        var (workspace, integers, info) = ([0.0], Array(repeating: Int32(0), count: 8 * Int(k)), Int32(0))
        for query in [true, false] {
            var length = query ? -1 : Int32(workspace.count)
            unsafe dgesdd_(
                job, &m, &n, &copy, &m, &values, &left.elements, &leading, &right.elements, &inner, &workspace, &length, &integers,
                &info)
            if query { workspace = Array(repeating: 0, count: max(1, Int(workspace[0]))) }
        }
        if info > 0 { throw .noConvergence(routine: "gesdd", info: Int(info)) }
        return (left, values, right)
    }
}
