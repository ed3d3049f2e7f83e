import LinearAlgebra
import ParameterServer
import Training
import Transport

/// What lanes were told to compute and what they have told of it, until the worker's machine releases it. Belongs to the data loop's thread.
///
/// Every order has a number, which comes back with what is told of it: what was abandoned may have been computed while its version was
/// written over, and is void, however late it comes. A gate serves one arrival of a version: the same version of another timeline gets
/// another.
struct LaneOrders {
    private struct Key: Hashable {
        var step: Step
        var node: TreeNode
    }

    /// What has come of a node so far.
    struct Result {
        fileprivate var order: UInt64
        fileprivate(set) var gradient: FloatMemory?
        fileprivate(set) var scalars: NodeScalars?
    }

    private var results: [Key: Result] = [:]
    private var last: UInt64 = 0
    /// What opens as the incoming version arrives, while a lane computes with it.
    private var gate: ArrivalGate?
    private let changes = Monitor<Void>(())

    /// Takes note of an order to compute; `arriving`, the chunks that are there, when its version is not whole yet.
    mutating func add(_ step: Step, _ node: TreeNode, arriving: Int?) -> (order: UInt64, gate: ArrivalGate?) {
        if let arriving, gate == nil { gate = ArrivalGate(version: step, prefix: arriving, changes: changes) }
        last += 1
        results[Key(step: step, node: node)] = Result(order: last)
        return (last, arriving == nil ? nil : gate)
    }

    /// So many chunks of `version` are there, from the first on.
    func arrived(_ count: Int, of version: Step) {
        if let gate, gate.version == version { gate.open(count) }
    }

    /// A version is whole: its gate stands open, and lanes have it.
    mutating func advanced() {
        gate?.open(.max)
        gate = nil
    }

    /// What was begun of `step` is void.
    mutating func abandon(_ step: Step) {
        endArrival()
        results = results.filter { $0.key.step != step }
    }

    /// What arrives does so no longer; who waits for it is sent away.
    mutating func endArrival() {
        gate?.abandon()
        gate = nil
    }

    /// Keeps a gradient; false when its order is void.
    mutating func told(_ order: UInt64, _ step: Step, _ node: TreeNode, gradient: FloatMemory) -> Bool {
        told(order, Key(step: step, node: node)) { $0.gradient = gradient }
    }

    /// Keeps scalars; false when their order is void.
    mutating func told(_ order: UInt64, _ step: Step, _ node: TreeNode, scalars: NodeScalars) -> Bool {
        told(order, Key(step: step, node: node)) { $0.scalars = scalars }
    }

    private mutating func told(_ order: UInt64, _ key: Key, _ change: (inout Result) -> Void) -> Bool {
        guard var result = results[key], result.order == order else { return false }
        change(&result)
        results[key] = result
        return true
    }

    /// What has come of a node that is not released.
    func result(_ step: Step, _ node: TreeNode) -> Result? { results[Key(step: step, node: node)] }

    mutating func release(_ step: Step, _ node: TreeNode) { results[Key(step: step, node: node)] = nil }
}
