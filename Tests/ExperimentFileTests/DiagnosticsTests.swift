import Testing

@testable import ExperimentFile

@Suite("Diagnostics in an experiment file")
struct DiagnosticsTests {
    static func read(_ settings: String, training: String = "{}") throws -> DiagnosticsSpecification {
        try Experiment(
            yaml: "model: { depth: 12 }\ntraining: \(training)\ndiagnostics: { \(settings) }", source: "x"
        ).diagnostics
    }

    static func refusal(_ settings: String) -> String { ExperimentTests.refusal("diagnostics: { \(settings) }") }

    @Test("what is left out is the cheap set, all layers, 5 % and no probe rounds")
    func defaults() throws {
        let found = try Self.read("")
        #expect(found.select == [.spectrum, .depthSlope, .noiseScale, .agreement, .caps, .update, .tails, .noiseBulk])
        #expect(found.layers == ["*"] && found.budget == 5 && found.every == 50)
        #expect(found.probeEvery == 0 && found.probeExamples == 64 && found.completeUpTo == 1024)
        #expect(found.isDue(at: 0) && found.isDue(at: 50) && !found.isDue(at: 51))
    }

    @Test("select takes names, ids, patterns and all, in any order and more than once")
    func select() throws {
        #expect(try Self.read("select: [update, D12, spectrum, D8]").select == [.spectrum, .depthSlope, .update])
        #expect(
            try Self.read("select: [D1*]").select
                == [.spectrum, .depthSlope, .noiseScale, .jacobian, .lipschitz, .fixedPoints, .curvature])
        #expect(try Self.read("select: ['*jacobian*']").select == [.jacobian, .layerJacobians])
        #expect(try Self.read("select: D2?").select == [.agreement, .representations, .perturbation, .certifiedRadius, .adjoint])
        #expect(try Self.read("select: all").select == DiagnosticsSpecification.Name.allCases)
        #expect(try Self.read("select: []").select == [] && !Self.read("select: []").isDue(at: 0))
    }

    @Test("every diagnostic of the reference but D21 belongs to one name, and has its tier")
    func ids() {
        let ids = DiagnosticsSpecification.Name.allCases.flatMap(\.ids)
        #expect(Set(ids) == Set((1...26).filter { $0 != 21 }.map { "D\($0)" }) && ids.count == 25)
        #expect(DiagnosticsSpecification.Name.agreement.tier == .onTheStep)
        #expect(DiagnosticsSpecification.Name.tails.tier == .onTheWeights)
        #expect(DiagnosticsSpecification.Name.curvature.tier == .onProbes)
    }

    @Test("probe rounds come as often as the rest once they are selected, unless told otherwise")
    func probes() throws {
        let selected = try Self.read("every: 20, select: [jacobian]")
        #expect(selected.probeEvery == 20 && selected.probes == [.jacobian])
        #expect(!selected.isDue(at: 20), "nothing of tiers T0 and T1 is selected")
        #expect(try Self.read("select: all, probeEvery: 0").probeEvery == 0)
        #expect(try Self.read("", training: "{ batch: 96, partitions: 48 }").probeExamples == 96)
        #expect(try Self.read("probeExamples: 144", training: "{ batch: 96, partitions: 48 }").probeExamples == 144)
    }

    @Test("the budget is a percentage, with or without its sign")
    func budget() throws {
        for (text, percent) in [("5", 5.0), ("5%", 5), ("2.5 %", 2.5), ("0", 0), ("50%", 50)] {
            #expect(try Self.read("budget: \(text)").budget == percent, "\(text)")
        }
        #expect(try Self.read("budget: none").budget == nil)
    }

    @Test("layers are chosen by patterns over their names")
    func layers() throws {
        let some = try Self.read("layers: [embedding, 'layers.1*', readout]")
        let found = (0...13).filter { some.includes(layer: $0, depth: 12) }
        #expect(found == [0, 2, 11, 12, 13], "layers.1, layers.10 and layers.11 are layers 2, 11 and 12")
        #expect((0...13).allSatisfy { (try? Self.read(""))?.includes(layer: $0, depth: 12) == true })
    }

    @Test("all of it survives being written out")
    func roundTrips() throws {
        for settings in [
            "select: all, layers: ['*', 'layers.?'], budget: none", "budget: 2.5%, probeEvery: 7, probeExamples: 4",
            "select: [], every: 0, budget: 0", "select: [jacobian], layers: readout", "completeUpTo: 2048",
        ] {
            let text = "model: { depth: 3 }\ndiagnostics: { \(settings) }\nrecord: { tensorboard: false }"
            let experiment = try Experiment(yaml: text, source: "x")
            #expect(try Experiment(yaml: experiment.resolvedYAML(), source: "y") == experiment, "\(settings)")
            #expect(!experiment.record.tensorboard)
        }
    }

    @Test("refusals say what would do")
    func refusals() {
        #expect(Self.refusal("select: [tail]").contains("diagnostics.select is tail, but it must be a list of: spectrum, "))
        #expect(Self.refusal("select: [tail]").contains("patterns such as D1*; or all (did you mean tails?)"))
        #expect(Self.refusal("select: [D21]").contains("diagnostics.select is D21"))
        #expect(Self.refusal("select: [x*]").contains("diagnostics.select is x*"))
        #expect(
            Self.refusal("layers: [layers.8]").contains(
                "diagnostics.layers is layers.8, but it must name layers of this network: embedding, layers.0 to layers.7, readout")
        )
        #expect(Self.refusal("layers: []").contains("diagnostics.layers is []"))
        #expect(Self.refusal("completeUpTo: 0").contains("diagnostics.completeUpTo is 0"))
        #expect(Self.refusal("layers: [\(String(repeating: "'*',", count: 101))]").contains("at most 100 patterns"))
        for budget in ["-1", "51%", "%", "nan", "much", "5 5"] {
            #expect(
                Self.refusal("budget: '\(budget)'").contains(
                    "diagnostics.budget is \(budget), but it must be a percentage of the wall time from 0 to 50"))
        }
        #expect(
            Self.refusal("probeExamples: 65").contains(
                "diagnostics.probeExamples is 65, but it must be divisible by training.partitions (4); 68 would do"))
        #expect(Self.refusal("probe_every: 5").contains("diagnostics.probe_every is not a known key (did you mean probeEvery?)"))
        #expect(ExperimentTests.refusal("record: { tensorboard: maybe }").contains("record.tensorboard is maybe"))
    }

    @Test("patterns match whole names, with as many stars as one likes")
    func globs() {
        let cases: [(String, String, Bool)] = [
            ("", "", true), ("", "a", false), ("*", "", true), ("**", "ab", true), ("?", "", false), ("a?c", "abc", true),
            ("a*c", "abcbc", true), ("a*b*c", "aXbYbZc", true), ("a*b", "abc", false), ("*a*a*", "a", false), ("a.c", "abc", false),
            ("layers.1*", "layers.10", true), ("layers.1", "layers.10", false),
        ]
        for (pattern, name, fits) in cases { #expect(Glob(pattern).matches(name) == fits, "\(pattern) on \(name)") }
    }
}
