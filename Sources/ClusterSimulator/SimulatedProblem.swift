import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import SpectralDiagnostics
import StructuredLayers
import Training

/// What a simulated cluster trains, and every right answer on the way.
public struct SimulatedProblem: Sendable {
    public let plan: TrainingPlan
    /// The state before step t, t = 0 … steps.
    let states: [OptimizerState]
    /// The squared norms of each step's segments, where they are needed.
    let norms: [[Double]]
    /// The reduced scalars of each step.
    let scalars: [[Double]]
    /// What probes measure of each version that is due, by one process.
    let probed: [Step: [DiagnosticsSpecification.Name: [DiagnosticRow]]]

    /// A network of a few hundred parameters in several chunks, on two spirals; `path` is the section of that name, as YAML;
    /// `probes` has versions probed on the way.
    ///
    /// - Throws: `ExperimentError`, `TrainingError` or `DatasetError` when the tiny experiment is none.
    public init(
        partitions: Int, clips: Bool, probes: Bool = false, steps: Int = 10,
        path: String = "{ family: householder, reflectors: 2 }",
        families: LayerFamilies = .builtin
    ) throws {
        let yaml = """
            name: simulated
            data: { source: spirals, points: 60, turns: 1, noise: 0.05 }
            model:
              width: 4
              depth: 2
              path: \(path)
              correction: { kind: bottleneck, rank: 2, activation: tanh }
            optimizer: { kind: adam, learningRate: 0.01 }
            training:
              batch: \(partitions * 2)
              partitions: \(partitions)
              steps: \(steps)
              validateEvery: 0
              checkpointEvery: 3
              keepCheckpoints: 2
              onNonFinite: continue\(clips ? "\n  clip: 0.5" : "")
            diagnostics:
              every: 3
              select: [noise-scale, update, jacobian, curvature]
              probeEvery: \(probes ? 4 : 0)
              probeExamples: \(partitions)
              budget: none
              lanczosRuns: 1
              lanczosSteps: 2
            cluster: { workers: 1 }
            """
        let experiment = try Experiment(yaml: yaml, source: "the simulated experiment")
        plan = try TrainingPlan(
            experiment: experiment, data: try ExperimentData(experiment.data), families: families,
            chunkLimits: .init(elementsMax: 24, elementsGood: 12))
        var trainer = ReferenceTrainer(plan)
        var computer = MicrobatchComputer(plan)
        var (states, scalars, norms) = ([trainer.state], [[Double]](), [[Double]]())
        for step in 0..<Step(steps) {
            let (gradient, sums) = computer.gradient(of: plan.tree.root, step: step, parameters: trainer.state.parameters.span)
            scalars.append(sums.values)
            norms.append(plan.needsNorms(at: step) ? Self.squaredNorms(of: gradient, plan) : [])
            _ = try trainer.takeStep()
            states.append(trainer.state)
        }
        (self.states, self.scalars, self.norms) = (states, scalars, norms)
        var probe = LocalProbe(plan)
        var probed: [Step: [DiagnosticsSpecification.Name: [DiagnosticRow]]] = [:]
        for version in 0...Step(steps) where plan.probes.isDue(at: version) {
            probe.run(plan.experiment.diagnostics.probes, version: version, state: states[Int(version)]) {
                probed[version, default: [:]][$0] = $1
            }
        }
        self.probed = probed
    }

    private static func squaredNorms(of gradient: FloatMemory, _ plan: TrainingPlan) -> [Double] {
        plan.chunks.chunks.flatMap(\.segments).map { plan.update.squaredNorm(block: $0.block, gradient: gradient.floats($0.range)) }
    }

    /// One for the Jacobian and one for each product with the five matrices of the curvature; at most one version a step is probed.
    static let roundsPerProbe = 11

    var steps: Step { plan.experiment.training.steps }
}
