import ArgumentParser
import Foundation
import RunStore
import Transport

/// The network between two hosts, as libzmq sees it.
struct BenchLink: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link",
        abstract: "Round trips and bandwidth of libzmq's tcp between two hosts: --listen on one, --connect on the other.",
        discussion: """
            The side that connects measures and prints; the side that listens takes part, and ends with it. What travels is neither \
            encrypted nor checked: it is a measurement, of nobody's data.
            """)

    @Option(help: "HOST:PORT to wait for the other side on; port 0 lets the system choose one, which is printed.")
    var listen: String?

    @Option(help: "The listening side's HOST:PORT.")
    var connect: String?

    @Option(help: "Bytes of a small message. May be repeated; 64 and 4096 by default.")
    var bytes: [Int] = []

    @Option(help: "Measured rounds.") var rounds: Int = 5
    @Option(help: "About how many seconds each measurement takes in a round.") var seconds: Double = 1

    @Option(help: "Seconds to wait for the other side: to come, or to answer.") var patience: Int = 60

    @Flag(help: "Serve one after the other, until interrupted.") var forever = false
    @Flag(help: "Listen where other machines reach this one: on a network that you trust.") var insecure = false
    @Flag(help: "Print one object of JSON.") var json = false

    func validate() throws {
        if (listen == nil) == (connect == nil) {
            throw ValidationError("Say --listen HOST:PORT on one side and --connect HOST:PORT on the other.")
        }
        if listen == nil && (forever || insecure) { throw ValidationError("--forever and --insecure go with --listen.") }
        if listen != nil && (json || !bytes.isEmpty) {
            throw ValidationError("--json and --bytes go with --connect, which measures.")
        }
        if let size = bytes.first(where: { $0 < 1 || $0 > BareLink.frameBytesMax }) {
            throw ValidationError("--bytes is \(size); messages of 1 to \(BareLink.frameBytesMax) bytes can be measured.")
        }
        if rounds < 1 || rounds > 1000 { throw ValidationError("--rounds is \(rounds); 1 to 1000 rounds can be measured.") }
        if !(seconds >= 0.01 && seconds <= 60) {
            throw ValidationError("--seconds is \(seconds); 0.01 to 60 seconds can be measured.")
        }
        if patience < 1 || patience > 86_400 {
            throw ValidationError("--patience is \(patience); 1 to 86400 seconds can be waited.")
        }
    }

    func run() throws {
        if let listen { return try serve(try Endpoint(parsing: listen)) }
        let endpoint = try Endpoint(parsing: connect ?? "")
        let client = LinkClient(link: try BareLink(.connect(endpoint)), limit: limit)
        let result = try LinkBenchmark.measure(
            client, peer: "\(endpoint)", messageBytes: bytes.isEmpty ? [64, 4096] : bytes, rounds: rounds, seconds: seconds)
        if json { print(try SortedJSON.text(result)) } else { result.lines.forEach { print($0) } }
    }

    /// An order takes at most as long as the other side may be silent, and as it is meant to.
    private var limit: Duration { .seconds(Double(patience) + 4 * seconds) }

    private func serve(_ endpoint: Endpoint) throws {
        guard endpoint.isLoopback || insecure else {
            throw RefusedInput(
                "--listen \(endpoint) lets every machine that reaches it take part; say --insecure on a network that you trust")
        }
        let link = try BareLink(.listen(endpoint))
        print("listening on \(link.endpoint)")
        // A pipe's reader is told now, not when its buffer is full.
        fflush(nil)
        // The other side says how long its measurements are, up to a minute.
        let server = LinkServer(link: link, limit: .seconds(patience + 240))
        repeat {
            do { try server.serve(patience: forever ? .seconds(86_400) : .seconds(patience)) } catch {
                guard forever else { throw error }
                FileHandle.standardError.write(Data("\(Invocation.program): \(error)\n".escapedForTerminal.utf8))
            }
        } while forever
    }
}

/// What one run of `bench link` has measured.
struct LinkBenchmark: Encodable, Sendable {
    struct RoundTrip: Encodable, Sendable {
        var bytes: Int
        var medianMicroseconds: Spread
        /// Of a round's messages 99 of 100 took no longer.
        var percentile99Microseconds: Spread
    }

    struct Bandwidth: Encodable, Sendable {
        var direction: String
        /// 10⁹ bytes a second, each way.
        var gigabytesPerSecond: Spread
    }

    var peer: String
    var rounds: Int
    var frameBytes: Int
    var roundTrips: [RoundTrip]
    var bandwidths: [Bandwidth]
    /// The machine's load average of the last minute.
    var loadBefore: String
    var loadAfter: String

    private static let ways: [(LinkOrder.Kind, String)] = [(.take, "there"), (.give, "back"), (.both, "both at once, each way")]

    /// Measures, by turns, and ends the other side. Blocking.
    ///
    /// - Throws: `BareLinkError`.
    static func measure(
        _ client: LinkClient, peer: String, messageBytes: [Int], rounds: Int, seconds: Double
    ) throws(BareLinkError) -> LinkBenchmark {
        let (frameBytes, before) = (1 << 20, MachineLoad.now)
        var (medians, tails) = (messageBytes.map { _ in [Double]() }, messageBytes.map { _ in [Double]() })
        var rates = ways.map { _ in [Double]() }
        for _ in 0..<rounds {
            for (index, bytes) in messageBytes.enumerated() {
                let times = try client.roundTrips(frameBytes: bytes, seconds: seconds)
                medians[index].append(times[times.count / 2] * 1e6)
                tails[index].append(times[min(times.count - 1, times.count * 99 / 100)] * 1e6)
            }
            for (index, way) in ways.enumerated() {
                rates[index].append(try client.rate(way.0, frameBytes: frameBytes, seconds: seconds) * 1e-9)
            }
        }
        try client.end()
        return LinkBenchmark(
            peer: peer, rounds: rounds, frameBytes: frameBytes,
            roundTrips: messageBytes.indices.map {
                RoundTrip(
                    bytes: messageBytes[$0], medianMicroseconds: Spread(medians[$0]), percentile99Microseconds: Spread(tails[$0]))
            },
            bandwidths: ways.indices.map { Bandwidth(direction: ways[$0].1, gigabytesPerSecond: Spread(rates[$0])) },
            loadBefore: before, loadAfter: MachineLoad.now)
    }

    var lines: [String] {
        var trips = TextTable("round trip to \(peer)", "median µs", "least", "most", "99th percentile µs", "least", "most")
        for trip in roundTrips {
            let cells = [trip.medianMicroseconds, trip.percentile99Microseconds].flatMap { [$0.median, $0.least, $0.most] }
            trips.append(["\(Figures.count(Double(trip.bytes))) bytes"] + cells.map { Figures.short($0) })
        }
        var rates = TextTable("messages of 1 MB", "GB/s", "least", "most")
        for way in bandwidths {
            let rate = way.gigabytesPerSecond
            rates.append(way.direction, Figures.short(rate.median), Figures.short(rate.least), Figures.short(rate.most))
        }
        return trips.lines() + rates.lines() + [MachineLoad.sentence(rounds: rounds, before: loadBefore, after: loadAfter)]
    }
}
