import Foundation
import Testing

@Suite("bench pushpull, gemm and link")
struct ExchangeBenchTests {
    static func median(_ value: Any?) -> Double { (value as? [String: Double])?["median"] ?? -1 }

    @Test("push and pull of small blocks are measured beside libzmq alone, as JSON and as a table")
    func pushPull() throws {
        let quick = ["bench", "pushpull", "--rounds", "1", "--seconds", "0.02", "--size", "4KB", "--size", "4KB-alone"]
        let outcome = try Program.run(quick + ["--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(outcome.json["rows"] as? [[String: Any]])
        #expect(rows.map { $0["size"] as? String } == ["4KB", "4KB-alone"])
        for row in rows {
            #expect(Self.median(row["gigabytesPerSecond"]) > 0 && Self.median(row["libzmqGigabytesPerSecond"]) > 0)
            #expect(Self.median(row["ratio"]) > 0 && Self.median(row["blocksPerSecond"]) > 0)
        }
        #expect(rows[0]["blocks"] as? Int == 8192 && rows[0]["bytes"] as? Int ?? 0 > 8192 * 4096)
        let alone = try #require(rows[1]["bytes"] as? Int)
        #expect((3800...4352).contains(alone) && rows[1]["chunks"] as? Int == 1, "one block of 4 KB: \(alone) bytes")
        #expect(Self.median(rows[1]["libzmqRoundTripMicroseconds"]) > 0)
        let table = try Program.run(quick)
        #expect(table.output.contains("8192 tensors of 4 KB") && table.output.contains("one block of 4 KB, one in flight"))
    }

    @Test("a network's products have rates, none above the best")
    func gemm() throws {
        let small = [
            "bench", "gemm", "--width", "16", "--depth", "3", "--inputs", "8", "--outputs", "4", "--batch", "8", "--rounds", "2",
        ]
        let outcome = try Program.run(small + ["--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(outcome.json["rows"] as? [[String: Any]])
        #expect(
            rows.map { $0["layer"] as? String ?? "" } == ["embedding", "embedding"] + Array(repeating: "layers", count: 3)
                + Array(repeating: "readout", count: 3))
        #expect(rows.map { $0["count"] as? Int ?? 0 } == [1, 1, 2, 2, 2, 1, 1, 1])
        for row in rows { #expect(Self.median(row["gigaflops"]) > 0 && row["share"] as? Double ?? 2 <= 1) }
        #expect(try Program.run(small).output.contains("Wᵀ·G"))
    }

    @Test("both sides of a link measure, and the listening one ends with the other")
    func link() throws {
        let (listener, output, errors) = try Program.start(["bench", "link", "--listen", "127.0.0.1:0", "--patience", "30"])
        defer { if listener.isRunning { listener.terminate() } }
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let endpoint = try #require(line.split(separator: "\n").first?.split(separator: " ").last.map(String.init))
        let quick = ["--rounds", "1", "--seconds", "0.02", "--patience", "30"]
        let outcome = try Program.run(["bench", "link", "--connect", endpoint, "--bytes", "100", "--json"] + quick)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let trips = try #require(outcome.json["roundTrips"] as? [[String: Any]])
        #expect(trips.count == 1 && trips[0]["bytes"] as? Int == 100)
        #expect(Self.median(trips[0]["percentile99Microseconds"]) >= Self.median(trips[0]["medianMicroseconds"]))
        let ways = try #require(outcome.json["bandwidths"] as? [[String: Any]])
        #expect(ways.map { $0["direction"] as? String ?? "" } == ["there", "back", "both at once, each way"])
        #expect(ways.allSatisfy { Self.median($0["gigabytesPerSecond"]) > 0 })
        #expect(Program.wait(30) { !listener.isRunning })
        let said = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(!listener.isRunning && listener.terminationStatus == 0, "\(said)")
    }

    @Test("a side that hears nobody ends with a sentence, and no other machine is let in unasked")
    func silence() throws {
        let alone = try Program.run(["bench", "link", "--listen", "127.0.0.1:0", "--patience", "1"])
        #expect(
            alone.status == 1 && alone.errors.contains("waited 1.0 s for a message; check that the other side runs"),
            "\(alone.errors)")
        let open = try Program.run(["bench", "link", "--listen", "*:0"])
        #expect(open.status == 3 && open.errors.contains("say --insecure on a network that you trust"), "\(open.errors)")
        let nobody = try Program.run(["bench", "link", "--connect", "127.0.0.1:1", "--patience", "1", "--seconds", "0.01"])
        #expect(nobody.status == 1 && nobody.errors.contains("127.0.0.1:1: waited"), "\(nobody.errors)")
        let nowhere = try Program.run(["bench", "link", "--connect", "127.0.0.1"])
        #expect(nowhere.status == 3 && nowhere.errors.contains("has no port"), "\(nowhere.errors)")
    }
}
