import Foundation
import Testing

@Suite("bench layers")
struct BenchTests {
    static let small = ["bench", "layers", "--width", "16", "--batch", "4", "--rounds", "2"]

    @Test("measures every family there is beside a dense layer, as JSON, and names those that there are not")
    func json() throws {
        let outcome = try Program.run(Self.small + ["--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.json["width"] as? Int == 16 && outcome.json["batch"] as? Int == 4)
        let layers = try #require(outcome.json["layers"] as? [[String: Any]])
        let families = layers.compactMap { $0["family"] as? String }
        #expect(Set(["dense", "identity", "householder"]).isSubset(of: families))
        for layer in layers {
            let ratio = (layer["ratio"] as? [String: Double])?["median"] ?? 0
            let milliseconds = (layer["forwardBackwardMilliseconds"] as? [String: Double])?["median"] ?? 0
            #expect(ratio > 0 && milliseconds > 0 && layer["parameters"] as? Int ?? 0 > 0, "\(layer)")
        }
        // The parameters that a formula gives: a matrix, or min(k, n) reflectors, and a bias.
        #expect(layers.first { $0["family"] as? String == "dense" }?["parameters"] as? Int == 16 * 16 + 16)
        #expect(layers.first { $0["family"] as? String == "householder" }?["parameters"] as? Int == 16 * 16 + 16)
    }

    @Test("prints the table of the documentation, a row a layer, and a family of one's own in it")
    func markdown() throws {
        let outcome = try Program.run(
            Self.small + ["--width", "32", "--markdown", "--family", "dense", "--family", "givens"], program: "own-layer")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.count == 5 && lines[0].hasPrefix("| layer | parameters, n = 16 | parameters, n = 32 |"), "\(outcome.output)")
        #expect(lines.contains { $0.hasPrefix("| dense | 272 | 1,056 | 512 | 2,048 |") }, "\(outcome.output)")
        #expect(lines.contains { $0.hasPrefix("| givens | 80 | 160 | n/a | n/a |") && $0.contains("1 ± ") }, "\(outcome.output)")
    }

    @Test("refuses a family or a width that cannot be")
    func refusals() throws {
        let unknown = try Program.run(Self.small + ["--family", "cayly"])
        #expect(unknown.status == 3 && unknown.errors.contains("--family cayly: there is no such family; there are"))
        let odd = try Program.run(["bench", "layers", "--width", "7", "--family", "givens"], program: "own-layer")
        #expect(odd.status == 3 && odd.errors.contains("model.width: got 7, expected an even number"), "\(odd.errors)")
        #expect(try Program.run(["bench", "layers", "--width", "0"]).status != 0)
    }
}
