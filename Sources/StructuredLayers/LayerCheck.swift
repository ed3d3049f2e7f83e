import LinearAlgebra

/// Holds a layer family to the laws that every layer must obey, at one random point: for the tests of a family of your own.
///
/// ```swift
/// let check = LayerCheck(path: PathSpecification(family: "givens", options: ["rounds": 3]), families: families)
/// #expect(try check.violations() == [])
/// ```
///
/// Everything is float32, as in training. A gradient is held against central differences with steps h and 2h, extrapolated: of
/// a forward that errs by ε = 6e-8 of its size, they err by about ε/h + h⁴. With h = 0.03 that is a few times 1e-5, so that 1e-3 is a
/// tolerance which no right gradient misses, and which a gradient wrong by a percent does not pass. Where the layer is not smooth no
/// difference is right: at the kink of relu or of a cap, and where the two largest singular values under a cap cross. Check with another
/// `seed` before you doubt the family.
public struct LayerCheck: Sendable {
    /// A law, and how far the layer is from it.
    public struct Finding: Hashable, Sendable, CustomStringConvertible {
        /// The law, in words.
        public let law: String
        /// Relative, without unit. NaN when the layer computed one.
        public let error: Double
        public let tolerance: Double

        public var holds: Bool { error <= tolerance }
        public var description: String { "\(law): off by \(error), where \(tolerance) is allowed" }
    }

    public var path: PathSpecification
    public var correction: CorrectionSpecification
    public var activation: Activation
    public var width: Int
    public var batch: Int
    public var seed: UInt64
    public var families: LayerFamilies

    public init(
        path: PathSpecification = .identity, correction: CorrectionSpecification = .none, activation: Activation = .none,
        width: Int = 12, batch: Int = 5, seed: UInt64 = 0, families: LayerFamilies
    ) {
        (self.path, self.correction, self.activation) = (path, correction, activation)
        (self.width, self.batch, self.seed, self.families) = (width, batch, seed, families)
    }

    /// The laws that do not hold; empty for a sound layer.
    ///
    /// - Throws: what `findings` throws.
    public func violations() throws -> [Finding] { try findings().filter { !$0.holds } }

    /// Every law with its error. O(parameters) forwards.
    ///
    /// - Throws: `SpecificationError` when there is no such layer, `LAPACKError` when the layer is not finite.
    public func findings() throws -> [Finding] {
        var probe = try LayerProbe(self)
        var findings = [probe.writesItsBlocks(), probe.repeatsItself(), probe.isAdjoint()]
        findings += probe.gradientsAreDifferences()
        findings.append(try probe.keepsItsCertificate())
        if let finding = try probe.hasItsSpectrum() { findings.append(finding) }
        return findings
    }
}

/// A layer at a random point: parameters away from where a new layer begins, so that no block is zero.
private struct LayerProbe {
    private var layer: StandaloneLayer
    private let x: Matrix
    /// ∂L/∂y of the loss L = ⟨u, y⟩.
    private let u: Matrix
    private let check: LayerCheck

    init(_ check: LayerCheck) throws(SpecificationError) {
        self.check = check
        layer = try StandaloneLayer(
            width: check.width, batch: check.batch, path: check.path, correction: check.correction, activation: check.activation,
            seed: check.seed, families: check.families)
        (x, u) = (Self.normal(check, "x"), Self.normal(check, "u"))
        let generator = CounterRNG(seed: check.seed, purpose: "check-parameters")
        let blocks = layer.blocks.filter { $0.role == .parameter }
        var all = layer.parameters.mutableSpan
        for index in blocks.flatMap(\.range) { all[index] += Float(0.05 + 0.15 * generator.normal(UInt64(index))) }
        layer.derive()
        settleStates()
    }

    /// Lets the state of many versions pass over the same parameters, so that what a power iteration holds is what it converges to.
    private mutating func settleStates() {
        let states = layer.blocks.filter { $0.role == .state }.flatMap(\.range)
        if states.isEmpty { return }
        for _ in 0..<300 {
            run()
            for index in states { set(index, layer.gradient.span[index]) }
            layer.derive()
        }
    }

    private static func normal(_ check: LayerCheck, _ purpose: String, columns: Int? = nil) -> Matrix {
        var matrix = Matrix(rows: check.width, columns: columns ?? check.batch)
        var span = matrix.mutableSpan
        CounterRNG(seed: check.seed, purpose: "check-\(purpose)").fillNormal(&span, standardDeviation: 1)
        return matrix
    }

    private mutating func run() {
        var g = u
        layer.forward(x)
        layer.backward(x, gradient: &g)
    }

    /// `backward` overwrites every element of its blocks and of dx, and touches no other.
    mutating func writesItsBlocks() -> LayerCheck.Finding {
        layer.fillGradients(with: .nan)
        run()
        let own = Set(layer.blocks.flatMap(\.range))
        var wrong = (0..<layer.gradient.count).filter { own.contains($0) == layer.gradient.span[$0].isNaN }.count
        wrong += (0..<layer.inputGradient.span.count).filter { layer.inputGradient.span[$0].isNaN }.count
        return .init(law: "backward writes its blocks and dx, and nothing else", error: Double(wrong), tolerance: 0)
    }

    /// The same bits again, whatever the buffers held.
    mutating func repeatsItself() -> LayerCheck.Finding {
        var differing = 0
        run()
        let first = layer
        run()
        for index in 0..<first.gradient.count
        where first.gradient.span[index].bitPattern != layer.gradient.span[index].bitPattern { differing += 1 }
        for index in 0..<x.span.count {
            if first.output.span[index].bitPattern != layer.output.span[index].bitPattern { differing += 1 }
            if first.inputGradient.span[index].bitPattern != layer.inputGradient.span[index].bitPattern { differing += 1 }
        }
        return .init(law: "the same call gives the same bits", error: Double(differing), tolerance: 0)
    }

    /// ⟨u, J·v⟩ = ⟨Jᵀ·u, v⟩, relative to ‖u‖·‖J·v‖.
    mutating func isAdjoint() -> LayerCheck.Finding {
        let v = Self.normal(check, "v")
        run()
        let jv = layer.jvp(x, v)
        let difference = VectorKernels.dot(u.span, jv.span) - VectorKernels.dot(layer.inputGradient.span, v.span)
        let size = (VectorKernels.sumOfSquares(u.span) * VectorKernels.sumOfSquares(jv.span)).squareRoot()
        return .init(law: "backward is the adjoint of jvp", error: abs(difference) / max(size, 1e-6), tolerance: 1e-5)
    }

    /// Every block's gradient and dx, against differences of L.
    mutating func gradientsAreDifferences() -> [LayerCheck.Finding] {
        run()
        let exact = layer
        let input = differences(of: exact.inputGradient.span.count, step: 0.03) { probe, index, offset in
            var moved = probe.x
            do {
                var span = moved.mutableSpan
                span[index] += offset
            }
            probe.layer.forward(moved)
            return Double(moved.span[index])
        }
        // A block of little influence is judged by what matters to the layer: 3 % of dx.
        let floor = 0.03 * input.reduce(0) { $0 + $1 * $1 }.squareRoot()
        func finding(_ name: String, _ gradient: [Float], _ differences: [Double]) -> LayerCheck.Finding {
            let error = zip(gradient, differences).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }.squareRoot()
            let size = differences.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return .init(law: "the gradient of \(name) is its central difference", error: error / max(size, floor), tolerance: 1e-3)
        }
        let dx = exact.inputGradient
        var findings = [finding("the input", (0..<dx.span.count).map { dx.span[$0] }, input)]
        for block in exact.blocks where block.role == .parameter {
            let squares = block.range.reduce(0) { $0 + exact.parameters.span[$1] * exact.parameters.span[$1] }
            let scale = max(0.25, (squares / Float(block.range.count)).squareRoot())
            let start = block.range.lowerBound
            let numbers = differences(of: block.range.count, step: 0.03 * scale) { probe, index, offset in
                let old = exact.parameters.span[start + index]
                probe.set(start + index, old + offset)
                let moved = Double(probe.layer.parameters.span[start + index])
                probe.layer.derive()
                probe.layer.forward(probe.x)
                probe.set(start + index, old)
                return moved
            }
            findings.append(finding(block.name, block.range.map { exact.gradient.span[$0] }, numbers))
        }
        return findings
    }

    private mutating func set(_ index: Int, _ value: Float) {
        var all = layer.parameters.mutableSpan
        all[index] = value
    }

    /// ∂L by each of `count` numbers; `move` computes the output with one of them moved by an offset, and returns where it then was.
    private mutating func differences(
        of count: Int, step: Float, move: (inout LayerProbe, Int, Float) -> Double
    ) -> [Double] {
        let u = u
        func slope(_ probe: inout LayerProbe, _ index: Int, _ h: Float) -> Double {
            let above = move(&probe, index, h)
            let lossAbove = VectorKernels.dot(u.span, probe.layer.output.span)
            let below = move(&probe, index, -h)
            return (lossAbove - VectorKernels.dot(u.span, probe.layer.output.span)) / (above - below)
        }
        let numbers = (0..<count).map { index in (4 * slope(&self, index, step) - slope(&self, index, 2 * step)) / 3 }
        layer.derive()
        return numbers
    }

    /// The singular values of the Jacobian at one point lie within the certificate.
    mutating func keepsItsCertificate() throws -> LayerCheck.Finding {
        let (bounds, values) = (try layer.certificate().jacobian, try jacobianValues())
        let above = (values.first ?? 0) - bounds.upper
        let below = bounds.lower - (values.last ?? 0)
        // The singular values themselves are computed in float32.
        return .init(
            law: "the certificate [\(bounds.lower), \(bounds.upper)] holds the Jacobian's singular values",
            error: values.contains { $0.isNaN } ? .nan : max(0, above, below) / max(1, values.first ?? 1), tolerance: 1e-5)
    }

    /// The closed form is the spectrum; nil when the family gives none, or when the path is not the whole layer.
    mutating func hasItsSpectrum() throws -> LayerCheck.Finding? {
        guard let spectrum = layer.analyticSpectrum, check.correction == .none, check.activation == .none else { return nil }
        let values = try jacobianValues()
        let law = "the closed-form spectrum is the Jacobian's"
        guard spectrum.count == values.count else { return .init(law: law, error: .infinity, tolerance: 1e-4) }
        let error = zip(spectrum, values).map { abs($0 - $1) }.max() ?? 0
        return .init(law: law, error: error / max(1e-6, values.first ?? 0), tolerance: 1e-4)
    }

    /// All of J at one example, by a batch of unit vectors.
    private func jacobianValues() throws -> [Double] {
        let n = check.width
        var wide = try StandaloneLayer(
            width: n, batch: n, path: check.path, correction: check.correction, activation: check.activation, seed: check.seed,
            families: check.families)
        wide.parameters = layer.parameters
        wide.derive()
        let point = Self.normal(check, "point", columns: 1)
        var (x, identity) = (Matrix(rows: n, columns: n), Matrix(rows: n, columns: n))
        for i in 0..<n { for b in 0..<n { (x[i, b], identity[i, b]) = (point[i, 0], i == b ? 1 : 0) } }
        wide.forward(x)
        return try LAPACK.singularValues(wide.jvp(x, identity).view).map { Double($0) }
    }
}
