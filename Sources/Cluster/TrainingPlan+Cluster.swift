import Crypto
import ExperimentFile
import LinearAlgebra
import ParameterServer
import StructuredLayers
import Training
import Transport
import WireProtocol

extension TrainingPlan {
    /// What the products of this run's shapes give in this process.
    func fingerprint() throws(LAPACKError) -> NumericFingerprint {
        let model = network.specification
        let (widths, b) = (model.levelWidths, microbatch)
        var shapes: [GEMMShape] = []
        for (n, m) in zip(widths, widths.dropFirst()) where !shapes.contains(GEMMShape(m: m, n: b, k: n)) {
            shapes.append(GEMMShape(m: m, n: b, k: n))
        }
        shapes.append(GEMMShape(m: widths[0], n: b, k: model.inputs))
        shapes.append(GEMMShape(m: model.outputs, n: b, k: widths[model.depth]))
        return try NumericFingerprint.measure(shapes: shapes)
    }

    /// Tells apart layouts: names, shapes and places of all blocks, the cut into chunks, and the numbers that probes' tasks go by.
    var layoutDigest: String {
        var hash = SHA256()
        for block in network.layout.blocks { hash.update(data: Array("\(block.name) \(block.shape) \(block.range);".utf8)) }
        for chunk in chunks.chunks { hash.update(data: Array("\(chunk.range);".utf8)) }
        hash.update(data: Array(ProbeTask.vocabulary.joined(separator: ";").utf8))
        return hash.finalize().prefix(16).map { String($0, radix: 16) }.joined(separator: "-")
    }

    /// Which of the coordinator's threads hosts which chunk; nil where workers do.
    var coordinatorMap: ShardMap? {
        guard experiment.training.placement == .coordinator else { return nil }
        return ShardMap(chunks, hosts: WorkerID.coordinators(experiment.cluster.shardThreads))
    }

    /// The coordinator's peers in the exchange, each with a data socket of its own.
    var coordinators: [WorkerID] { coordinatorMap?.hosts ?? [.coordinator] }

    /// A peer may be sent a version and pushes of every partition before it reads: nothing more is ever in flight.
    var dataLimits: SocketLimits {
        var limits = SocketLimits.data
        limits.pendingBytesMax = max(limits.pendingBytesMax, 4 * chunks.elements * 4 + (1 << 20))
        limits.inboxCapacity = 1 << 16
        return limits
    }
}
