import LinearAlgebra
import Synchronization

/// A network at one version, with what depends on its parameters alone worked out: for looking, not for training.
///
/// Maps are counted as everywhere: 0 the embedding, 1…L the layers, L + 1 the readout. Level l is what goes into map l + 1: x₀…x_L.
/// Matrices are [units, batch], feature-major; every column is an example of its own. Calls allocate what they return and their work
/// matrices, change nothing, and run on the calling thread and on one BLAS thread.
public struct FrozenNetwork: Sendable {
    public let network: Network
    public let parameters: AlignedVector
    let works: [StructuredLayer.Work]
    /// Copies share it, for they are of the same parameters.
    let memo = Memo()

    /// What costs too much to be worked out twice.
    final class Memo: Sendable {
        let bounds = Mutex<[Double]?>(nil)
    }

    /// Works out what depends on the parameters alone. They need not be finite.
    public init(_ network: Network, parameters: AlignedVector) {
        precondition(parameters.count == network.layout.count, "parameters in the network's layout")
        self.network = network
        self.parameters = parameters
        works = network.layers.indices.map { index in
            var work = network.layers[index].makeWork(batch: 1)
            network.layers[index].derive(parameters.span, network.places[index], &work)
            return work
        }
    }

    /// L.
    public var depth: Int { network.layers.count }

    /// Units that go into a map.
    public func inputs(of map: Int) -> Int {
        map == 0 ? network.specification.inputs : network.specification.levelWidths[map - 1]
    }

    /// Units that come out of a map.
    public func outputs(of map: Int) -> Int {
        map == depth + 1 ? network.specification.outputs : network.specification.levelWidths[map]
    }

    /// A layer's work for a batch, with its derived values.
    func work(_ layer: Int, batch: Int) -> StructuredLayer.Work {
        var work = network.layers[layer].makeWork(batch: batch)
        work.pathDerived = works[layer].pathDerived
        work.correctionDerived = works[layer].correctionDerived
        return work
    }

    /// What map `map` makes of x [inputs, batch].
    public func output(of map: Int, at x: Matrix) -> Matrix {
        precondition(x.rows == inputs(of: map), "x: [inputs, batch]")
        var y = Matrix(rows: outputs(of: map), columns: x.columns)
        if x.columns == 0 { return y }
        var view = y.mutableView
        if let dense = dense(map) {
            let weight = parameters.span.extracting(dense.weight)
            BLAS.gemm(MatrixView(weight, rows: outputs(of: map), columns: x.rows), x.view, into: &view)
            VectorKernels.addBias(parameters.span.extracting(dense.bias), activation: dense.activation, to: &view)
        } else if map == 0 {
            VectorKernels.copy(x.span, into: &view.elements)
        } else {
            var work = work(map - 1, batch: x.columns)
            network.layers[map - 1].forward(x.view, parameters.span, network.places[map - 1], &work, into: &view)
        }
        return y
    }

    /// What goes into every map and what comes out of the last: the inputs, x₀…x_L and the outputs, L + 3 matrices.
    public func trace(_ inputs: Matrix) -> [Matrix] {
        var values = [inputs]
        for map in 0...depth + 1 { values.append(output(of: map, at: values[map])) }
        return values
    }

    /// The network's outputs, [outputs, batch].
    public func outputs(_ inputs: Matrix) -> Matrix {
        (0...depth + 1).reduce(inputs) { output(of: $1, at: $0) }
    }

    /// The embedding's and the readout's place and activation; nil for a layer and for the identity embedding.
    func dense(_ map: Int) -> (weight: Range<Int>, bias: Range<Int>, activation: Activation)? {
        if map == depth + 1 { return (network.readout.weight, network.readout.bias, .none) }
        guard map == 0, let embedding = network.embedding else { return nil }
        return (embedding.weight, embedding.bias, network.specification.embedding.activation)
    }
}
