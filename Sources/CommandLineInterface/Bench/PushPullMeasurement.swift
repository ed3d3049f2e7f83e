import Cluster
import ParameterServer
import Training

/// What one row of `bench pushpull` has measured.
struct PushPullMeasurement: Encodable, Sendable {
    var size: String
    var title: String
    /// A step's, each way.
    var bytes: Int
    var blocks: Int
    /// Frames of parameters in a step, each way.
    var chunks: Int
    /// 10⁹ bytes a second each way.
    var gigabytesPerSecond: Spread
    /// Of libzmq alone, both ways at once.
    var libzmqGigabytesPerSecond: Spread
    var blocksPerSecond: Spread
    var stepMicroseconds: Spread
    /// Of one block there and back by libzmq alone; only where one is in flight.
    var libzmqRoundTripMicroseconds: Spread?
    /// The exchange's rate over that of libzmq alone in the same round; where one block is in flight, its time over the round trip's.
    var ratio: Spread

    /// Measures by turns. Blocking.
    ///
    /// - Throws: what the exchange, or libzmq, throws; both within deadlines.
    static func run(_ model: PushPullModel, rounds: Int, seconds: Double) throws -> PushPullMeasurement {
        let exchange = try PushPullExchange(plan: try model.plan())
        let outcome = Result { try measure(model, exchange, rounds, seconds) }
        let stopped = Result { try exchange.stop() }
        let measurement = try outcome.get()
        try stopped.get()
        return measurement
    }

    private static func measure(
        _ model: PushPullModel, _ exchange: PushPullExchange, _ rounds: Int, _ seconds: Double
    ) throws -> PushPullMeasurement {
        let isAlone = model == .one4KB
        // The first steps pay for fresh pages; the last of these says how long one takes.
        let limit = Duration.seconds(60 + 20 * seconds)
        let libzmq = try LoopbackBaseline(sourceBytes: exchange.parameterBytes, limit: limit)
        _ = try exchange.run(steps: 3, within: limit)
        let trial = try exchange.run(steps: isAlone ? 200 : 2, within: limit) / (isAlone ? 200 : 2)
        let steps = max(1, Int(seconds / max(1e-6, trial.inSeconds)))
        var (times, rates, trips) = ([Double](), [Double](), [Double]())
        for round in 0...rounds {
            let step = try exchange.run(steps: steps, within: limit).inSeconds / Double(steps)
            let rate = isAlone ? 0 : try libzmq.bytesPerSecond(frameBytes: model.frameBytes, seconds: seconds)
            let trip = isAlone ? try libzmq.roundTrip(frameBytes: model.frameBytes, seconds: seconds) : 0
            // The first round warms up.
            guard round > 0 else { continue }
            times.append(step)
            rates.append(isAlone ? Double(model.frameBytes) / trip : rate)
            trips.append(trip)
        }
        try libzmq.stop()
        let (bytes, blocks) = (Double(exchange.parameterBytes), Double(model.tensors))
        return PushPullMeasurement(
            size: model.rawValue, title: model.title, bytes: exchange.parameterBytes, blocks: model.tensors,
            chunks: exchange.chunkCount, gigabytesPerSecond: Spread(times.map { bytes / $0 * 1e-9 }),
            libzmqGigabytesPerSecond: Spread(rates.map { $0 * 1e-9 }), blocksPerSecond: Spread(times.map { blocks / $0 }),
            stepMicroseconds: Spread(times.map { $0 * 1e6 }),
            libzmqRoundTripMicroseconds: isAlone ? Spread(trips.map { $0 * 1e6 }) : nil,
            ratio: Spread(zip(times, isAlone ? trips : rates).map { isAlone ? $0 / $1 : bytes / $0 / $1 }))
    }
}

/// What one run of `bench pushpull` has measured.
struct PushPullBenchmark: Encodable, Sendable {
    var rounds: Int
    var rows: [PushPullMeasurement]
    /// The machine's load average of the last minute.
    var loadBefore: String
    var loadAfter: String

    var lines: [String] {
        var rates = TextTable(
            "push and pull, each way", "GB/s", "least", "most", "libzmq alone", "ratio", "least", "most", "blocks/s")
        var times = TextTable(
            "push and pull, there and back", "µs", "least", "most", "libzmq alone", "ratio", "least", "most", "blocks/s")
        for row in rows {
            let (own, other) =
                row.libzmqRoundTripMicroseconds.map { (row.stepMicroseconds, $0) }
                ?? (row.gigabytesPerSecond, row.libzmqGigabytesPerSecond)
            let cells =
                [row.title] + [own.median, own.least, own.most, other.median].map { Figures.short($0) }
                + [row.ratio.median, row.ratio.least, row.ratio.most].map { Figures.brief($0) }
                + [Figures.count(row.blocksPerSecond.median)]
            if row.libzmqRoundTripMicroseconds == nil { rates.append(cells) } else { times.append(cells) }
        }
        let alone = rows.contains { $0.libzmqRoundTripMicroseconds != nil }
        let both = rows.contains { $0.libzmqRoundTripMicroseconds == nil }
        return (both ? rates.lines() : []) + (alone ? times.lines() : [])
            + [MachineLoad.sentence(rounds: rounds, before: loadBefore, after: loadAfter)]
    }
}
