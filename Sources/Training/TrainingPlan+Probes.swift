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

    /// The budget of a run that has had `past` before.
    public func diagnosticsBudget(after past: DiagnosticsBudget.Past) -> DiagnosticsBudget {
        let diagnostics = experiment.diagnostics
        let hasTails = diagnostics.select.contains(.tails)
        // The bulk is had with the tails.
        let names = diagnostics.select.filter {
            $0.tier != .onTheStep && diagnostics.interval(of: $0) > 0 && !($0 == .noiseBulk && hasTails)
        }
        return DiagnosticsBudget(share: (diagnostics.budget ?? .infinity) / 100, names: names, past: past)
    }

    /// Why curvature cannot be examined with so many bytes of memory: its vectors may take half of them. Nil where it can.
    public func reasonAgainstCurvature(memory: UInt64) -> String? {
        guard experiment.diagnostics.select.contains(.curvature) else { return nil }
        let vectors = curvature.map { KrylovShard.vectors(steps: $0.steps, runs: $0.probes) }.max() ?? 0
        let bytes = 4 * Double(vectors) * Double(network.layout.parameterCount)
        if bytes <= Double(memory) / 2 { return nil }
        func gigabytes(_ bytes: Double) -> Double { (bytes / 1e8).rounded() / 10 }
        return
            "diagnostics.select has curvature, which keeps \(vectors) vectors of all parameters, \(gigabytes(bytes)) GB, and there "
            + "are \(gigabytes(Double(memory))) GB of memory; lower diagnostics.lanczosSteps and lanczosRuns, or leave curvature out"
    }

    /// What a first probe is expected to take, in seconds: from what a step takes now, or from its operations before the first one.
    public func probeEstimates(stepSeconds: Double?) -> [DiagnosticsSpecification.Name: Double] {
        let (diagnostics, batch) = (experiment.diagnostics, Double(experiment.training.batch))
        let size = Double(network.layout.parameterCount)
        let forward = stepSeconds.map { $0 / (3 * batch) } ?? 2 * size / Self.operationsPerSecond
        var estimates: [DiagnosticsSpecification.Name: Double] = [:]
        for name in diagnostics.probes {
            if let probe = name.networkProbe {
                let apart = probe.reductionOperations(network, examples: diagnostics.probeExamples) / Self.operationsPerSecond
                estimates[name] = forward * probe.cost(network, examples: diagnostics.probeExamples) + apart
            } else {
                // A product takes as many operations as six forward passes, exact or of differences; and a vector's way there and back,
                // with the basis made orthogonal on the way.
                let products = Double(curvature.reduce(0) { $0 + $1.probes * $1.steps })
                estimates[name] = products * (6 * Double(diagnostics.probeExamples) * forward + Self.secondsPerElement * size)
            }
        }
        return estimates
    }

    /// Of a product's vector; as a width of 512 and a depth of 32 take with two workers on one machine.
    private static let secondsPerElement = 2e-8
}
