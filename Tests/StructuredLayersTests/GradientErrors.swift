import Foundation
import LinearAlgebra
import Synchronization
import Testing

@testable import StructuredLayers

/// How far three gradients of one block are from each other, ‖difference‖/‖gradient‖: the fast one in float32, the exact one of the
/// float64 twin, and central differences of the twin.
struct BlockErrors: Sendable {
    /// The fast gradient against central differences.
    var fast = 0.0
    /// The fast gradient against the exact one.
    var fastExact = 0.0
    /// The exact gradient against central differences.
    var twin = 0.0

    /// The worse of both, each by itself; a NaN is worst.
    func worst(_ other: BlockErrors) -> BlockErrors {
        func worse(_ a: Double, _ b: Double) -> Double { a.isNaN || a > b ? a : b }
        return BlockErrors(
            fast: worse(fast, other.fast), fastExact: worse(fastExact, other.fastExact), twin: worse(twin, other.twin))
    }

    /// The exact comparison is held tighter: float32 through three layers is a few hundred roundings of 6e-8.
    func check(_ name: String) {
        #expect(fast <= 1e-3, "\(name): float32 against central differences")
        #expect(fastExact <= 1e-4, "\(name): float32 against the exact gradient")
        #expect(twin <= 1e-6, "\(name): the exact gradient against central differences")
    }

    var description: String {
        [fast, fastExact, twin].map { String(format: "%.1e", $0) }.joined(separator: "    ")
    }
}

/// The errors of the blocks of one network, by name.
struct GradientErrors: Sendable {
    private(set) var blocks: [String: BlockErrors] = [:]

    /// Of a network with 6 inputs and 4 outputs.
    init(_ network: Network) throws {
        let parameters = Sample.parameters(network)
        let (fast, loss) = Self.fastGradient(network, parameters)
        let twin = TwinNetwork(network, parameters)
        let exactLoss = twin.loss(Sample.examples, Sample.labels).value
        #expect(abs(loss - exactLoss) < 1e-4 * max(1, exactLoss))
        let exact = twin.gradient(Sample.examples, Sample.labels)
        for block in network.layout.blocks where block.role == .parameter {
            let differences = Self.centralDifferences(twin, block.range)
            let (computed, traced) = (Array(fast[block.range]), Array(exact[block.range]))
            blocks[block.name] = BlockErrors(
                fast: Self.relative(computed, differences), fastExact: Self.relative(computed, traced),
                twin: Self.relative(traced, differences))
        }
    }

    func check() { for (name, errors) in blocks { errors.check(name) } }

    private static func fastGradient(_ network: Network, _ parameters: AlignedVector) -> ([Double], loss: Double) {
        var workspace = network.makeWorkspace(batch: Sample.batch)
        network.derive(parameters.span, into: &workspace)
        var gradient = AlignedVector(count: network.layout.count)
        let outcome: MicrobatchOutcome
        do {
            var span = gradient.mutableSpan
            outcome = network.gradient(
                parameters: parameters.span, inputs: Sample.inputs().view, labels: Sample.labels, into: &span, workspace: &workspace
            )
        }
        return ((0..<gradient.count).map { Double(gradient.span[$0]) }, outcome.lossSum)
    }

    /// With a step h of 1e-5: rounding of the loss, some 1e-15, leaves 1e-10 an element, and the third derivative's share h²/6 is less.
    /// A block of 30 elements that counts as 1e-3 is so known to 6e-7. No sample has a kink (relu, cap, clip) within h of its numbers:
    /// one would show as a large error of the twin, and calls for another seed, not for another limit.
    private static func centralDifferences(_ twin: TwinNetwork, _ range: Range<Int>) -> [Double] {
        var moved = twin
        func loss(_ index: Int, _ step: Double) -> Double {
            moved.parameters[index] = Traced(twin.parameters[index].value + step)
            defer { moved.parameters[index] = twin.parameters[index] }
            return moved.loss(Sample.examples, Sample.labels).value
        }
        return range.map { (loss($0, 1e-5) - loss($0, -1e-5)) / 2e-5 }
    }

    /// ‖a − b‖/‖b‖; a block without influence has no relative error, so that ‖b‖ counts as at least 1e-3.
    private static func relative(_ a: [Double], _ b: [Double]) -> Double {
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        return difference / max(b.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-3)
    }

    private static let measurements = Mutex<[Sample: Task<GradientErrors, any Error>]>([:])

    /// Of a sample, worked out once, whoever asks first.
    static func measured(_ sample: Sample) async throws -> GradientErrors {
        let task = measurements.withLock { measurements in
            if let known = measurements[sample] { return known }
            let task = Task { try GradientErrors(try sample.network()) }
            measurements[sample] = task
            return task
        }
        return try await task.value
    }
}
