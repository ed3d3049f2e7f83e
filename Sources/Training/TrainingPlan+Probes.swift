import ExperimentFile
import ParameterServer
import SpectralDiagnostics
import StructuredLayers

extension DiagnosticsSpecification.Name {
    /// The probe that measures it share by share; nil for what is measured otherwise.
    public var networkProbe: (any NetworkProbe)? { NetworkProbes.named(rawValue) }
}

extension TrainingPlan {
    /// The versions that probes may look at.
    public var probes: ProbeSchedule {
        let diagnostics = experiment.diagnostics
        return ProbeSchedule(every: diagnostics.probes.isEmpty ? 0 : diagnostics.probeEvery, last: experiment.training.steps)
    }

    /// Elements of the scalars of a probe round.
    func scalarCount(of task: ProbeTask) -> Int {
        switch task.work {
        case .measure(let name): name.networkProbe?.length(network, examples: experiment.diagnostics.probeExamples) ?? 0
        case .product: 1
        }
    }

    /// Frames of a probe round: a chunk of the vector each, and one or more for the scalars, from the statistics chunk on.
    public var probeFrames: [ChunkIndex] {
        let longest = experiment.diagnostics.probes.map { scalarCount(of: ProbeTask(version: 0, work: .measure($0))) }.max() ?? 1
        let count = chunks.chunks.count + max(1, (longest + scalarsPerFrame - 1) / scalarsPerFrame)
        return (0..<UInt32(count)).map(ChunkIndex.init(rawValue:))
    }

    /// Whether a frame of a probe carries scalars; the first of them carries the task when the round begins.
    public func carriesScalars(_ chunk: ChunkIndex) -> Bool { chunk >= chunks.statistics }

    /// Which of a round's `count` scalars a frame carries; none if the frames before carry all.
    public func scalars(of chunk: ChunkIndex, count: Int) -> Range<Int> {
        let place = Int(chunk.rawValue - chunks.statistics.rawValue)
        return min(count, place * scalarsPerFrame)..<min(count, (place + 1) * scalarsPerFrame)
    }

    /// What a network probe's sums over all shares say.
    public func rows(of name: DiagnosticsSpecification.Name, sums: [Double], parameters: FrozenNetwork) -> [DiagnosticRow] {
        selected(name.networkProbe?.rows(sums, version: parameters, examples: experiment.diagnostics.probeExamples) ?? [])
    }

    /// The rows of layers that the experiment selects, and of the whole network.
    public func selected(_ rows: [DiagnosticRow]) -> [DiagnosticRow] {
        rows.filter { row in row.layer.map { experiment.diagnostics.includes(layer: $0, depth: network.layers.count) } ?? true }
    }

    /// What a first probe is expected to take, in seconds, from what a step takes now; larger than any budget while that is not known.
    public func probeEstimates(stepSeconds: Double?) -> [DiagnosticsSpecification.Name: Double] {
        let (diagnostics, batch) = (experiment.diagnostics, Double(experiment.training.batch))
        var estimates: [DiagnosticsSpecification.Name: Double] = [:]
        for name in diagnostics.probes {
            // A product takes as many operations as six forward passes, exact or of differences.
            let forwards =
                name.networkProbe?.cost(network, examples: diagnostics.probeExamples)
                ?? Double(curvature.reduce(0) { $0 + $1.probes * $1.steps }) * 6 * Double(diagnostics.probeExamples)
            estimates[name] = stepSeconds.map { $0 * forwards / (3 * batch) } ?? .infinity
        }
        return estimates
    }
}
