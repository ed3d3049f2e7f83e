import LinearAlgebra
import ParameterServer

/// Two neighbouring versions of the flat parameter vector: the one in use and the one that comes to be, by the parity of their numbers.
///
/// A chunk's elements of version `t` may be written over by version `t + 2` once that exists; by then every gradient of `t + 1` was
/// there, so nobody needs version `t` any more.
public struct ParameterVersions: Sendable {
    private let even: FloatMemory
    private let odd: FloatMemory

    /// Zeros of `count` elements each.
    public init(count: Int) { (even, odd) = (FloatMemory(count: count), FloatMemory(count: count)) }

    /// Versions in memories of one size.
    public init(even: FloatMemory, odd: FloatMemory) {
        precondition(even.count == odd.count, "two versions of one vector")
        (self.even, self.odd) = (even, odd)
    }

    public var count: Int { even.count }

    /// Where `version` lies.
    public subscript(version: Step) -> FloatMemory { version.isMultiple(of: 2) ? even : odd }
}
