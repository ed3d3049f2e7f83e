import Foundation
import ParameterServer
import Transport

/// What one side of a measured link asks the other to take part in.
struct LinkOrder: Codable, Hashable, Sendable {
    enum Kind: String, Codable, Sendable {
        /// Send every frame back.
        case echo
        /// Receive frames.
        case take
        /// Send frames.
        case give
        /// Both at once.
        case both
        /// Nothing more.
        case end
    }

    var kind: Kind
    var count = 0
    var frameBytes = 1

    static let countMax = 10_000_000

    var isPossible: Bool { (0...Self.countMax).contains(count) && (1...BareLink.frameBytesMax).contains(frameBytes) }

    var encoded: [UInt8] { (try? JSONEncoder().encode(self)).map(Array.init) ?? [] }

    /// nil for bytes that say nothing of the kind.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= 1024, let order = try? JSONDecoder().decode(LinkOrder.self, from: Data(bytes)), order.isPossible else {
            return nil
        }
        self = order
    }

    init(_ kind: Kind, _ count: Int = 0, frameBytes: Int = 1) {
        (self.kind, self.count, self.frameBytes) = (kind, count, frameBytes)
    }
}

/// The listening side of a measured link: does what it is asked, one peer after the other.
struct LinkServer {
    let link: BareLink
    /// How long a peer that has begun may be silent, and an order may take.
    var limit: Duration

    /// Serves one peer until it is done. Blocking.
    ///
    /// - Throws: `BareLinkError` when nobody comes within `patience`, or the peer falls silent.
    func serve(patience: Duration) throws(BareLinkError) {
        link.forgetPeer()
        var wait = patience
        while true {
            let message = try link.receive(within: wait)
            guard let order = LinkOrder(message) else {
                throw .failed(
                    link.endpoint, reason: "a message of \(message.count) bytes is no order; run the same build on both sides")
            }
            // Not answered: whoever says it may be gone by then, and what is sent before a socket closes may be lost.
            if order.kind == .end { return }
            let (count, bytes) = (order.count, order.frameBytes)
            try link.send(message, within: limit)
            wait = limit
            switch order.kind {
            case .echo: try link.echo(count, frameBytes: bytes, within: limit)
            case .take: try link.exchange(sending: 0, receiving: count, frameBytes: bytes, within: limit)
            case .give: try link.exchange(sending: count, receiving: 0, frameBytes: bytes, within: limit)
            case .both: try link.exchange(sending: count, receiving: count, frameBytes: bytes, within: limit)
            case .end: break
            }
            try link.send(message, within: limit)
        }
    }
}

/// The connecting side of a measured link, which says what is measured.
struct LinkClient {
    let link: BareLink
    /// How long an order may take.
    var limit: Duration

    /// Seconds that frames took from the first until the other side has confirmed the last. Blocking.
    ///
    /// - Throws: `BareLinkError`.
    func seconds(_ kind: LinkOrder.Kind, _ count: Int, frameBytes: Int) throws(BareLinkError) -> Double {
        let order = LinkOrder(kind, count, frameBytes: frameBytes)
        try begin(order)
        let start = ContinuousClock.now
        try link.exchange(
            sending: kind == .give ? 0 : count, receiving: kind == .take ? 0 : count, frameBytes: frameBytes, within: limit)
        _ = try link.receive(within: limit)
        return (ContinuousClock.now - start).inSeconds
    }

    /// Bytes a second, each way where it is both, over about `seconds`. Blocking.
    ///
    /// - Throws: `BareLinkError`.
    func rate(_ kind: LinkOrder.Kind, frameBytes: Int, seconds wanted: Double) throws(BareLinkError) -> Double {
        // Ever more frames, until they take as long as is wanted.
        var count = max(4, (8 << 20) / frameBytes)
        while true {
            let took = try seconds(kind, count, frameBytes: frameBytes)
            if took >= wanted * 0.5 || count >= LinkOrder.countMax { return Double(count * frameBytes) / took }
            count = min(LinkOrder.countMax, max(2 * count, Int(Double(count) * wanted / max(took, 1e-6))))
        }
    }

    /// Seconds of every message's way there and back, one at a time, over about `wanted` seconds. Blocking.
    ///
    /// - Throws: `BareLinkError`.
    func roundTrips(frameBytes: Int, seconds wanted: Double) throws(BareLinkError) -> [Double] {
        let trial = try trips(20, frameBytes)
        let one = max(1e-6, trial[trial.count / 2])
        return try trips(min(LinkOrder.countMax, max(100, Int(wanted / one))), frameBytes)
    }

    private func trips(_ count: Int, _ frameBytes: Int) throws(BareLinkError) -> [Double] {
        try begin(LinkOrder(.echo, count, frameBytes: frameBytes))
        var times: [Double] = []
        times.reserveCapacity(count)
        try link.roundTrips(count, frameBytes: frameBytes, within: limit) { times.append($0.inSeconds) }
        _ = try link.receive(within: limit)
        return times.sorted()
    }

    /// Says that nothing more is wanted.
    func end() throws(BareLinkError) { try link.send(LinkOrder(.end).encoded, within: limit) }

    private func begin(_ order: LinkOrder) throws(BareLinkError) {
        try link.send(order.encoded, within: limit)
        guard LinkOrder(try link.receive(within: limit)) == order else {
            throw .failed(link.endpoint, reason: "the other side answers with something else; run the same build on both sides")
        }
    }
}

/// Two bare links over loopback, each with a context and a thread of its own: what libzmq does alone.
final class LoopbackBaseline {
    private let client: LinkClient
    private let server: ServerThread

    /// Connects both sides; each sends from `sourceBytes` of memory. Blocking, within `limit`, as is every measurement.
    init(sourceBytes: Int, limit: Duration) throws {
        server = try ServerThread(sourceBytes: sourceBytes, limit: limit)
        client = LinkClient(link: try BareLink(.connect(server.endpoint), sourceBytes: sourceBytes), limit: limit)
    }

    /// Bytes a second each way, both ways at once.
    func bytesPerSecond(frameBytes: Int, seconds: Double) throws -> Double {
        try told { try client.rate(.both, frameBytes: frameBytes, seconds: seconds) }
    }

    /// The median of the seconds of a frame's way there and back.
    func roundTrip(frameBytes: Int, seconds: Double) throws -> Double {
        let times = try told { try client.roundTrips(frameBytes: frameBytes, seconds: seconds) }
        return times[times.count / 2]
    }

    /// What ended the other side explains the silence on this one.
    private func told<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch { throw server.failure ?? error }
    }

    /// Ends the other side's thread.
    func stop() throws {
        try client.end()
        try server.join()
    }
}

/// The listening side on a thread of its own.
private final class ServerThread: Sendable {
    let endpoint: Endpoint
    /// What ended the thread, once it has ended: nothing, or an error.
    private let ended: Monitor<Result<Void, any Error>?>
    private let limit: Duration

    init(sourceBytes: Int, limit: Duration) throws {
        let (opened, ended) = (Monitor<Result<Endpoint, any Error>?>(nil), Monitor<Result<Void, any Error>?>(nil))
        let thread = Thread {
            do {
                let link = try BareLink(.listen(.loopback()), sourceBytes: sourceBytes)
                opened.update { $0 = .success(link.endpoint) }
                try LinkServer(link: link, limit: limit).serve(patience: limit)
                ended.update { $0 = .success(()) }
            } catch {
                opened.update { $0 = $0 ?? .failure(error) }
                ended.update { $0 = .failure(error) }
            }
        }
        thread.name = "plumb-libzmq"
        thread.start()
        (self.ended, self.limit) = (ended, limit)
        guard let endpoint = opened.wait(atMost: limit, until: { $0 }) else {
            throw RefusedInput("no thread was started within \(limit)")
        }
        self.endpoint = try endpoint.get()
    }

    /// What ended the thread, if it has ended.
    var failure: (any Error)? {
        guard case .failure(let error) = ended.wait(atMost: .zero, until: { $0 }) else { return nil }
        return error
    }

    func join() throws {
        guard let ending = ended.wait(atMost: limit, until: { $0 }) else {
            throw RefusedInput("the listening side did not end within \(limit)")
        }
        try ending.get()
    }
}
