import Datasets
import ParameterServer
import ShardKernels
import SpectralDiagnostics
import Testing

@testable import Training

@Suite("Cap utilisation")
struct CapUtilisationTests {
    @Test("every capped layer has its rows, the same from every examiner; a network without caps has none")
    func rows() throws {
        let capped = try ReferenceTrainerTests.plan(["model.correction.outputClip=0.5"])
        var trainer = ReferenceTrainer(capped)
        for _ in 0..<3 { _ = try trainer.takeStep() }
        let parameters = trainer.state.parameters
        var (first, second) = (VersionExaminer(capped), VersionExaminer(capped))
        _ = second.evaluate(parameters, on: capped.data.split.validation)
        let rows = first.capUtilisation(parameters)
        #expect(rows == second.capUtilisation(parameters))
        #expect(
            rows.map { "\($0.layer ?? 0) \($0.quantity)" }
                == (1...3).flatMap {
                    ["\($0) cap_utilisation", "\($0) output_clip_utilisation_mean", "\($0) output_clip_utilisation_max"]
                })
        #expect(rows.allSatisfy { $0.diagnostic == "caps" && ($0.value.number ?? 0) > 0 })
        let free = try ReferenceTrainerTests.plan(["model.correction.cap=none"])
        var examiner = VersionExaminer(free)
        #expect(examiner.capUtilisation(free.initialState().parameters).isEmpty)
        #expect(free.captures.capture(at: 2) != nil)
        let unseen = try ReferenceTrainerTests.plan(["diagnostics.select=[depth-slope]", "training.validateEvery=0"])
        #expect(unseen.captures.capture(at: 2) == nil)
    }
}
