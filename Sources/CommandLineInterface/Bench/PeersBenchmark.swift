/// What one run of `bench peers` has measured.
struct PeersBenchmark: Encodable, Sendable {
    var rounds: Int
    /// About what each took in a round.
    var seconds: Double
    var configs: [PeersMeasurement]
    /// The machine's load average of the last minute.
    var loadBefore: String
    var loadAfter: String

    /// The line below the tables.
    var conditions: String {
        MachineLoad.sentence(
            rounds: rounds, before: loadBefore, after: loadAfter, "about \(Figures.short(seconds)) s each, ratios by round, ")
    }
}

/// Everybody's rates on one network.
struct PeersMeasurement: Encodable, Sendable {
    /// Of plumb in one way, or of a peer.
    struct Row: Encodable, Sendable {
        var name: String
        var isPeer: Bool
        var samplesPerSecond: Spread
        /// Of plumb's rate over a peer's in the same round, by peer.
        var ratios: [String: Spread]
    }

    var config: String
    /// Plumb's ways, then the peers.
    var rows: [Row]
    private let peers: [String]

    private enum CodingKeys: CodingKey { case config, rows }

    /// From rates by name and round, a rate for every way and peer.
    init(_ rates: PeerRates, ways: [TrainingWay], peers: [Peer]) {
        config = rates.config
        self.peers = peers.map(\.rawValue)
        func of(_ name: String) -> [Double] { rates.samplesPerSecond[name] ?? [] }
        rows = ways.map { way in
            let own = of(way.rawValue)
            let ratios = peers.map { peer in (peer.rawValue, Spread(zip(own, of(peer.words)).map { $0 / $1 })) }
            return Row(
                name: way.rawValue, isPeer: false, samplesPerSecond: Spread(own),
                ratios: Dictionary(ratios, uniquingKeysWith: { first, _ in first }))
        }
        rows += peers.map { Row(name: $0.rawValue, isPeer: true, samplesPerSecond: Spread(of($0.words)), ratios: [:]) }
    }

    var lines: [String] {
        var table = TextTable(header: [config, "samples/s", "least", "most"] + peers.map { "× \($0)" })
        for row in rows {
            let rate = row.samplesPerSecond
            table.append(
                [row.isPeer ? row.name : "plumb \(row.name)"] + [rate.median, rate.least, rate.most].map(Figures.count)
                    + peers.map { peer in
                        row.ratios[peer].map {
                            "\(Figures.short($0.median)) (\(Figures.short($0.least))–\(Figures.short($0.most)))"
                        } ?? ""
                    })
        }
        return table.lines()
    }
}
