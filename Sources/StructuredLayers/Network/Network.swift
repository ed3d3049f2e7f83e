import LinearAlgebra

/// L structured layers between an embedding and a readout; a value without numbers.
///
/// Parameters live in one flat vector, whose blocks `layout` names. Calls run on the calling thread and on one BLAS thread.
public struct Network: Sendable {
    /// As given, with every option of the path and the correction written out.
    public let specification: NetworkSpecification
    public let layout: ParameterLayout
    public let layers: [StructuredLayer]
    let places: [StructuredLayer.Places]
    let embedding: (weight: Range<Int>, bias: Range<Int>)?
    let readout: (weight: Range<Int>, bias: Range<Int>)

    /// Builds the network.
    ///
    /// - Throws: `SpecificationError` with the key, the value and what is allowed.
    public init(_ specification: NetworkSpecification, families: LayerFamilies = .builtin) throws(SpecificationError) {
        try specification.refuseImpossibleSizes()
        var (resolved, layout, layers, places) = (specification, ParameterLayout(), [StructuredLayer](), [StructuredLayer.Places]())
        let (widths, depth) = (specification.levelWidths, specification.depth)
        embedding = Self.appendDense(
            specification.embedding.kind == .dense, rows: widths[0], columns: specification.inputs, "embedding", layer: 0,
            to: &layout)
        for index in 0..<depth {
            let context = LayerContext(
                inputs: widths[index], outputs: widths[index + 1], depth: depth, index: index,
                learningRateScaling: specification.learningRateScaling)
            let (path, pathOptions) = try families.path(specification.path, context: context)
            let (correction, correctionOptions) = try families.correction(specification.correction, context: context)
            let layer = StructuredLayer(
                inputs: widths[index], outputs: widths[index + 1], path: path, correction: correction,
                activation: specification.activation, hasBias: specification.bias)
            let (blocks, prefix) = (layer.blocks, "layers.\(index)")
            places.append(
                StructuredLayer.Places(
                    path: layout.append(blocks.path, prefix: prefix, layer: index + 1),
                    correction: layout.append(blocks.correction, prefix: prefix, layer: index + 1),
                    bias: layout.append(blocks.bias, prefix: prefix, layer: index + 1).first))
            layers.append(layer)
            // A default that depends on a layer's shape is no default of the network.
            let isFirst = index == 0
            resolved.path.options = pathOptions.resolved.filter { isFirst || resolved.path.options[$0.key] == $0.value }
            resolved.correction.options = correctionOptions.resolved.filter {
                isFirst || resolved.correction.options[$0.key] == $0.value
            }
        }
        guard
            let readout = Self.appendDense(
                true, rows: specification.outputs, columns: widths[depth], "readout", layer: depth + 1, to: &layout)
        else { preconditionFailure("a readout was asked for") }
        (self.specification, self.layout, self.layers, self.places, self.readout) = (resolved, layout, layers, places, readout)
    }

    private static func appendDense(
        _ wanted: Bool, rows: Int, columns: Int, _ name: String, layer: Int, to layout: inout ParameterLayout
    )
        -> (weight: Range<Int>, bias: Range<Int>)?
    {
        guard wanted else { return nil }
        let blocks = [BlockDeclaration("weight", shape: [rows, columns]), BlockDeclaration("bias", shape: [rows], decays: false)]
        let ranges = layout.append(blocks, prefix: name, layer: layer)
        return (ranges[0], ranges[1])
    }

    /// The parameters of a new network: each block from a stream of its own. O(count).
    public func initialParameters(seed: UInt64) -> AlignedVector {
        var parameters = AlignedVector(count: layout.count)
        var all = parameters.mutableSpan
        func generator(_ range: Range<Int>) -> CounterRNG {
            CounterRNG(seed: seed, purpose: "init", index: UInt64(range.lowerBound))
        }
        if let embedding {
            var part = all.part(embedding.weight)
            let variance = (specification.embedding.activation == .relu ? 2.0 : 1.0) / Double(specification.inputs)
            generator(embedding.weight).fillNormal(
                &part, standardDeviation: Float(variance.squareRoot() * specification.embedding.scale))
        }
        for (layer, place) in zip(layers, places) {
            for (block, range) in place.path.enumerated() {
                var part = all.part(range)
                layer.path.initialise(block: block, generator: generator(range), into: &part)
            }
            guard let correction = layer.correction else { continue }
            for (block, range) in place.correction.enumerated() {
                var part = all.part(range)
                correction.initialise(block: block, generator: generator(range), into: &part)
            }
        }
        var part = all.part(readout.weight)
        generator(readout.weight).fillNormal(
            &part, standardDeviation: Float((1 / Double(specification.levelWidths[layers.count])).squareRoot()))
        settleStates(&all)
        return parameters
    }

    /// Brings every block of state nearer to where it would come to rest if the parameters stayed as they are.
    func settleStates(_ parameters: inout MutableSpan<Float>) {
        for (layer, place) in zip(layers, places) { layer.path.settleState(at: place.path, in: &parameters) }
    }

    /// Buffers for batches of `batch` examples.
    public func makeWorkspace(batch: Int) -> NetworkWorkspace { NetworkWorkspace(self, batch: batch) }

    /// Works out what depends on the parameters alone: once per version and workspace, before anything else is called with it.
    public func derive(_ parameters: Span<Float>, into workspace: inout NetworkWorkspace) {
        for index in layers.indices { layers[index].derive(parameters, places[index], &workspace.layers[index]) }
    }
}
