import LinearAlgebra

@testable import StructuredLayers

/// A path outside a network: of any shape, at any parameters.
struct LonePath {
    let path: any PathFamily
    let places: [Range<Int>]
    var parameters: AlignedVector
    let outputs: Int

    /// A path of a family as an experiment file would make it, with its initial parameters.
    init(
        _ family: String, _ options: [String: OptionValue] = [:], inputs: Int, outputs: Int, depth: Int = 4, scaling: Bool = true
    ) throws {
        let context = LayerContext(inputs: inputs, outputs: outputs, depth: depth, index: 0, learningRateScaling: scaling)
        let (path, _) = try LayerFamilies.builtin.path(PathSpecification(family: family, options: options), context: context)
        var layout = ParameterLayout()
        let places = layout.append(path.blocks, prefix: "path", layer: 1)
        (self.path, self.places, self.outputs) = (path, places, outputs)
        parameters = AlignedVector(count: layout.count)
        var all = parameters.mutableSpan
        for (block, range) in places.enumerated() {
            var part = all.part(range)
            path.initialise(
                block: block, generator: CounterRNG(seed: 5, purpose: "lone", index: UInt64(block)), into: &part)
        }
        path.settleState(at: places, in: &all)
    }

    /// Changes the elements of one block.
    mutating func update(block: Int, _ change: (Int, Float) -> Float) {
        let place = places[block]
        var all = parameters.mutableSpan
        for (offset, index) in place.enumerated() { all[index] = change(offset, all[index]) }
    }

    /// Takes the state to rest.
    mutating func settle(rounds: Int = 30) {
        let (path, places) = (path, places)
        var all = parameters.mutableSpan
        for _ in 0..<rounds { path.settleState(at: places, in: &all) }
    }

    var derived: DerivedValues {
        var derived = path.makeDerived()
        path.derive(parameters: parameters.span, at: places, into: &derived)
        return derived
    }

    func certificate() throws -> SpectralBounds {
        try path.certificate(parameters: parameters.span, at: places, derived: derived)
    }

    private func scratch(_ batch: Int) -> [Matrix] {
        path.scratchShapes(batch: batch).map { Matrix(rows: $0.rows, columns: $0.columns) }
    }

    func forward(_ x: Matrix) -> Matrix {
        var (y, scratch) = (Matrix(rows: outputs, columns: x.columns), scratch(x.columns))
        var view = y.mutableView
        path.forward(x.view, parameters: parameters.span, at: places, derived: derived, scratch: &scratch, into: &view)
        return y
    }

    /// J at the one column of x.
    func jacobian(_ x: Matrix) -> Matrix {
        let n = x.rows
        var (points, identity) = (Matrix(rows: n, columns: n), Matrix(rows: n, columns: n))
        for i in 0..<n { for j in 0..<n { (points[i, j], identity[i, j]) = (x[i, 0], i == j ? 1 : 0) } }
        var (y, scratch) = (Matrix(rows: outputs, columns: n), scratch(n))
        var view = y.mutableView
        path.jvp(
            points.view, identity.view, parameters: parameters.span, at: places, derived: derived, scratch: &scratch, into: &view)
        return y
    }

    /// Block gradients and ∂L/∂x for g = ∂L/∂y.
    func backward(_ x: Matrix, _ g: Matrix) -> (blocks: AlignedVector, dx: Matrix) {
        let derived = derived
        var (y, dx, scratch) = (
            Matrix(rows: outputs, columns: x.columns), Matrix(rows: x.rows, columns: x.columns), scratch(x.columns)
        )
        var blocks = AlignedVector(count: parameters.count)
        do {
            var view = y.mutableView
            path.forward(x.view, parameters: parameters.span, at: places, derived: derived, scratch: &scratch, into: &view)
        }
        do {
            var view = dx.mutableView
            var span = blocks.mutableSpan
            path.backward(
                x.view, gradient: g.view, parameters: parameters.span, at: places, derived: derived, scratch: &scratch,
                blockGradients: &span, into: &view)
        }
        return (blocks, dx)
    }
}
