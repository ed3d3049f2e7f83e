import LinearAlgebra

/// How all singular values of one matrix [m, n] of float32 are found.
///
/// By the eigenvalues of the smaller Gram matrix in float64, n²·m + 4/3·n³ operations where a bidiagonal form takes 4·n²·m − 4/3·n³. It squares the condition number, so σ errs by about ε₆₄·σ₁²/σ; where
/// σ_min < 10⁻⁶·σ₁ the matrix goes to gesdd in float64 instead, which errs by about max(m, n)·ε₆₄·σ₁ everywhere and reduces tall
/// matrices by QR first.
enum SingularValueSolver {
    /// Below this part of the largest eigenvalue the smallest one is not trusted.
    private static let eigenvalueFloor = 1e-12
    /// The part of the largest eigenvalue that all which is reported must stand above to come from float32: an error of 10⁻³ there.
    private static let roughResolution = 1e-3

    /// Descending, min(m, n) of them. `w` is finite. O(m·n·min(m, n)).
    static func values(_ w: MatrixView) throws(LAPACKError) -> [Double] { try values(w) { nil }.0 }

    /// The same, and what the `roughMatrix` of another matrix comes to: the two iterations fill each other's waiting time.
    ///
    /// - Parameter other: is called once, when `w`'s own Gram matrix has been left; what goes wrong with its value costs `w` nothing.
    static func values(_ w: MatrixView, beside other: () -> SymmetricTridiagonal?) throws(LAPACKError) -> (
        [Double], rough: [Double]?
    ) {
        let own = try LAPACK.gramTridiagonal(of: w)
        let second = other()
        let (found, others) = SymmetricTridiagonal.eigenvalues(own, second ?? SymmetricTridiagonal())
        let (eigenvalues, rough) = (try found.get(), second == nil ? nil : (try? others.get()).map(roots))
        guard let smallest = eigenvalues.first, let largest = eigenvalues.last else { return ([], rough) }
        if smallest < eigenvalueFloor * largest { return (try LAPACK.singularValues(DoubleMatrix(w)), rough) }
        return (roots(eigenvalues), rough)
    }

    /// Whether float32 may do for a matrix: not for those smaller than 128, of which nothing is gained, nor where an element is not finite
    /// or the elements' squares would leave float32's range. Any order of the elements has the same answer. O(m·n).
    static func suitsFloat32(_ w: Matrix) -> Bool {
        guard min(w.rows, w.columns) >= 128 else { return false }
        let squares = VectorKernels.sumOfSquares(w.span)
        return squares < 1e30 && squares > 1e-24 * Double(w.rows * w.columns)
    }

    /// A float32 Gram matrix' tridiagonal form; its eigenvalues are σ² to about 10⁻⁶·σ₁². Nil where float32 does not do.
    /// O(m·n·min(m, n)).
    static func roughMatrix(_ w: Matrix) -> SymmetricTridiagonal? {
        suitsFloat32(w) ? try? LAPACK.roughGramTridiagonal(of: w.view) : nil
    }

    /// The singular values that `roughMatrix` stands for, those whose squares come out negative as 0; nil where it is.
    static func roughValues(_ w: Matrix) -> [Double]? { roughMatrix(w).flatMap { try? roots($0.eigenvalues()) } }

    /// Whether float32 gives what is reported of a spectrum, down to its median. `values` descend.
    static func isResolved(_ values: [Double]) -> Bool {
        guard let largest = values.first, largest > 0 else { return false }
        return isResolved(values[values.count / 2], below: largest)
    }

    /// Whether float32 gives a singular value of a matrix whose largest one is `largest`.
    static func isResolved(_ value: Double, below largest: Double) -> Bool { value * value >= roughResolution * largest * largest }

    /// Of eigenvalues that ascend.
    private static func roots(_ eigenvalues: [Double]) -> [Double] { eigenvalues.reversed().map { max(0, $0).squareRoot() } }
}
