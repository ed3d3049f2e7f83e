import LinearAlgebra

/// A matrix product that a step makes, `[m, k]·[k, n]`.
struct NetworkProduct: Hashable, Sendable {
    enum Kind: String, CaseIterable, Encodable, Sendable {
        /// Y = W·X
        case forward = "W·X"
        /// dX = Wᵀ·G
        case inputGradient = "Wᵀ·G"
        /// dW = G·Xᵀ
        case weightGradient = "G·Xᵀ"
    }

    var layer: String
    /// How many such products a step makes.
    var count: Int
    var kind: Kind
    /// Of the weights W.
    var rows: Int
    var columns: Int
    var batch: Int

    /// Multiplications and additions of one product.
    var operations: Double { 2 * Double(rows) * Double(columns) * Double(batch) }

    /// A step's products; the data have no gradient.
    static func all(of shape: NetworkShapeOptions) -> [NetworkProduct] {
        let width = shape.width
        let layers = [
            ("embedding", 1, width, shape.inputs), ("layers", shape.depth - 1, width, width), ("readout", 1, shape.outputs, width),
        ]
        return layers.flatMap { name, count, rows, columns in
            Kind.allCases.filter { count > 0 && !(name == "embedding" && $0 == .inputGradient) }.map {
                NetworkProduct(layer: name, count: count, kind: $0, rows: rows, columns: columns, batch: shape.batch)
            }
        }
    }

    /// The best of several 1024 × 1024 · 1024 × 128 products, in 10⁹ operations a second.
    static var bestRate: Double {
        let product = NetworkProduct(layer: "", count: 1, kind: .forward, rows: 1024, columns: 1024, batch: 128)
        return measure([product], rounds: 5)[0].gigaflops.most
    }

    /// Measures every product in turn, round by round, on the calling thread.
    static func measure(_ products: [NetworkProduct], rounds: Int) -> [GEMMMeasurement] {
        var stopwatches = products.map(ProductStopwatch.init)
        var rates = products.map { _ in [Double]() }
        for _ in 0..<rounds { for index in stopwatches.indices { rates[index].append(stopwatches[index].gigaflops()) } }
        let best = rates.flatMap { $0 }.max() ?? 1
        return zip(products, rates).map { product, rates in
            let spread = Spread(rates)
            return GEMMMeasurement(
                layer: product.layer, product: product.kind, count: product.count, rows: product.rows, columns: product.columns,
                gigaflops: spread, share: spread.median / best)
        }
    }
}

/// One product, timed again and again.
private struct ProductStopwatch {
    private let product: NetworkProduct
    private let a: Matrix
    private let b: Matrix
    private var c: Matrix
    /// So many in a lap that it is long beside the clock's grain.
    private var repetitions = 1

    init(_ product: NetworkProduct) {
        self.product = product
        let (m, n, batch) = (product.rows, product.columns, product.batch)
        switch product.kind {
        case .forward: (a, b, c) = (.measured(m, n), .measured(n, batch), Matrix(rows: m, columns: batch))
        case .inputGradient: (a, b, c) = (.measured(m, n), .measured(m, batch), Matrix(rows: n, columns: batch))
        case .weightGradient: (a, b, c) = (.measured(m, batch), .measured(n, batch), Matrix(rows: m, columns: n))
        }
        _ = gigaflops()
        let rate = gigaflops()
        repetitions = max(1, min(100_000, Int(0.003 * rate * 1e9 / product.operations)))
    }

    /// 10⁹ operations a second of the thread's processor time.
    mutating func gigaflops() -> Double {
        let (a, b, kind, repetitions) = (a, b, product.kind, repetitions)
        let start = ThreadClock.seconds()
        for _ in 0..<repetitions {
            var view = c.mutableView
            BLAS.gemm(a.view, transposeA: kind == .inputGradient, b.view, transposeB: kind == .weightGradient, into: &view)
        }
        return Double(repetitions) * product.operations / max(1e-9, ThreadClock.seconds() - start) * 1e-9
    }
}

/// The rate of one kind of product of some layers.
struct GEMMMeasurement: Encodable, Sendable {
    var layer: String
    var product: NetworkProduct.Kind
    /// How many such products a step makes.
    var count: Int
    /// Of the weights.
    var rows: Int
    var columns: Int
    /// 10⁹ operations a second.
    var gigaflops: Spread
    /// The median over the best rate that any product has reached.
    var share: Double
}
