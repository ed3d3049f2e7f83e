import StructuredLayers

/// The coordinator's half of the Hessian's Krylov methods, D14–D18: Lanczos with partial reorthogonalisation over vectors that it never
/// sees. Tier T2; a product with the probe batch's matrix and two rounds of sums a step.
///
/// A pure state machine: carry out `action`, report what came of it by `complete`, until it is `finished`. Partial sums are added in
/// the chunks' order, so the report is a function of θ, the batch and the options, not of how chunks are spread over shards.
///
/// A product has, but for rounding and the error of differences, no overlap with the basis besides its last two vectors. These are
/// subtracted; what remains grows from step to step, and is measured and subtracted before it matters (`Reorthogonalisation`).
/// Oracles: dense Hessians, PyHessian.
public struct CurvatureConductor: Sendable {
    /// What is to be done next.
    public enum Action: Hashable, Sendable {
        /// Have every shard execute this, and report every chunk's sums.
        case shards(KrylovCommand)
        /// Have the basis' last vector multiplied by the matrix of the options' kind (`CurvatureProduct`), summed over the probe batch, and
        /// every chunk of the product taken by its shard; nothing to report. `step` is ‖h·v‖ for those who take differences.
        case product(step: Double)
        case finished(CurvatureReport)
    }

    enum Phase: Hashable, Sendable {
        case measure, begin, product, project, observeDiagonal
        case orthogonalise([Double], takingAll: Bool)
        case extend([[Double]], scale: Double)
        case finished
    }

    public let options: CurvatureOptions
    let layout: KrylovLayout
    let examples: Int
    var phase = Phase.measure
    /// ε‖θ‖, the basis' vectors being of length 1.
    var step = 0.0
    var run = LanczosRun()
    var orthogonality = Reorthogonalisation()
    /// |⟨v_{j−1}, H·v_j⟩ − β_{j−1}| of the product at hand.
    var asymmetry = 0.0
    var report: CurvatureReport

    /// Curvature over `examples` examples of a network whose flat vector `layout` cuts.
    public init(_ options: CurvatureOptions, layout: KrylovLayout, examples: Int) {
        (self.options, self.layout, self.examples) = (options, layout, examples)
        report = CurvatureReport(options, dimension: layout.dimension)
        if layout.dimension == 0 { abandon("the network has no trained parameters") }
        if examples == 0 { abandon("the probe batch is empty") }
    }

    public var action: Action {
        switch phase {
        case .measure: .shards(.measure(preconditioned: options.isPreconditioned))
        case .begin: .shards(.begin(seed: options.seed, probe: report.runs.count, amplitude: amplitude))
        case .product: .product(step: step)
        case .project: .shards(.project(scale: 1 / Double(examples)))
        case .observeDiagonal: .shards(.observeDiagonal(dimension: layout.dimension))
        case .orthogonalise(let coefficients, let takesAll):
            .shards(.orthogonalise(coefficients: coefficients, takingAll: takesAll))
        case .extend(let coefficients, let scale): .shards(.extend(coefficients: coefficients, scale: scale))
        case .finished: .finished(report)
        }
    }

    /// The action is done; `sums` of every chunk in any order, or nothing after a product.
    public mutating func complete(_ sums: [ChunkSums] = []) {
        let sums = sums.sorted { $0.chunk < $1.chunk }
        let total = Self.total(sums)
        if !total.allSatisfy(\.isFinite) {
            return abandon(
                phase == .measure ? "the parameters are not finite" : "a product with the curvature matrix is not finite")
        }
        switch phase {
        case .measure: measured(total.first ?? 0)
        case .begin, .extend: phase = .product
        case .product: phase = .project
        case .project: projected(total)
        case .observeDiagonal: diagonalObserved(sums)
        case .orthogonalise: orthogonalised(total)
        case .finished: break
        }
    }

    /// Ends the examination; what is not known by now is unavailable for this reason.
    public mutating func abandon(_ reason: String) {
        report.failure = reason
        phase = .finished
    }

    /// 1/√d, as float32 has it.
    private var amplitude: Double { Double(Float(1 / Double(layout.dimension).squareRoot())) }

    /// Sums by place, over chunks in order; of the places that all of them have.
    private static func total(_ sums: [ChunkSums]) -> [Double] {
        let places = sums.map { $0.values.count - $0.layers.count }.min() ?? 0
        return (0..<places).map { place in sums.reduce(0) { $0 + $1.values[place] } }
    }

    private mutating func measured(_ square: Double) {
        step = options.relativeStep * square.squareRoot()
        if step == 0 { return abandon("all parameters are zero: a step relative to them is none") }
        phase = .begin
    }
}
