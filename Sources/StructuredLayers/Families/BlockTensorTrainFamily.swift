import LinearAlgebra

/// A family whose maps are block tensor trains: it reads its options and leaves the rest to the train.
public protocol BlockTensorTrainFamily: PathFamily {
    var train: BlockTensorTrain { get }
}

extension BlockTensorTrainFamily {
    public static var takesRectangular: Bool { true }

    public var blocks: [BlockDeclaration] { train.blocks }

    public func initialise(block: Int, generator: CounterRNG, into values: inout MutableSpan<Float>) {
        train.initialise(block: block, generator: generator, into: &values)
    }

    public func scratchShapes(batch: Int) -> [MatrixShape] { train.scratchShapes(batch: batch) }

    public func forward(
        _ x: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues, scratch: inout [Matrix],
        into y: inout MutableMatrixView
    ) {
        train.forward(x, parameters: parameters, at: at, scratch: &scratch, into: &y)
    }

    public func backward(
        _ x: MatrixView, gradient g: MatrixView, parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues,
        scratch: inout [Matrix], blockGradients: inout MutableSpan<Float>, into dx: inout MutableMatrixView
    ) {
        train.backward(
            x, gradient: g, parameters: parameters, at: at, scratch: &scratch, blockGradients: &blockGradients, into: &dx)
    }

    public func certificate(parameters: Span<Float>, at: [Range<Int>], derived: DerivedValues) throws(LAPACKError) -> SpectralBounds
    {
        try train.certificate(parameters: parameters, at: at)
    }
}
