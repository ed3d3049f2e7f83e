import Foundation
import ParameterServer
import Testing

@testable import Transport

/// Rates of this machine; run with `PLUMB_MEASURE=1 swift test -c release -Xswiftc -enable-testing --filter Measurements`.
@Suite("Measurements", .enabled(if: ProcessInfo.processInfo.environment["PLUMB_MEASURE"] != nil), .serialized)
struct Measurements {
    @Test("frames from a dealer to a router, and round trips", arguments: [(1 << 20, 4000), (1 << 18, 8000), (4096, 200_000)])
    func stream(size: Int, count: Int) throws {
        for _ in 0..<3 {
            let seconds = try run(size: size, count: count, window: max(8, min(512, (32 << 20) / size)), every: 4)
            let rate = Double(count) / seconds
            print("\(size) B: \(rate.formatted(.number.precision(.fractionLength(0)))) frames/s, \(rate * Double(size) / 1e9) GB/s")
        }
    }

    @Test("4 KB round trips, one in flight")
    func roundTrip() throws {
        for _ in 0..<5 {
            let seconds = try run(size: 4096, count: 20_000, window: 1, every: 1, echo: true)
            print("4 KB round trip: \(seconds / 20_000 * 1e6) µs")
        }
    }

    private func run(size: Int, count: Int, window: Int, every: Int, echo: Bool = false) throws -> Double {
        let context = try TransportContext()
        let done = Monitor<Duration?>(nil)
        let router = try SocketLoop(name: "sink", context: context, role: .router(bind: .loopback()), limits: .data) {
            Sink(every: every, echo: echo)
        }
        let dealer = try SocketLoop(
            name: "source", context: context, role: .dealer(connect: router.boundEndpoint, identity: worker(1)), limits: .data
        ) { Source(buffer: PayloadBuffer(byteCount: size), count: count, window: window, every: every, done: done) }
        let time = try #require(done.wait(atMost: .seconds(120)) { $0 })
        dealer.stop()
        router.stop()
        try dealer.join(deadline: patience)
        try router.join(deadline: patience)
        try context.close(deadline: patience)
        return Double(time.components.attoseconds) / 1e18 + Double(time.components.seconds)
    }
}

/// Grants credit for every `every` frames, with an empty answer or the frame itself.
private struct Sink: SocketHandler {
    let every: Int
    let echo: Bool
    var count = 0

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        count += 1
        guard count % every == 0, let peer = message.peer else { return }
        do throws(SendError) {
            if echo, message.partCount == 2 {
                try message.withPart(1) { payload throws(SendError) in try port.send(to: peer, [1], payload: payload) }
            } else {
                try port.send(to: peer, [1])
            }
        } catch { Issue.record("\(error)") }
    }

    mutating func posted(_ post: Never, port: inout LoopPort) {}
}

/// Keeps `window` frames in flight and measures from the first answer on.
private struct Source: SocketHandler {
    let buffer: PayloadBuffer
    let count: Int
    let window: Int
    let every: Int
    let done: Monitor<Duration?>
    let header = [UInt8](repeating: 7, count: 64)
    var sent = 0
    var answered = 0
    var start: Instant?

    mutating func started(port: inout LoopPort) { fill(&port) }

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        if start == nil { start = MonotonicClock.now() } else { answered += every }
        if answered >= count, let start {
            let time = MonotonicClock.now() - start
            done.update { $0 = $0 ?? time }
            return
        }
        fill(&port)
    }

    mutating func fill(_ port: inout LoopPort) {
        while sent - answered - (start == nil ? 0 : every) < window {
            do { try port.send(header, payload: buffer, range: 0..<buffer.byteCount) } catch { Issue.record("\(error)"); return }
            sent += 1
        }
    }

    mutating func posted(_ post: Never, port: inout LoopPort) {}
}
