import ArgumentParser
import Testing

@testable import CommandLineInterface

@Suite("What the benchmarks are asked")
struct BenchOptionsTests {
    /// The refusal of a command line; nil when it is accepted.
    private static func refusal(_ arguments: [String]) -> String? {
        do {
            _ = try Plumb.parseAsRoot(["bench"] + arguments)
            return nil
        } catch {
            #expect(ExitStatus.of(error) == 2, "a usage error")
            return Plumb.message(for: error)
        }
    }

    @Test(
        "what cannot be measured is refused, with what can",
        arguments: [
            (["pushpull", "--size", "2MB"], "--size is '2MB'; it is one of 1MB, 16MB, 64MB, 4KB, 4KB-alone."),
            (["pushpull", "--rounds", "0"], "--rounds is 0; 1 to 1000 rounds can be measured."),
            (["pushpull", "--seconds", "nan"], "--seconds is nan; 0.01 to 60 seconds can be measured."),
            (["gemm", "--width", "0"], "--width is 0; 1 to 16384 can be measured."),
            (["gemm", "--depth", "0"], "--depth is 0; 1 to 65536 layers can be measured."),
            (["link"], "Say --listen HOST:PORT on one side and --connect HOST:PORT on the other."),
            (["link", "--listen", "a:1", "--connect", "b:2"], "Say --listen HOST:PORT on one side"),
            (["link", "--connect", "a:1", "--forever"], "--forever and --insecure go with --listen."),
            (["link", "--listen", "a:1", "--json"], "--json and --bytes go with --connect, which measures."),
            (
                ["link", "--connect", "a:1", "--bytes", "9000000"],
                "--bytes is 9000000; messages of 1 to 4194304 bytes can be measured."
            ),
            (["link", "--connect", "a:1", "--patience", "0"], "--patience is 0; 1 to 86400 seconds can be waited."),
            (["peers", "--rounds", "0"], "--rounds is 0; 1 to 1000 rounds can be measured."),
            (["peers", "--seconds", "nan"], "--seconds is nan; 0.01 to 3600 seconds can be measured."),
            (["peers", "--config", "e"], "'a', 'b', 'c', 'd' or 'narrow'"),
            (["peers", "--peer", "tensorflow"], "'torch-ddp-tuned-fused' or 'jax'"),
            (["peers", "--way", "workers"], "'workers/auto', 'workers/tcp', 'coordinator/auto' or 'coordinator/tcp'"),
        ])
    func refused(arguments: [String], expected: String) throws {
        #expect(try #require(Self.refusal(arguments)).contains(expected))
    }

    @Test("everything has defaults, and every size is one")
    func accepted() {
        for arguments in [
            ["pushpull"], ["gemm"], ["peers"], ["link", "--listen", "127.0.0.1:0"], ["link", "--connect", "node:7700"],
        ] {
            #expect(Self.refusal(arguments) == nil, "\(arguments)")
        }
        for model in PushPullModel.allCases { #expect(Self.refusal(["pushpull", "--size", model.rawValue]) == nil) }
    }

    @Test("an order of a link is read as it was said, and nothing else is one")
    func orders() {
        let order = LinkOrder(.both, 1000, frameBytes: 4096)
        #expect(LinkOrder(order.encoded) == order)
        #expect(LinkOrder([]) == nil && LinkOrder(Array("{}".utf8)) == nil && LinkOrder(Array(repeating: 1, count: 2000)) == nil)
        #expect(LinkOrder(LinkOrder(.take, -1).encoded) == nil && LinkOrder(LinkOrder(.take, 1, frameBytes: 0).encoded) == nil)
        #expect(LinkOrder(LinkOrder(.echo, 1, frameBytes: 1 << 30).encoded) == nil)
    }

    @Test("a step's products have the shapes of the network, and the data no gradient")
    func products() throws {
        let products = NetworkProduct.all(of: try NetworkShapeOptions.parse([]))
        #expect(products.count == 8 && products.reduce(0) { $0 + $1.count } == 2 + 3 * 7 + 3)
        #expect(!products.contains { $0.layer == "embedding" && $0.kind == .inputGradient })
        #expect(products[2].operations == 2 * 1024 * 1024 * 128)
        let shallow = try NetworkShapeOptions.parse([
            "--width", "8", "--depth", "1", "--inputs", "4", "--outputs", "2", "--batch", "4",
        ])
        #expect(
            NetworkProduct.all(of: shallow).map(\.layer)
                == Array(repeating: "embedding", count: 2) + Array(repeating: "readout", count: 3))
    }
}
