import CAllocator
import COpenBLAS
import CVectorKernels

/// A product C = alpha·op(A)·op(B) + beta·C of float32 as OpenBLAS is called for it, all row-major and without gaps.
///
/// Shapes: op(A) [m, k], op(B) [k, n], C [m, n].
struct GEMMCall {
    var transposeA: Bool
    var transposeB: Bool
    var m: Int
    var n: Int
    var k: Int
    var alpha: Float
    var beta: Float

    /// How many elements of a factor are turned over at once: half of a core's second cache.
    private static let scratchCount = 1 << 17
    private static let permit = plumb_blas_small_permit()

    /// What one call computes: of some columns of C some rows, a multiple of four that suits the kernels, and of their sums `depth` terms.
    struct Piece: Hashable {
        var columns: Int
        var rows: Int
        var depth: Int
    }

    /// The largest piece of at most `rows` rows that OpenBLAS computes from where the operands lie; nil if there is none.
    private func piece(columns: Int, rows: Int, depth: Int) -> Piece? {
        guard let permit = Self.permit else { return nil }
        // It is asked column-major: there Cᵀ = op(B)ᵀ·op(A)ᵀ.
        let most = stride(from: rows, through: 4, by: -4).first {
            permit(0, transposeA ? 1 : 0, columns, $0, depth, alpha, beta) != 0
        }
        return most.map { Piece(columns: columns, rows: $0, depth: depth) }
    }

    /// How C is cut for pieces that are small, where that is faster by measurement; nil for one call of the whole.
    ///
    /// OpenBLAS copies both operands in blocks before it multiplies. A microbatch has few columns, so the larger operand is used too
    /// little to be worth that: a tenth to a third of the time goes there. Its kernels for small products, which machines with AVX-512
    /// have, read the operands where they lie.
    var piece: Piece? { transposeA ? acrossPiece : transposeB ? turnedPiece : plainPiece }

    private var plainPiece: Piece? {
        guard n >= 8, m >= 16, k >= 32 else { return nil }
        if n <= 128 {
            // B's part must stay in the caches while all of A passes by.
            let parts = (k + 1023) / 1024
            return piece(columns: n, rows: 60, depth: ((k + parts - 1) / parts + 15) / 16 * 16)
        }
        return k <= 1024 ? piece(columns: 64, rows: 60, depth: k) : nil
    }

    /// Down the columns of A: a stride of 2 KiB or its multiples falls on few lines of the caches, and long columns fall out of them.
    private var acrossPiece: Piece? {
        guard !transposeB, n >= 8, n <= 128, m >= 16, k >= 32, k <= 800, m % 512 != 0 else { return nil }
        return piece(columns: n, rows: 60, depth: k).flatMap { $0.rows >= 8 ? $0 : nil }
    }

    /// With B turned over first: for a weight's gradient, a sum over the microbatch.
    private var turnedPiece: Piece? {
        guard m >= 64, n >= 32, k >= 16, k <= 128 else { return nil }
        let most = Self.scratchCount / k
        let parts = (n + most - 1) / most
        return piece(columns: (n + parts - 1) / parts, rows: n > 384 ? 4 : 32, depth: k)
    }

    /// O(m·n·k). Any thread; the memory that B is turned over in is the thread's own.
    func run(_ a: UnsafePointer<Float>?, _ b: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>) {
        guard let piece, let a = unsafe a, let b = unsafe b else { return unsafe whole(a, b, c) }
        var turned: UnsafeMutablePointer<Float>?
        if transposeB {
            let memory = unsafe plumb_thread_scratch(piece.columns * k * MemoryLayout<Float>.stride)
            guard let memory = unsafe memory else { return unsafe whole(a, b, c) }
            unsafe turned = unsafe memory.assumingMemoryBound(to: Float.self)
        }
        for first in stride(from: 0, to: n, by: piece.columns) {
            let width = min(piece.columns, n - first)
            if let turned = unsafe turned {
                unsafe VectorKernels.kernels.transpose(turned, width, b + first * k, k, width, k)
                unsafe strip(a, turned, width, c + first, width, piece)
            } else {
                unsafe strip(a, b + first, n, c + first, width, piece)
            }
        }
    }

    /// Some columns of C, piece by piece; B [k, columns], in rows `strideB` apart.
    private func strip(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ strideB: Int, _ c: UnsafeMutablePointer<Float>, _ columns: Int,
        _ piece: Piece
    ) {
        for term in stride(from: 0, to: k, by: piece.depth) {
            for row in stride(from: 0, to: m, by: piece.rows) {
                unsafe cblas_sgemm(
                    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, CblasNoTrans, Int32(min(piece.rows, m - row)),
                    Int32(columns), Int32(min(piece.depth, k - term)), alpha, a + (transposeA ? term * m + row : row * k + term),
                    Int32(transposeA ? m : k), b + term * strideB, Int32(strideB), term == 0 ? beta : 1, c + row * n, Int32(n))
            }
        }
    }

    private func whole(_ a: UnsafePointer<Float>?, _ b: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>) {
        unsafe cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m), Int32(n),
            Int32(k),
            alpha, a, Int32(max(1, transposeA ? m : k)), b, Int32(max(1, transposeB ? k : n)), beta, c, Int32(max(1, n)))
    }
}
