import LinearAlgebra

/// A map of the network as a matrix; for a path that is not linear, its Jacobian at 0.
public struct MaterialisedMap: Sendable {
    /// 0 the embedding, 1…L the layers, L + 1 the readout.
    public let layer: Int
    public let name: String
    public let matrix: Matrix
}

/// What is proven of one layer.
public struct LayerCertificate: Hashable, Sendable {
    /// Of the singular values of the path, or of its Jacobian anywhere.
    public let path: SpectralBounds
    /// On Lip(scale · clip(cap(correction))), in exact arithmetic: `jacobian` allows for rounding.
    public let correctionUpper: Double
    /// bound/ρ of the correction; nil without a cap.
    public let capUtilisation: Double?
    /// Of the layer's Jacobian anywhere; the lower bound holds without an outer activation only.
    public let jacobian: SpectralBounds
}

/// How much of its caps one layer's correction uses; above 1 a cap is active.
public struct CapUtilisation: Hashable, Sendable {
    /// 1…L.
    public let layer: Int
    /// bound/ρ of the cap; nil without one.
    public let cap: Double?
    /// ‖κ·R(x)‖/ρ′ of the output clip, example by example; empty without one.
    public let outputs: [Double]
}

extension Network {
    /// How much of its caps each layer's correction used in the last forward pass; only layers that have a cap.
    public func capUtilisations(_ workspace: NetworkWorkspace) -> [CapUtilisation] {
        layers.indices.compactMap { index in
            guard let correction = layers[index].correction else { return nil }
            let work = workspace.layers[index]
            let outputs = correction.outputBudget.map { budget in work.correction.norms.map { $0 / budget } }
            let cap = correction.utilisation(work.correctionDerived)
            return cap == nil && outputs == nil ? nil : CapUtilisation(layer: index + 1, cap: cap, outputs: outputs ?? [])
        }
    }

    /// The shapes of what `materialised` gives, in its order. O(L).
    public var mapShapes: [(layer: Int, rows: Int, columns: Int)] {
        let widths = specification.levelWidths
        var shapes = embedding == nil ? [] : [(layer: 0, rows: widths[0], columns: specification.inputs)]
        for (index, layer) in layers.enumerated() { shapes.append((index + 1, layer.outputs, layer.inputs)) }
        shapes.append((layers.count + 1, specification.outputs, widths[layers.count]))
        return shapes
    }

    /// The embedding, every layer's path and the readout as matrices. O(L·n³) at most.
    public func materialised(_ parameters: AlignedVector) -> [MaterialisedMap] {
        let (widths, span) = (specification.levelWidths, parameters.span)
        var maps: [MaterialisedMap] = []
        if let embedding {
            let matrix = Matrix(MatrixView(span.extracting(embedding.weight), rows: widths[0], columns: specification.inputs))
            maps.append(MaterialisedMap(layer: 0, name: "embedding.weight", matrix: matrix))
        }
        for index in layers.indices {
            maps.append(
                MaterialisedMap(layer: index + 1, name: "layers.\(index).path", matrix: materialisedPath(index, parameters)))
        }
        let matrix = Matrix(MatrixView(span.extracting(readout.weight), rows: specification.outputs, columns: widths[layers.count]))
        maps.append(MaterialisedMap(layer: layers.count + 1, name: "readout.weight", matrix: matrix))
        return maps
    }

    /// The Jacobian of a layer's path at 0, [outputs, inputs]: for a linear family the path's matrix.
    public func materialisedPath(_ index: Int, _ parameters: AlignedVector) -> Matrix {
        let layer = layers[index]
        var work = layer.makeWork(batch: layer.inputs)
        layer.derive(parameters.span, places[index], &work)
        var identity = Matrix(rows: layer.inputs, columns: layer.inputs)
        var result = Matrix(rows: layer.outputs, columns: layer.inputs)
        let origin = Matrix(rows: layer.inputs, columns: layer.inputs)
        for unit in 0..<layer.inputs { identity[unit, unit] = 1 }
        do {
            var view = result.mutableView
            layer.path.jvp(
                origin.view, identity.view, parameters: parameters.span, at: places[index].path, derived: work.pathDerived,
                scratch: &work.pathScratch, into: &view)
        }
        return result
    }

    /// What is proven of every layer.
    ///
    /// - Throws: `LAPACKError` when the parameters are not finite.
    public func certificates(_ parameters: AlignedVector) throws(LAPACKError) -> [LayerCertificate] {
        var certificates: [LayerCertificate] = []
        for (layer, places) in zip(layers, places) {
            var work = layer.makeWork(batch: 1)
            layer.derive(parameters.span, places, &work)
            layer.correction?.kind.derive(
                parameters: parameters.span, at: places.correction, into: &work.correctionDerived)
            let path = try layer.path.certificate(parameters: parameters.span, at: places.path, derived: work.pathDerived)
            let upper = layer.correction?.lipschitzBound(parameters.span, places.correction, work.correctionDerived) ?? 0
            let terms = layer.correction?.termSize(parameters.span, places.correction, work.correctionDerived) ?? 0
            let gain = Double(layer.gain)
            let lower = layer.activation == .none ? max(0, gain * path.lower - upper) : 0
            certificates.append(
                LayerCertificate(
                    path: path, correctionUpper: upper, capUtilisation: layer.correction?.utilisation(work.correctionDerived),
                    jacobian: SpectralBounds(lower: lower, upper: gain * path.upper + upper).widened(
                        width: max(layer.inputs, layer.outputs), scale: gain * path.upper + terms)))
        }
        return certificates
    }
}
