import ExperimentFile
import StructuredLayers
import Testing

@testable import Training

@Suite("Training plans")
struct TrainingPlanTests {
    static func plan(_ text: String) throws -> TrainingPlan {
        let experiment = try Experiment(yaml: text, source: "test")
        return try TrainingPlan(experiment: experiment, data: try ExperimentData(experiment.data))
    }

    @Test(
        "have every option of the path and the correction written out; their text makes the same plan again",
        arguments: LayerFamilies.builtin.pathNames)
    func resolved(family: String) throws {
        for kind in LayerFamilies.builtin.correctionNames + ["none"] {
            let rank = ["dense", "none"].contains(kind) ? "" : ", rank: 3"
            let plan = try Self.plan(
                """
                data: { source: spirals, points: 60 }
                model: { width: 16, depth: 3, path: { family: \(family) }, correction: { kind: \(kind)\(rank) } }
                training: { batch: 8, partitions: 2 }
                """)
            let (experiment, network) = (plan.experiment, plan.network.specification)
            #expect(experiment.model.path == network.path && experiment.model.correction == network.correction)
            let again = try Self.plan(experiment.resolvedYAML())
            #expect(again.experiment == experiment && again.experiment.resolvedYAML() == experiment.resolvedYAML())
            #expect(again.network.specification == network && again.network.layout.blocks == plan.network.layout.blocks)
        }
    }

    @Test("refuse curvature whose vectors would not fit into half of the memory")
    func memory() throws {
        func reason(_ select: String, _ memory: UInt64) throws -> String? {
            try Self.plan(
                "data: { source: spirals, points: 200 }\nmodel: { width: 64, depth: 4 }\ntraining: { batch: 8 }\n"
                    + "diagnostics: { select: [\(select)], lanczosSteps: 1024, lanczosRuns: 488 }"
            ).reasonAgainstCurvature(memory: memory)
        }
        // 1,005 vectors of some 17,000 elements: 67 MB.
        #expect(try reason("curvature", 200_000_000) == nil)
        let sentence = try #require(try reason("curvature", 100_000_000))
        #expect(sentence.contains("keeps 1005 vectors") && sentence.contains("lower diagnostics.lanczosSteps"), "\(sentence)")
        #expect(try reason("jacobian", 1) == nil)
    }

    @Test("write out options that nobody wrote, and leave out those whose default differs between layers")
    func options() throws {
        func text(_ model: String) throws -> String {
            let plan = try Self.plan("data: { source: spirals, points: 60 }\ntraining: { batch: 8 }\nmodel: { \(model) }")
            return plan.experiment.resolvedYAML()
        }
        let svd = try text("width: 16, path: { family: bounded-svd, sigmaMin: 0.8 }")
        for option in ["mixing: true", "reflectors: 2", "sigmaMin: 0.8", "sigmaMax: 1.6"] {
            #expect(svd.contains("    \(option)\n"), "\(option) is missing in \(svd)")
        }
        let rectangular = try text(
            "width: [16, 16, 36], depth: 2, path: { family: kronecker, columns: 4 }, correction: { kind: none }")
        #expect(rectangular.contains("    columns: 4\n") && !rectangular.contains("rows"), "\(rectangular)")
    }
}
