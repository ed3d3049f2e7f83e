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
    /// On Lip(scale · cap(correction)).
    public let correctionUpper: Double
    /// bound/ρ of the correction; nil without a cap.
    public let capUtilisation: Double?
    /// Of the layer's Jacobian anywhere; the lower bound holds without an outer activation only.
    public let jacobian: SpectralBounds
}

extension Network {
    /// The embedding, every layer's path and the readout as matrices. O(L·n³) at most.
    public func materialised(_ parameters: AlignedVector) -> [MaterialisedMap] {
        let (width, span) = (specification.width, parameters.span)
        var maps: [MaterialisedMap] = []
        if let embedding {
            let matrix = Matrix(MatrixView(span.extracting(embedding.weight), rows: width, columns: specification.inputs))
            maps.append(MaterialisedMap(layer: 0, name: "embedding.weight", matrix: matrix))
        }
        for index in layers.indices {
            maps.append(
                MaterialisedMap(layer: index + 1, name: "layers.\(index).path", matrix: materialisedPath(index, parameters)))
        }
        let matrix = Matrix(MatrixView(span.extracting(readout.weight), rows: specification.outputs, columns: width))
        maps.append(MaterialisedMap(layer: layers.count + 1, name: "readout.weight", matrix: matrix))
        return maps
    }

    /// The Jacobian of a layer's path at 0, [n, n]: for a linear family the path's matrix.
    public func materialisedPath(_ index: Int, _ parameters: AlignedVector) -> Matrix {
        let (layer, width) = (layers[index], specification.width)
        var work = layer.makeWork(batch: width)
        layer.derive(parameters.span, places[index], &work)
        var (identity, result) = (Matrix(rows: width, columns: width), Matrix(rows: width, columns: width))
        let origin = result
        for unit in 0..<width { identity[unit, unit] = 1 }
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
            let path = try layer.path.certificate(parameters: parameters.span, at: places.path, derived: work.pathDerived)
            let upper = layer.correction?.lipschitzBound(parameters.span, places.correction, work.correctionDerived) ?? 0
            let lower = layer.activation == .none ? max(0, path.lower - upper) : 0
            certificates.append(
                LayerCertificate(
                    path: path, correctionUpper: upper, capUtilisation: layer.correction?.utilisation(work.correctionDerived),
                    jacobian: SpectralBounds(lower: lower, upper: path.upper + upper).widened(width: specification.width)))
        }
        return certificates
    }
}
