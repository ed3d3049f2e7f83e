import Datasets
import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import StructuredLayers

/// Everything that follows from an experiment and its data, in every process alike: the network, the cuts and the rules of the step.
public struct TrainingPlan: Sendable {
    /// As given, with every option of the path and the correction written out; a plan made from its text is the same plan.
    public let experiment: Experiment
    public let data: ExperimentData
    public let network: Network
    public let blocks: [BlockExtent]
    public let chunks: ChunkPlan
    public let partitions: PartitionPlan
    public let tree: ReductionTree
    public let update: ParameterUpdate
    public let statistics: StatisticsLayout
    /// Scalars of a probe that one frame carries at most.
    let scalarsPerFrame: Int

    /// Works the plan out.
    ///
    /// - Parameter families: what the experiment's path and correction may name; the same in every process of a run.
    /// - Throws: `ExperimentError` when the experiment does not fit the data.
    public init(
        experiment: Experiment, data: ExperimentData, families: LayerFamilies = .builtin,
        chunkLimits: ChunkPlan.Limits = .standard
    ) throws(ExperimentError) {
        self.data = data
        let training = experiment.training
        do {
            network = try Network(experiment.model(inputs: data.train.featureCount, outputs: data.outputs), families: families)
        } catch { throw ExperimentError(source: experiment.name, "\(error)") }
        self.experiment = experiment.resolved(by: network)
        blocks = network.layout.blocks.map(BlockExtent.init)
        do { chunks = try ChunkPlan(blocks: blocks, limits: chunkLimits) } catch {
            throw ExperimentError(source: experiment.name, "\(error)")
        }
        do {
            partitions = try PartitionPlan(
                examples: data.train.count, partitions: training.partitions, batch: training.batch, seed: experiment.seed)
        } catch { throw ExperimentError(source: experiment.name, "\(error)") }
        try Self.requireProbeExamples(experiment, of: data.train.count)
        tree = ReductionTree(partitions: training.partitions)
        update = ParameterUpdate(optimizer: experiment.optimizer, blocks: blocks, batch: training.batch)
        scalarsPerFrame = max(1, chunkLimits.elementsMax / 2)
        statistics = StatisticsLayout(depth: experiment.model.depth)
    }

    /// A probe that evaluated examples twice would state narrower intervals than it has earned.
    private static func requireProbeExamples(_ experiment: Experiment, of count: Int) throws(ExperimentError) {
        let (diagnostics, partitions) = (experiment.diagnostics, experiment.training.partitions)
        let largest = count / partitions * partitions
        guard !diagnostics.probes.isEmpty, diagnostics.probeEvery > 0, diagnostics.probeExamples > largest else { return }
        throw ExperimentError(
            source: experiment.name,
            "diagnostics.probeExamples is \(diagnostics.probeExamples), but there are only \(count) training examples in \(partitions) "
                + "partitions; \(largest) is the most")
    }

    /// B/M, the examples of one microbatch.
    public var microbatch: Int { experiment.training.batch / experiment.training.partitions }

    /// Whether step `t` gathers the per-layer scalars.
    public func gathers(at step: Step) -> Bool {
        experiment.diagnostics.isDue(at: step) && experiment.diagnostics.select.contains { $0.tier == .onTheStep }
    }

    /// Whether the squared norms of step `t`'s gradient are needed.
    public func needsNorms(at step: Step) -> Bool { experiment.training.twoPhase || gathers(at: step) }

    /// The versions whose parameters are validated or examined, or saved.
    public var captures: CaptureSchedule {
        let training = experiment.training
        let (select, every) = (experiment.diagnostics.select, experiment.diagnostics.every)
        return CaptureSchedule(
            parametersEvery: [training.validateEvery, select.contains { $0.tier == .onTheWeights } ? every : 0],
            parametersAfter: select.contains(.update) ? every : 0, completeEvery: training.checkpointEvery, last: training.steps)
    }

    /// Version 0.
    public func initialState() -> OptimizerState {
        OptimizerState(parameters: network.initialParameters(seed: experiment.seed), optimizer: experiment.optimizer)
    }
}

extension BlockExtent {
    /// What the parameter server knows of a block of the layout.
    init(_ block: ParameterBlock) {
        self.init(
            name: block.name, range: block.range, granule: block.granule, layer: block.layer,
            learningRateMultiplier: block.learningRateMultiplier, decays: block.decays, isState: block.role == .state)
    }
}
