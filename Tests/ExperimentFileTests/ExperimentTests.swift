import ExperimentFile
import ParameterServer
import StructuredLayers
import Testing

@Suite("Experiment files")
struct ExperimentTests {
    static func refusal(_ yaml: String, _ overrides: [String] = []) -> String {
        do {
            _ = try Experiment(yaml: yaml, source: "x.yaml", overrides: overrides)
            return "accepted"
        } catch { return error.description }
    }

    @Test("an empty mapping is the default experiment, and the resolved text reads back the same")
    func resolved() throws {
        let experiment = try Experiment(yaml: "name: a", source: "x")
        let again = try Experiment(yaml: experiment.resolvedYAML(), source: "y")
        #expect(again == experiment && again.resolvedYAML() == experiment.resolvedYAML())
        #expect(experiment.training.partitions == 4, "256 examples leave four partitions of 64")
    }

    @Test("every kind of data and optimizer survives being written out")
    func roundTrips() throws {
        for text in [
            "data: { source: idx, images: 'a b.gz', labels: '1' , testImages: c, testLabels: d }",
            "data: { source: csv, file: t.csv, label: '3', header: absent, test: 10, validation: 0.2 }",
            "data: { source: spirals, points: 100, noise: 0 }", "data: { source: synthetic, features: 3 }",
            "optimizer: { kind: adamw, weightDecay: 0.5, schedule: { kind: cosine, final: 0.1, warmUp: 5 } }",
            "optimizer: { kind: sgd, momentum: 0.5 }\ntraining: { clip: none, onNonFinite: continue }",
            "model: { width: [16, 32, 8], depth: 2, correction: { kind: low-rank, scale: 1/L, outputClip: 2 } }",
            "model: { path: { family: dense, init: he }, correction: { kind: none } }\ncluster: { blasCore: Haswell }",
            "cluster: { shardThreads: 8 }",
        ] {
            let experiment = try Experiment(yaml: text, source: "x")
            #expect(try Experiment(yaml: experiment.resolvedYAML(), source: "y") == experiment, "\(text)")
        }
    }

    @Test("--set overrides a setting, deep ones and new ones")
    func overrides() throws {
        let experiment = try Experiment(
            yaml: "training: { steps: 5 }", source: "x",
            overrides: [
                "training.steps=7", "cluster.workers=3", "model.path.family=dense", "diagnostics.select=[spectrum, agreement]",
            ])
        #expect(experiment.training.steps == 7 && experiment.cluster.workers == 3 && experiment.model.path.family == "dense")
        #expect(experiment.diagnostics.select == [.spectrum, .agreement])
    }

    @Test("refusals name the key, the value and what would do")
    func refusals() {
        #expect(Self.refusal("modle: {}").hasPrefix("x.yaml: modle is not a known key (did you mean model?); here one may write: "))
        #expect(Self.refusal("training: { step: 5 }").contains("training.step is not a known key (did you mean steps?)"))
        #expect(
            Self.refusal("training: { batch: 250, partitions: 4 }").contains(
                "training.batch is 250, but it must be divisible by training.partitions (4); 248 or 252 would do"))
        #expect(Self.refusal("training: { steps: many }").contains("training.steps is many, but it must be a whole number"))
        #expect(
            Self.refusal("optimizer: { kind: adma }").contains(
                "optimizer.kind is adma, but it must be one of: sgd, adam, adamw (did you mean adam?)"))
        #expect(Self.refusal("optimizer: { learningRate: -1 }").contains("optimizer.learningRate is -1"))
        #expect(Self.refusal("data: { source: idx }").contains("data.images is missing"))
        #expect(Self.refusal("model: { width: [16, x] }").contains("model.width is 16, x, but it must be a whole number from 1"))
        #expect(Self.refusal("name: ../x").contains("name is ../x"))
        #expect(Self.refusal("diagnostics: { select: [hessian] }").contains("diagnostics.select is hessian"))
        #expect(Self.refusal("training: 5").contains("training is 5, but it must be a section"))
        #expect(Self.refusal("[1, 2]").contains("a mapping of keys to values"))
        #expect(Self.refusal("a: b: c").contains("x.yaml:1:"))
        #expect(Self.refusal("a: &x 1").contains("aliases"))
        #expect(Self.refusal("seed: 1", ["training"]).contains("expected path.to.key=value"))
        #expect(Self.refusal("seed: 1", ["seed.x=1"]).contains("holds a single value"))
        #expect(
            Self.refusal("cluster: { shardThreads: 0 }").contains(
                "cluster.shardThreads is 0, but it must be a whole number from 1 to 64"))
        #expect(Self.refusal("cluster: { shardThreads: 65 }").contains("from 1 to 64"))
        #expect(
            Self.refusal("training: { placement: workers }\ncluster: { shardThreads: 2 }")
                == "x.yaml: cluster.shardThreads is 2, but training.placement is workers, where the coordinator hosts no parameters; "
                + "leave it 1, or set training.placement to coordinator")
        #expect(Self.refusal("cluster: { heartbeatSeconds: 5, livenessSeconds: 6 }").contains("cluster.livenessSeconds is 6.0"))
    }

    @Test("hostile text is refused, not followed")
    func hostile() {
        #expect(Self.refusal(String(repeating: "[", count: 5000)) != "accepted")
        #expect(Self.refusal(String(repeating: "a", count: 2 << 20)).contains("bytes"))
        #expect(Self.refusal("a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]").contains("nested"))
    }
}
