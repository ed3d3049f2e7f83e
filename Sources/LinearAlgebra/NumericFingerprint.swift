import COpenBLAS
import Crypto

/// The shape of a matrix product C [m, n] = A [m, k]·B [k, n].
public struct GEMMShape: Hashable, Sendable {
    public var m: Int
    public var n: Int
    public var k: Int

    public init(m: Int, n: Int, k: Int) {
        self.m = m
        self.n = n
        self.k = k
    }
}

/// What tells whether two processes compute the same bits: OpenBLAS's build and kernels, and a digest of what the calls of a run return.
public struct NumericFingerprint: Codable, Hashable, Sendable {
    /// OpenBLAS's own description of its build.
    public var blasConfiguration: String
    /// The name of the kernels in use, such as `Haswell` or `Zen`.
    public var blasCore: String
    /// SHA-256, in hexadecimal, of fixed outputs.
    public var digest: String

    public init(blasConfiguration: String, blasCore: String, digest: String) {
        self.blasConfiguration = blasConfiguration
        self.blasCore = blasCore
        self.digest = digest
    }

    /// The name of the OpenBLAS kernels in use.
    public static var currentCore: String { unsafe String(cString: openblas_get_corename()) }
    /// OpenBLAS's own description of its build.
    public static var currentConfiguration: String {
        // Its last words name the core, and the thread limit of the machine: neither belongs to the build.
        let text = unsafe String(cString: openblas_get_config())
        return text.split(separator: " ").prefix { !$0.hasPrefix("MAX_THREADS") }.filter { $0 != currentCore }.joined(
            separator: " ")
    }

    /// Runs sgemm at the given shapes in every transposition, sgemv, strsm, the LAPACK calls in use, exp and tanh, on fixed inputs.
    public static func measure(shapes: [GEMMShape]) throws(LAPACKError) -> NumericFingerprint {
        BLAS.useOneThread()
        var hash = SHA256()
        for shape in shapes { products(shape, into: &hash) }
        try decompositions(into: &hash)
        try factors(into: &hash)
        var values = random(1, 4096, scale: 4)
        var span = values.mutableSpan
        VectorKernels.tanh(&span)
        VectorKernels.exp(&span)
        absorb(values, into: &hash)
        let digest = hash.finalize().map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }
        return NumericFingerprint(
            blasConfiguration: currentConfiguration, blasCore: currentCore, digest: digest.joined())
    }

    /// One clause that says what differs, this side first; nil when the two are the same.
    public func differences(from other: NumericFingerprint) -> String? {
        if blasCore != other.blasCore { return "OpenBLAS kernels \(blasCore) here, \(other.blasCore) there" }
        if blasConfiguration != other.blasConfiguration { return "\(blasConfiguration) here, \(other.blasConfiguration) there" }
        if digest != other.digest {
            return
                "the same OpenBLAS kernels (\(blasCore)), but products with digest \(digest.prefix(12)) here, \(other.digest.prefix(12)) there"
        }
        return nil
    }

    private static func random(_ rows: Int, _ columns: Int, scale: Float = 1) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var span = matrix.mutableSpan
        CounterRNG(seed: 0, purpose: "fingerprint").fillNormal(&span, standardDeviation: scale)
        return matrix
    }

    private static func absorb(_ matrix: Matrix, into hash: inout SHA256) {
        unsafe matrix.span.bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
    }

    private static func products(_ shape: GEMMShape, into hash: inout SHA256) {
        let (a, b) = (random(shape.m, shape.k), random(shape.k, shape.n))
        let (aTransposed, bTransposed) = (random(shape.k, shape.m), random(shape.n, shape.k))
        var c = Matrix(rows: shape.m, columns: shape.n)
        for variant in 0..<3 {
            var view = c.mutableView
            switch variant {
            case 0: BLAS.gemm(a.view, b.view, into: &view)
            case 1: BLAS.gemm(aTransposed.view, transposeA: true, b.view, into: &view)
            default: BLAS.gemm(a.view, bTransposed.view, transposeB: true, into: &view)
            }
            absorb(c, into: &hash)
        }
    }

    private static func decompositions(into hash: inout SHA256) throws(LAPACKError) {
        let a = random(24, 24)
        absorb(Matrix(rows: 1, columns: 24, elements: try LAPACK.singularValues(a.view)), into: &hash)
        absorb(try LAPACK.qr(a.view).q, into: &hash)
        var b = random(24, 3)
        var view = b.mutableView
        try LAPACK.solve(a.view, rightHandSides: &view)
        absorb(b, into: &hash)
        let values = try LAPACK.symmetricEigenvalues(DoubleMatrix(a.view).smallerGram())
        absorb(Matrix(rows: 1, columns: 24, elements: values.map { Float($0) }), into: &hash)
    }

    /// sgetrf and all that is done with its factors, at a size where it works by blocks; sgemv both ways on the same matrix.
    private static func factors(into hash: inout SHA256) throws(LAPACKError) {
        let n = 160
        var (a, pivots) = (random(n, n), Array(repeating: Int32(0), count: n))
        for transposed in [false, true] {
            var product = random(1, n)
            var span = product.mutableSpan
            BLAS.gemv(a.view, transposed: transposed, random(1, n, scale: 2).span, into: &span)
            absorb(product, into: &hash)
        }
        do {
            var view = a.mutableView
            var rows = pivots.mutableSpan
            try LAPACK.factorise(&view, pivots: &rows)
        }
        absorb(a, into: &hash)
        for transposed in [false, true] {
            var b = random(n, 64)
            var view = b.mutableView
            LAPACK.solve(factors: a.view, pivots: pivots.span, transposed: transposed, rightHandSides: &view)
            absorb(b, into: &hash)
        }
    }
}
