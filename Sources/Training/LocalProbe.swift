import ExperimentFile
import LinearAlgebra
import ParameterServer
import ShardKernels
import SpectralDiagnostics

/// A probe in one process, without a cluster: the definition of what probe rounds measure, bit for bit.
public struct LocalProbe: ~Copyable {
    private let plan: TrainingPlan
    private var computer: ProbeComputer
    private var shard: ProbeShard

    /// A probe for the plan's network, data and probe batch.
    public init(_ plan: TrainingPlan) {
        self.plan = plan
        computer = ProbeComputer(plan)
        shard = ProbeShard(plan: plan, timeline: Timeline(rawValue: 1))
    }

    /// Measures diagnostics of tier T2 of a version, one after the other.
    ///
    /// - Parameters:
    ///   - hasMoments: false where `state` has the version's parameters alone.
    ///   - measured: called with each, as soon as it is there.
    public mutating func run(
        _ names: [DiagnosticsSpecification.Name], version: Step, state: OptimizerState, hasMoments: Bool = true,
        measured: (DiagnosticsSpecification.Name, [DiagnosticRow]) throws -> Void
    ) rethrows {
        var programme = ProbeProgramme(plan: plan, version: version, names: names, hasMoments: hasMoments)
        var action = programme.start()
        while true {
            switch action {
            case .order(let order): action = programme.receive(answer(to: order, state))
            case .measured(let name, let rows):
                try measured(name, rows)
                action = programme.goOn()
            case .finished:
                var directives: [ProbeShard.Directive] = []
                return _ = shard.carryOut(.end, state: state, into: &directives)
            }
        }
    }

    private mutating func answer(to order: ProbeShardOrder, _ state: OptimizerState) -> ProbeShardReply {
        var directives: [ProbeShard.Directive] = []
        if let reply = shard.carryOut(order, state: state, into: &directives) { return reply }
        guard case .begin(let task) = order else { preconditionFailure("every other order is answered at once") }
        return round(task, state.parameters)
    }

    /// The whole tree, pushed as one node.
    private mutating func round(_ task: ProbeTask, _ parameters: AlignedVector) -> ProbeShardReply {
        let node = plan.tree.root
        let (product, scalars) = computer.evaluate(
            ProbeOrder(round: shard.round, node: node, task: task, vector: shard.published),
            parameters: parameters.span)
        var directives: [ProbeShard.Directive] = []
        func name(_ chunk: ChunkIndex) -> PushName {
            PushName(timeline: shard.timeline, step: shard.round, chunk: chunk, node: node)
        }
        for chunk in plan.chunks.chunks {
            let values = product.span.extracting(product.count == 0 ? 0..<0 : chunk.range)
            unsafe shard.push(name(chunk.index), payload: values.bytes, into: &directives)
        }
        let bits = scalars.map(\.bitPattern.littleEndian)
        for chunk in plan.probeFrames where plan.carriesScalars(chunk) {
            let part = bits.span.extracting(plan.scalars(of: chunk, count: bits.count))
            unsafe shard.push(name(chunk), payload: part.bytes, into: &directives)
        }
        for case .reply(let reply) in directives { return reply }
        preconditionFailure("a whole round is answered")
    }
}
