import LinearAlgebra
import ParameterServer

/// The flat parameter vector with the optimizer's moments beside it.
public struct OptimizerState: Sendable {
    public var parameters: AlignedVector
    /// Velocity, or first moment.
    public var firstMoment: AlignedVector
    /// Second moment; empty for rules that keep one.
    public var secondMoment: AlignedVector

    /// `parameters` with moments of zero.
    public init(parameters: AlignedVector, optimizer: OptimizerSpecification) {
        self.parameters = parameters
        firstMoment = AlignedVector(count: parameters.count)
        secondMoment = AlignedVector(count: optimizer.moments.count > 1 ? parameters.count : 0)
    }

    /// The moments in the order of `OptimizerSpecification.moments`.
    public var moments: [AlignedVector] { secondMoment.count == 0 ? [firstMoment] : [firstMoment, secondMoment] }

    /// Applies step `step` to one segment; `gradient` is the summed gradient, of the segment's count. O(count), no allocation.
    public mutating func apply(
        _ update: ParameterUpdate, step: Step, clipScale: Double, segment: ChunkPlan.Segment, gradient: Span<Float>
    ) {
        Self.apply(
            update, step: step, clipScale: clipScale, segment: segment, gradient: gradient, &parameters, &firstMoment, &secondMoment
        )
    }

    /// P^(−½) on one chunk, [chunk.range.count]; see `ParameterUpdate`. O(count).
    public func inverseRootPreconditioner(_ update: ParameterUpdate, at version: Step, _ chunk: ChunkPlan.Chunk) -> AlignedVector {
        var result = AlignedVector(count: chunk.range.count)
        var all = result.mutableSpan
        for segment in chunk.segments {
            let start = chunk.range.lowerBound
            var part = all.part(segment.range.lowerBound - start..<segment.range.upperBound - start)
            update.inverseRootPreconditioner(
                at: version, block: segment.block,
                secondMoment: secondMoment.span.extracting(secondMoment.count == 0 ? 0..<0 : segment.range), into: &part)
        }
        return result
    }

    private static func apply(
        _ update: ParameterUpdate, step: Step, clipScale: Double, segment: ChunkPlan.Segment, gradient: Span<Float>,
        _ parameters: inout AlignedVector, _ firstMoment: inout AlignedVector, _ secondMoment: inout AlignedVector
    ) {
        let range = segment.range
        let secondRange = secondMoment.count == 0 ? 0..<0 : range
        var allParameters = parameters.mutableSpan
        var allFirst = firstMoment.mutableSpan
        var allSecond = secondMoment.mutableSpan
        var parameterSpan = allParameters.part(range)
        var first = allFirst.part(range)
        var second = allSecond.part(secondRange)
        update.apply(
            step: step, clipScale: clipScale, block: segment.block, parameters: &parameterSpan, firstMoment: &first,
            secondMoment: &second, gradient: gradient)
    }
}
