import COpenBLAS

extension DoubleMatrix {
    /// The lower triangle of AᵀA or A·Aᵀ, whichever is smaller, of a float32 matrix A, in float64; zeros above the diagonal.
    ///
    /// Summed over blocks of 256 rows or columns in ascending order, so that no float64 copy of A is made.
    /// O(rows·columns·min(rows, columns)).
    public static func lowerGram(of a: MatrixView) -> DoubleMatrix {
        let size = min(a.rows, a.columns)
        var gram = DoubleMatrix(rows: size, columns: size)
        unsafe gram.elements.withUnsafeMutableBufferPointer { to in
            guard let base = to.baseAddress else { return }
            unsafe BLAS.lowerGram(of: a, into: base, stride: size)
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
}

extension SymmetricStorage where Element == Double {
    /// As `DoubleMatrix.lowerGram`.
    init(lowerGramOf a: MatrixView) {
        self.init(size: min(a.rows, a.columns))
        unsafe BLAS.lowerGram(of: a, into: elements, stride: stride)
    }
}

extension SymmetricStorage where Element == Float {
    /// The same in float32.
    init(lowerGramOf a: MatrixView) {
        let ofColumns = a.columns <= a.rows
        self.init(size: min(a.rows, a.columns))
        if size == 0 { return }
        BLAS.useOneThread()
        let (length, leading) = (Int32(max(a.rows, a.columns)), Int32(a.columns))
        unsafe a.elements.withUnsafeBufferPointer { from in
            unsafe cblas_ssyrk(
                CblasRowMajor, CblasLower, ofColumns ? CblasTrans : CblasNoTrans, Int32(size), length, 1, from.baseAddress, leading,
                0, elements, Int32(stride))
        }
    }
}

extension BLAS {
    private static let blockLength = 256

    /// C ← the lower triangle of AᵀA or A·Aᵀ, whichever is smaller; C's rows are `stride` elements apart, and what is there is not read.
    fileprivate static func lowerGram(of a: MatrixView, into c: UnsafeMutablePointer<Double>, stride: Int) {
        let ofColumns = a.columns <= a.rows
        let (size, length) = ofColumns ? (a.columns, a.rows) : (a.rows, a.columns)
        if size == 0 { return }
        useOneThread()
        for start in Swift.stride(from: 0, to: length, by: blockLength) {
            let end = min(start + blockLength, length)
            let block = ofColumns ? rows(of: a, start..<end) : columns(of: a, start..<end)
            unsafe block.elements.withUnsafeBufferPointer { from in
                unsafe cblas_dsyrk(
                    CblasRowMajor, CblasLower, ofColumns ? CblasTrans : CblasNoTrans, Int32(size), Int32(end - start), 1,
                    from.baseAddress, Int32(block.columns), start == 0 ? 0 : 1, c, Int32(stride))
            }
        }
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
