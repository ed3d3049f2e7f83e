import ArgumentParser
import Cluster
import Foundation
import LinearAlgebra
import Logging
import RunStore
import Transport

struct Worker: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Computes for a coordinator until its run ends.")

    @Option(help: "The coordinator's HOST:PORT.")
    var connect: String

    @Option(help: "A name for logs and records; the coordinator gives one otherwise.")
    var name: String = ""

    @Option(help: "Seconds to wait for the coordinator at first.")
    var patience: Int = 30

    @Option(help: "Seconds to wait for a coordinator that has fallen silent before giving up.")
    var reconnect: Int = 600

    @Option(
        help:
            "Where other workers may connect when this one hosts a shard (training.placement: workers); by default the address that faces the coordinator."
    )
    var bind: String = ""

    @Option(help: "The port for that; 0 lets the system choose.")
    var port: UInt16 = 0

    @Option(help: "The host name or address that other workers reach this machine by.")
    var advertise: String = ""

    @Flag(help: "Listen for other workers on other addresses than this machine's own: on a network that you trust.")
    var insecure = false

    @Flag(help: "Exit as soon as standard input ends: for workers that must not outlive the process that started them.")
    var endWithStdin = false

    @Option(help: "The number of the core to run on; any by default.")
    var core: Int?

    @Flag(help: "Say nothing unless something is wrong.")
    var quiet = false

    func run() throws {
        if let core, !ProcessorCores.keep(to: core) {
            throw RefusedInput("--core is \(core), which this process may not run on; it may on \(ProcessorCores.allowed)")
        }
        if endWithStdin { Self.exitWithStandardInput() }
        let endpoint = try Endpoint(parsing: connect)
        let log = Logger(label: name.isEmpty ? "worker" : name) {
            RunLogHandler(label: $0, file: nil, echo: quiet ? .warning : .info)
        }
        var service = WorkerService(
            coordinator: endpoint, families: Invocation.families, name: name, build: Invocation.build,
            connectDeadline: .seconds(max(1, patience)), reconnectDeadline: .seconds(max(1, reconnect)))
        (service.bindHost, service.bindPort, service.advertisedHost) = (bind, port, advertise)
        service.listensBeyondLoopback = insecure
        do { try service.run(log: log) } catch let error as ClusterError {
            switch error {
            // The coordinator says the same, once, where a person looks.
            case .aborted where quiet, .interrupted where quiet: throw ExitCode(1)
            default: throw error
            }
        }
    }

    /// The parent holds the other end of this pipe; whatever ends the parent closes it.
    private static func exitWithStandardInput() {
        let thread = Thread {
            while let data = try? FileHandle.standardInput.read(upToCount: 4096), !data.isEmpty {}
            Foundation.exit(0)
        }
        thread.name = "plumb-parent"
        thread.start()
        // Ctrl-C reaches the whole group of a terminal, and a service manager's SIGTERM every process; the parent decides what it means.
        for number in [SIGINT, SIGTERM] { signal(number, SIG_IGN) }
    }
}
