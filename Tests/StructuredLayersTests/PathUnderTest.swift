import LinearAlgebra

@testable import StructuredLayers

/// One path with numbers, outside any network, so that it may be rectangular.
struct PathUnderTest {
    let family: any PathFamily
    let (inputs, outputs): (Int, Int)
    let places: [Range<Int>]
    private(set) var parameters: AlignedVector
    private(set) var derived: DerivedValues

    /// A path as it begins, or with every number moved by a normal of deviation `perturbation`.
    init(
        _ specification: PathSpecification, inputs: Int, outputs: Int, index: Int = 1, learningRateScaling: Bool = true,
        perturbation: Float = 0
    ) throws {
        let context = LayerContext(
            inputs: inputs, outputs: outputs, depth: 3, index: index, learningRateScaling: learningRateScaling)
        family = try LayerFamilies.builtin.path(specification, context: context).0
        (self.inputs, self.outputs) = (inputs, outputs)
        var layout = ParameterLayout()
        places = layout.append(family.blocks, prefix: "path", layer: 1)
        parameters = Self.initial(family, places, count: layout.count, perturbation)
        derived = family.makeDerived()
        Self.derive(family, parameters, places, &derived)
    }

    private static func initial(_ family: any PathFamily, _ places: [Range<Int>], count: Int, _ perturbation: Float)
        -> AlignedVector
    {
        var parameters = AlignedVector(count: count)
        var all = parameters.mutableSpan
        let noise = CounterRNG(seed: 8, purpose: "perturb")
        for (block, range) in places.enumerated() {
            var part = all.part(range)
            family.initialise(block: block, generator: CounterRNG(seed: 4, purpose: "init", index: UInt64(block)), into: &part)
            for index in part.indices { part[index] += Float(noise.normal(UInt64(range.lowerBound + index))) * perturbation }
        }
        return parameters
    }

    private static func derive(
        _ family: any PathFamily, _ parameters: AlignedVector, _ places: [Range<Int>], _ derived: inout DerivedValues
    ) {
        family.derive(parameters: parameters.span, at: places, into: &derived)
    }

    /// Replaces the parameters.
    mutating func set(_ change: (inout MutableSpan<Float>) -> Void) {
        do {
            var all = parameters.mutableSpan
            change(&all)
        }
        Self.derive(family, parameters, places, &derived)
    }

    /// The blocks in float64.
    var blocks: [[Double]] { places.map { $0.map { Double(parameters.span[$0]) } } }

    static func random(_ rows: Int, _ columns: Int, _ purpose: String) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var span = matrix.mutableSpan
        CounterRNG(seed: 2, purpose: purpose).fillNormal(&span, standardDeviation: 1)
        return matrix
    }

    /// S(x), and from g = ∂L/∂y the gradients of the blocks in the flat vector and ∂L/∂x.
    func run(_ x: Matrix, gradient g: Matrix) -> (y: Matrix, blocks: AlignedVector, dx: Matrix) {
        var scratch = family.scratchShapes(batch: x.columns).map { Matrix(rows: $0.rows, columns: $0.columns) }
        var (y, dx) = (Matrix(rows: outputs, columns: x.columns), Matrix(rows: inputs, columns: x.columns))
        var gradient = AlignedVector(count: parameters.count)
        do {
            var view = y.mutableView
            family.forward(x.view, parameters: parameters.span, at: places, derived: derived, scratch: &scratch, into: &view)
        }
        do {
            var view = dx.mutableView
            var span = gradient.mutableSpan
            family.backward(
                x.view, gradient: g.view, parameters: parameters.span, at: places, derived: derived, scratch: &scratch,
                blockGradients: &span, into: &view)
        }
        return (y, gradient, dx)
    }

    /// The map as a matrix [outputs, inputs].
    func materialised() -> Matrix {
        var identity = Matrix(rows: inputs, columns: inputs)
        for unit in 0..<inputs { identity[unit, unit] = 1 }
        return run(identity, gradient: Matrix(rows: outputs, columns: inputs)).y
    }

    func certificate() throws -> SpectralBounds {
        try family.certificate(parameters: parameters.span, at: places, derived: derived)
    }

    func analyticSpectrum() -> [Double]? { family.analyticSpectrum(parameters: parameters.span, at: places) }
}
