import LinearAlgebra
import ParameterServer
import Testing
import Training

@testable import Cluster

@Suite("What lanes are told to compute")
struct LaneOrdersTests {
    private static let node = TreeNode(0, 1)
    private static let gradient = FloatMemory(count: 4)

    @Test("what is told of an abandoned order is void, also after the same node of the same step is ordered again")
    func numbers() {
        var orders = LaneOrders()
        let first = orders.add(3, Self.node, arriving: 1)
        let isTaken = orders.told(first.order, 3, Self.node, gradient: Self.gradient)
        orders.abandon(3)
        #expect(isTaken && first.gate?.isAbandoned == true && orders.result(3, Self.node) == nil)
        let isLateTaken = orders.told(first.order, 3, Self.node, scalars: NodeScalars([1]))
        #expect(!isLateTaken)
        let second = orders.add(3, Self.node, arriving: 2)
        #expect(second.order != first.order && second.gate !== first.gate && second.gate?.isAbandoned == false)
        let isOldTaken = orders.told(first.order, 3, Self.node, gradient: Self.gradient)
        #expect(!isOldTaken && orders.result(3, Self.node)?.gradient == nil)
        let isNewTaken = orders.told(second.order, 3, Self.node, scalars: NodeScalars([2]))
        #expect(isNewTaken && orders.result(3, Self.node)?.scalars?.values == [2])
        orders.release(3, Self.node)
        let isReleasedTaken = orders.told(second.order, 3, Self.node, scalars: NodeScalars([2]))
        #expect(!isReleasedTaken && orders.result(3, Self.node) == nil)
    }

    @Test("a gate that a whole version has opened does not let anybody read the same version of another timeline")
    func gates() throws {
        var orders = LaneOrders()
        let before = orders.add(21, Self.node, arriving: 1).gate
        let beside = orders.add(21, TreeNode(1, 2), arriving: 1).gate
        #expect(beside === before, "one arrival, one gate")
        orders.advanced()
        #expect(try before?.wait(for: 1000) { false } == .zero, "it stands open for those who have it")
        orders.endArrival()
        #expect(before?.isAbandoned == false, "what was whole is computed to its end")
        let added = orders.add(21, Self.node, arriving: 1)
        let after = try #require(added.gate)
        #expect(after !== before)
        #expect(throws: ArrivalGate.Abandoned.self) { _ = try after.wait(for: 2) { false } }
        orders.arrived(2, of: 22)
        #expect(throws: ArrivalGate.Abandoned.self) { _ = try after.wait(for: 2) { false } }
        orders.arrived(2, of: 21)
        #expect(try after.wait(for: 2) { false } == .zero)
    }

    @Test("a version that is whole is computed without a gate")
    func whole() {
        var orders = LaneOrders()
        let at4 = orders.add(4, Self.node, arriving: nil)
        #expect(at4.gate == nil)
        let ahead = orders.add(5, Self.node, arriving: 1)
        orders.abandon(5)
        #expect(ahead.gate?.isAbandoned == true && orders.result(4, Self.node) != nil, "and is no part of what is abandoned")
    }
}
