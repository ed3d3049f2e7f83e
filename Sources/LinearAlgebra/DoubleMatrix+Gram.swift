import COpenBLAS

extension DoubleMatrix {
    private static let blockLength = 256

    /// The lower triangle of AᵀA or A·Aᵀ, whichever is smaller, of a float32 matrix A, in float64; zeros above the diagonal.
    ///
    /// Summed over blocks of 256 rows or columns in ascending order, so that no float64 copy of A is made.
    /// O(rows·columns·min(rows, columns)).
    public static func lowerGram(of a: MatrixView) -> DoubleMatrix {
        let ofColumns = a.columns <= a.rows
        let (size, length) = ofColumns ? (a.columns, a.rows) : (a.rows, a.columns)
        var gram = DoubleMatrix(rows: size, columns: size)
        for start in stride(from: 0, to: length, by: blockLength) {
            let end = min(start + blockLength, length)
            let block = ofColumns ? rows(of: a, start..<end) : columns(of: a, start..<end)
            BLAS.addLowerGram(of: block, ofColumns: ofColumns, to: &gram)
        }
        return gram
    }

    /// The symmetric matrix whose lower triangle this one holds. O(rows²).
    public func mirrored() -> DoubleMatrix {
        precondition(rows == columns, "a symmetric matrix is square")
        var result = self
        for i in 0..<rows { for j in 0..<i { result[j, i] = result[i, j] } }
        return result
    }

    private static func rows(of a: MatrixView, _ range: Range<Int>) -> DoubleMatrix {
        DoubleMatrix(
            MatrixView(
                a.elements.extracting(range.lowerBound * a.columns..<range.upperBound * a.columns), rows: range.count,
                columns: a.columns))
    }

    private static func columns(of a: MatrixView, _ range: Range<Int>) -> DoubleMatrix {
        var block = DoubleMatrix(rows: a.rows, columns: range.count)
        for row in 0..<a.rows {
            for column in 0..<range.count {
                block.elements[row * range.count + column] = Double(a.elements[row * a.columns + range.lowerBound + column])
            }
        }
        return block
    }
}

extension BLAS {
    /// C ← C + AᵀA if `ofColumns`, else C + A·Aᵀ, in the lower triangle.
    static func addLowerGram(of a: DoubleMatrix, ofColumns: Bool, to c: inout DoubleMatrix) {
        let (n, k) = ofColumns ? (a.columns, a.rows) : (a.rows, a.columns)
        if n == 0 || k == 0 { return }
        useOneThread()
        unsafe a.elements.withUnsafeBufferPointer { from in
            unsafe c.elements.withUnsafeMutableBufferPointer { to in
                unsafe cblas_dsyrk(
                    CblasRowMajor, CblasLower, ofColumns ? CblasTrans : CblasNoTrans, Int32(n), Int32(k), 1, from.baseAddress,
                    Int32(a.columns), 1, to.baseAddress, Int32(n))
            }
        }
    }
}
