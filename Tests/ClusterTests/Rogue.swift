import Foundation
import LinearAlgebra
import ParameterServer
import Synchronization
import Transport
import WireProtocol

/// A peer that speaks ZeroMQ well and everything else badly: what a program of somebody else's, or an enemy, may send.
struct Rogue {
    private let identity = WorkerID(rawValue: 0x6666_0000_0000_0001)
    private var random = SystemRandomNumberGenerator()

    /// Hellos that no worker says, and bytes of all lengths, over the control socket. Returns where the data socket listens, which a
    /// coordinator tells whoever says hello well.
    mutating func harass(control endpoint: Endpoint) throws -> Endpoint? {
        let hello = ControlMessage.Hello(
            build: "rogue", name: "rogue", host: "nowhere", processID: 1, incarnation: identity, threads: 1,
            blasConfiguration: NumericFingerprint.currentConfiguration, blasCore: NumericFingerprint.currentCore)
        let good = try ControlMessage.hello(hello).encoded()
        var messages: [[UInt8]] = [good]
        for length in [0, 1, 7, 64, 1000, 100_000] { messages.append(noise(length)) }
        for cut in stride(from: 1, to: good.count, by: 17) { messages.append(Array(good.prefix(cut))) }
        messages.append(try ControlMessage.synchronized(.init(step: 1 << 40)).encoded())
        messages.append(try ControlMessage.leaving(.init(reason: "never was here")).encoded())
        messages.append(Array("{\"kind\":\"stop-request\",\"v\":1}".utf8))
        let answers = Answers()
        try speak(to: endpoint, messages.map { [$0] }) { bytes in
            if case .welcome(let welcome)? = try? ControlMessage.decode(bytes) {
                answers.endpoint.withLock { $0 = welcome.dataEndpoint }
            }
        }
        return try answers.endpoint.withLock { $0 }.map { try Endpoint(parsing: $0) }
    }

    /// Noise, damaged headers, and frames that are whole and well-formed but come from no member: attachments, and pushes of a gradient
    /// that would ruin the weights if one of them counted.
    mutating func harass(data endpoint: Endpoint, around step: Step) throws {
        var messages: [[[UInt8]]] = [[[]], [noise(64), noise(500)], [noise(3), noise(3), noise(3), noise(3)]]
        let poison = Array(repeating: UInt8(0x7e), count: 4 * 8192)
        for count in [1, 64, 4096, 8192] {
            for near in step..<step + 50 {
                var header = FrameHeader(
                    kind: .push, timeline: Timeline(rawValue: 1), generation: Generation(rawValue: 1), step: near,
                    chunk: ChunkIndex(rawValue: 0), node: TreeNode(0, 8), count: count, sender: identity)
                header.payloadChecksum = unsafe VectorKernels.checksum(Array(poison.prefix(4 * count)).span.bytes)
                messages.append([header.encoded(), Array(poison.prefix(4 * count))])
            }
        }
        var attach = FrameHeader(
            kind: .attach, timeline: Timeline(rawValue: 1), generation: Generation(rawValue: 1), step: step, sender: identity)
        messages.append([attach.encoded()])
        attach.sender = WorkerID(rawValue: 1)
        messages.append([attach.encoded()])
        for place in 0..<FrameHeader.byteCount {
            var damaged = attach.encoded()
            damaged[place] ^= 0x55
            messages.append([damaged])
        }
        try speak(to: endpoint, messages) { _ in }
    }

    private mutating func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }

    /// Sends all and listens for a second.
    private func speak(to endpoint: Endpoint, _ messages: [[[UInt8]]], heard: @escaping @Sendable ([UInt8]) -> Void) throws {
        let context = try TransportContext()
        let loop = try SocketLoop(
            name: "rogue", context: context, role: .dealer(connect: endpoint, identity: identity), limits: .control
        ) { Mouth(messages: messages, heard: heard) }
        usleep(1_000_000)
        loop.stop()
        try loop.join(deadline: .seconds(10))
        try context.close(deadline: .seconds(10))
    }

    private final class Answers: Sendable {
        let endpoint = Mutex<String?>(nil)
    }
}

private struct Mouth: SocketHandler {
    let messages: [[[UInt8]]]
    let heard: @Sendable ([UInt8]) -> Void

    mutating func started(port: inout LoopPort) {
        for message in messages {
            let payload = message.count > 1 ? message[1] : []
            try? port.send(message[0], payload: unsafe payload.span.bytes)
        }
    }

    mutating func posted(_ post: Never, port: inout LoopPort) {}

    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {
        heard(
            message.withPart(0) { bytes in (0..<bytes.byteCount).map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
            })
    }
}
