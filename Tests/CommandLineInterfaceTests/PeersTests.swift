import Foundation
import Testing

@testable import CommandLineInterface

@Suite("Training beside peers")
struct PeersTests {
    static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let benchmarks = sources.appending(path: "Benchmarks").path

    /// A folder with an executable `python` of these lines of shell.
    private static func withInterpreter<R>(_ lines: String, _ body: (String) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plumb-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "#!/bin/sh\n\(lines)\n".write(toFile: "\(folder)/python", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/python")
        return try body("\(folder)/python")
    }

    private static func refusal(_ scripts: PeerScripts, _ peers: [Peer] = [.torch, .jax]) throws -> String {
        let error = #expect(throws: RefusedInput.self) { try scripts.require(peers) }
        return try #require(error).description
    }

    @Test("what is missing is said, where, and what to do")
    func missing() throws {
        let elsewhere = try Self.refusal(PeerScripts(python: "python3", folder: "/nowhere"))
        #expect(
            elsewhere
                == "there is no '/nowhere/training.py' here; run this in the folder of plumb's sources, or say --scripts FOLDER")
        let none = try Self.refusal(PeerScripts(python: "/nowhere/python", folder: Self.benchmarks))
        #expect(none.hasPrefix("there is no interpreter '/nowhere/python'; python3 -m venv ../peers && "))
        #expect(none.contains("pip install -r Benchmarks/peers/requirements.txt") && none.contains("--python ../peers/bin/python"))
        try Self.withInterpreter("exit 3") { python in
            let other = try Self.refusal(PeerScripts(python: python, folder: Self.benchmarks))
            #expect(other.hasPrefix("'\(python)' is no Python 3: it ended with status 3; "))
        }
    }

    @Test("a missing peer is named, with how to measure the others")
    func missingPeer() throws {
        try Self.withInterpreter("echo jax") { python in
            let scripts = PeerScripts(python: python, folder: Self.benchmarks)
            let sentence = try Self.refusal(scripts, [.torch, .torchTuned, .jax])
            #expect(sentence.hasPrefix("jax is not installed for '\(python)'; python3 -m venv"))
            #expect(sentence.hasSuffix(", or measure the others alone: --peer torch-ddp --peer torch-ddp-tuned"))
        }
        try Self.withInterpreter("echo numpy torch") { python in
            let sentence = try Self.refusal(PeerScripts(python: python, folder: Self.benchmarks))
            #expect(sentence.hasPrefix("numpy and torch are not installed for") && !sentence.contains("alone"))
        }
        try Self.withInterpreter("exit 0") { python in
            try PeerScripts(python: python, folder: Self.benchmarks).require([.torch, .jax])
        }
    }

    @Test("the driver is asked for exactly what was chosen, and its lines are read as they come")
    func driver() throws {
        let line = #"{"config": "b", "samplesPerSecond": {"workers/tcp": [30, 20], "torch-ddp tuned": [10, 20], "jax": [1, 2]}}"#
        try Self.withInterpreter("echo \"$@\" > \"$0.arguments\"\necho a library talks\necho '\(line)'") { python in
            var taken: [PeerRates] = []
            let scripts = PeerScripts(python: python, folder: Self.benchmarks)
            try scripts.measure([.b], [.torchTuned, .jax], [.workersTCP], rounds: 2, seconds: 0.5) { taken.append($0) }
            let asked = try String(contentsOfFile: "\(python).arguments", encoding: .utf8)
            #expect(asked.hasPrefix("\(Self.benchmarks)/training.py --plumb /"))
            #expect(asked.hasSuffix("--rounds 2 --seconds 0.5 --configs b --ways workers/tcp --peers torch-ddp tuned,jax\n"))
            let row = PeersMeasurement(try #require(taken.first), ways: [.workersTCP], peers: [.torchTuned, .jax])
            #expect(taken.count == 1 && row.rows.map(\.name) == ["workers/tcp", "torch-ddp-tuned", "jax"])
            // By round: 30/10 and 20/20.
            let ratio = try #require(row.rows[0].ratios["torch-ddp-tuned"])
            #expect(ratio.least == 1 && ratio.most == 3 && row.rows[1].ratios.isEmpty)
            #expect(
                row.lines[0].contains("× torch-ddp-tuned") && row.lines[0].hasSuffix("× jax")
                    && row.lines[1].hasPrefix("plumb workers/tcp"))
            let json = try SortedJSON.text(row)
            #expect(json.contains(#""config":"b""#) && json.contains(#""ratios":{"jax":{"#) && !json.contains("peers"))
        }
    }

    @Test("a driver that fails, or says less than was asked, is a failure")
    func failing() throws {
        for lines in ["exit 4", "echo nothing of use"] {
            try Self.withInterpreter(lines) { python in
                let scripts = PeerScripts(python: python, folder: Self.benchmarks)
                let error = #expect(throws: PeerFailure.self) {
                    try scripts.measure([.a], [.jax], [.workersAuto], rounds: 1, seconds: 1) { _ in }
                }
                let sentence = try #require(error).description
                #expect(sentence.contains("Benchmarks/training.py ended with status \(lines == "exit 4" ? 4 : 0)"))
            }
        }
    }

    @Test("every peer has the words that the scripts know it by")
    func words() {
        #expect(
            Peer.allCases.map(\.words) == ["torch-ddp", "torch-ddp tuned", "torch-ddp fused", "torch-ddp tuned fused", "jax"])
    }
}
