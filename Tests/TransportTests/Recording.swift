import ParameterServer
import Testing
import WireProtocol

@testable import Transport

/// How long a test waits for a condition before it fails.
let patience = Duration.seconds(30)

/// What a recorded loop saw; read by the test's thread.
struct Record: Sendable {
    struct Message: Sendable, Equatable {
        var peer: WorkerID?
        var parts: [[UInt8]]
    }
    var messages: [Message] = []
    var kept: [ReceivedMessage] = []
    var sendErrors: [SendError] = []
    var undelivered: [Int] = []
    var ticks = 0
    var posts = 0
    var threads: Set<UInt> = []
    var events: [String] = []
}

/// What a test asks a recorded loop to do.
enum Command: Sendable {
    case send(to: WorkerID? = nil, header: [UInt8], payload: [UInt8] = [])
    case share(to: WorkerID? = nil, header: [UInt8], buffer: PayloadBuffer, range: Range<Int>)
    case count
    case wait(Monitor<Bool>)
    case end
}

/// Records what happens and sends what it is told to.
struct Recorder: SocketHandler {
    /// How much of what arrives is recorded.
    enum Keeping { case copies, references, nothing }

    let record: Monitor<Record>
    var keeping = Keeping.copies
    var farewell: [(WorkerID?, [UInt8])] = []

    init(_ record: Monitor<Record>, keeping: Keeping = .copies, farewell: [(WorkerID?, [UInt8])] = []) {
        self.record = record
        self.keeping = keeping
        self.farewell = farewell
        note("made")
    }

    func note(_ event: String) {
        record.update { record in
            record.threads.insert(currentThread())
            if record.events.last != event { record.events.append(event) }
        }
    }

    mutating func started(port: inout LoopPort) { note("started") }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        note("received")
        switch keeping {
        case .nothing: break
        case .references: record.update { $0.kept.append(message) }
        case .copies:
            let copy = Record.Message(peer: message.peer, parts: (0..<message.partCount).map { message.bytes(ofPart: $0) })
            record.update { $0.messages.append(copy) }
        }
    }

    mutating func posted(_ post: Command, port: inout LoopPort) {
        note("posted")
        do throws(SendError) {
            switch post {
            case .send(let peer, let header, let payload):
                try port.send(to: peer, header, payload: unsafe payload.span.bytes)
            case .share(let peer, let header, let buffer, let range):
                try port.send(to: peer, header, payload: buffer, range: range)
            case .wait(let gate): _ = gate.wait(atMost: patience) { $0 ? true : nil }
            case .end: port.stop()
            case .count: break
            }
        } catch {
            record.update { $0.sendErrors.append(error) }
        }
        record.update { $0.posts += 1 }
    }

    mutating func ticked(at now: Instant, port: inout LoopPort) {
        record.update { record in
            record.ticks += 1
            record.events.append("ticked")
        }
    }

    mutating func undelivered(_ messages: Int, to peer: WorkerID?, port: inout LoopPort) {
        record.update { $0.undelivered.append(messages) }
    }

    mutating func stopping(port: inout LoopPort) {
        note("stopping")
        for (peer, message) in farewell { try? port.send(to: peer, message) }
    }
}

/// Sends every message back to where it came from.
struct Echo: SocketHandler {
    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        let header = message.bytes(ofPart: 0)
        do throws(SendError) {
            if message.partCount == 1 { return try port.send(to: message.peer, header) }
            let peer = message.peer
            try message.withPart(1) { payload throws(SendError) in try port.send(to: peer, header, payload: payload) }
        } catch {
            Issue.record("the echo failed: \(error)")
        }
    }

    mutating func posted(_ post: Never, port: inout LoopPort) {}
}

typealias RecordedLoop = SocketLoop<Recorder>

/// A recorded router on a port of the system's choice.
func makeRouter(
    _ context: TransportContext, _ record: Monitor<Record>, name: String = "router", limits: SocketLimits = .control,
    keeping: Recorder.Keeping = .copies, port: UInt16 = 0, farewell: [(WorkerID?, [UInt8])] = []
) throws -> RecordedLoop {
    try SocketLoop(name: name, context: context, role: .router(bind: .loopback(port: port)), limits: limits) {
        Recorder(record, keeping: keeping, farewell: farewell)
    }
}

/// A recorded dealer.
func makeDealer(
    _ context: TransportContext, _ record: Monitor<Record>, to endpoint: Endpoint, as worker: WorkerID = worker(1),
    name: String = "dealer",
    limits: SocketLimits = .control, keeping: Recorder.Keeping = .copies, farewell: [(WorkerID?, [UInt8])] = []
) throws -> RecordedLoop {
    try SocketLoop(name: name, context: context, role: .dealer(connect: endpoint, identity: worker), limits: limits) {
        Recorder(record, keeping: keeping, farewell: farewell)
    }
}

/// Workers of tests.
func worker(_ number: UInt64) -> WorkerID { WorkerID(rawValue: 0xA1 << 56 | number) }

/// Waits for `condition` on a record.
func eventually(_ record: Monitor<Record>, _ what: String, _ condition: (Record) -> Bool) throws {
    try #require(record.wait(atMost: patience) { condition($0) ? true : nil } != nil, "awaited for \(patience): \(what)")
}

/// Waits for a condition that nobody announces, without sleeping.
func eventually(_ what: String, _ condition: () -> Bool) throws {
    let deadline = ContinuousClock.now + patience
    while !condition() {
        try #require(ContinuousClock.now < deadline, "awaited for \(patience): \(what)")
        yieldProcessor()
    }
}

/// Bytes that differ with the seed and along the way.
func pattern(_ count: Int, seed: Int) -> [UInt8] {
    var state = UInt32(truncatingIfNeeded: seed) &* 2_654_435_761 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 17
        state ^= state << 5
        return UInt8(truncatingIfNeeded: state)
    }
}
