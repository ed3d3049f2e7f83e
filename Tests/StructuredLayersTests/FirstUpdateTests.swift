import LinearAlgebra
import Testing

@testable import StructuredLayers

/// D8 at the start: ‖S(θ − η·m ⊙ sign ∂L/∂θ) − S(θ)‖₂/‖S(θ)‖₂ with the multipliers m of the blocks and η ∝ 1/n, as a dense layer
/// has it.
@Suite("First updates")
struct FirstUpdateTests {
    static func relative(_ path: PathSpecification, width: Int, learningRateScaling: Bool = true) throws -> Double {
        let before = try PathUnderTest(path, inputs: width, outputs: width, learningRateScaling: learningRateScaling)
        let (x, g) = (PathUnderTest.random(width, 32, "x"), PathUnderTest.random(width, 32, "g"))
        let gradient = before.run(x, gradient: g).blocks
        var after = before
        let blocks = before.family.blocks
        after.set { all in
            for (block, range) in before.places.enumerated() {
                let step = 0.05 / Float(width) * blocks[block].learningRateMultiplier
                for index in range where gradient.span[index] != 0 { all[index] -= gradient.span[index] > 0 ? step : -step }
            }
        }
        let (old, new) = (before.materialised(), after.materialised())
        var difference = new
        do {
            var span = difference.mutableSpan
            VectorKernels.subtract(old.span, from: &span)
        }
        return Double(try LAPACK.singularValues(difference.view)[0] / LAPACK.singularValues(old.view)[0])
    }

    @Test(
        "are as large at every width, within a factor of 2",
        arguments: LayerFamilies.builtin.pathNames.filter { $0 != "identity" })
    func widths(family: String) throws {
        let updates = try [64, 256, 1024].map { try Self.relative(PathSpecification(family: family), width: $0) }
        #expect(updates.max()! <= 2 * updates.min()!, "\(updates)")
    }

    @Test("shrink with the width when the multipliers are left out", arguments: ["kronecker", "monarch"])
    func unscaled(family: String) throws {
        let updates = try [64, 1024].map {
            try Self.relative(PathSpecification(family: family), width: $0, learningRateScaling: false)
        }
        #expect(updates[0] > 4 * updates[1], "\(updates)")
    }
}
