/// Which host holds which chunk: a function of the plan and of the hosts in their order.
///
/// Hosts differ in bytes by at most one chunk, and neighbouring chunks lie on different hosts: a backward pass, which finishes the
/// chunks from the last to the first, gives every host its share of work all along.
public struct ShardMap: Hashable, Sendable {
    /// The hosts of parameters, in order; none without a chunk.
    public let hosts: [WorkerID]
    /// By chunk, the statistics' last.
    private let owners: [WorkerID]
    private let statistics: ChunkIndex

    /// Deals the plan's chunks to the hosts; the statistics stay with the coordinator. O(chunks · hosts).
    public init(_ plan: ChunkPlan, hosts: [WorkerID], coordinator: WorkerID = .coordinator) {
        precondition(!hosts.isEmpty, "a map has hosts")
        let able = Array(hosts.prefix(max(1, plan.chunks.count)))
        var elements = Array(repeating: 0, count: able.count)
        var owners: [WorkerID] = []
        for chunk in plan.chunks {
            let lightest = elements.indices.min { (elements[$0], $0) < (elements[$1], $1) } ?? 0
            elements[lightest] += chunk.range.count
            owners.append(able[lightest])
        }
        self.hosts = able
        self.owners = owners + [coordinator]
        statistics = plan.statistics
    }

    /// The host of `chunk`, which is one of the plan's or the statistics. O(1).
    public func host(of chunk: ChunkIndex) -> WorkerID { owners[Int(chunk.rawValue)] }

    /// The chunks that `host` holds, ascending, the statistics included. O(chunks).
    public func chunks(of host: WorkerID) -> [ChunkIndex] {
        owners.indices.filter { owners[$0] == host }.map { ChunkIndex(rawValue: UInt32($0)) }
    }

    /// Everybody who holds something, the coordinator last if it is no host of parameters.
    public var everybody: [WorkerID] {
        let coordinator = owners[Int(statistics.rawValue)]
        return hosts.contains(coordinator) ? hosts : hosts + [coordinator]
    }
}
