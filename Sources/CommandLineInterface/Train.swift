import ArgumentParser
import Cluster
import Datasets
import ExperimentFile
import Foundation
import Logging
import RunStore
import StructuredLayers
import Training
import Transport

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains on this machine: an embedded coordinator and local worker processes.",
        discussion: "The weights are the same bits for any number of workers: --set cluster.workers=N changes the speed alone.")

    @OptionGroup var options: ExperimentOptions

    @Flag(help: "End with one line of JSON on standard output.")
    var json = false

    @Flag(help: "Train with the one-process reference trainer, which defines the right answer.")
    var reference = false

    func run() throws {
        let experiment = try options.read()
        try BLASCore.pin(experiment.cluster.blasCore)
        let plan = try ExperimentOptions.plan(experiment)
        if reference && options.resume != nil {
            throw RefusedInput("the reference trainer starts anew each time; leave --resume away")
        }
        let session = try RunSession(plan: plan, options: options, json: json)
        session.show(
            "\(experiment.name): \(plan.data.train.count) training examples, \(plan.network.layout.parameterCount) parameters, "
                + (reference ? "reference trainer" : "\(experiment.cluster.workers) worker processes"))
        session.showResumption()
        let result: RunResult
        if reference {
            result = try ReferenceRun(plan: plan, tenure: session.tenure, build: Invocation.build)
                .run(display: session.display, log: session.log)
        } else {
            let executable = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            let cluster = LocalCluster(plan: plan, tenure: session.tenure, executable: executable, build: Invocation.build)
            result = try cluster.run(display: session.display, log: session.log) { session.stopOnSignals($0) }
        }
        try session.end(with: result)
    }
}

struct Coordinator: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Leads a run whose workers are started elsewhere.")

    @OptionGroup var options: ExperimentOptions

    @Option(help: "The address to listen on.")
    var bind: String = "127.0.0.1"

    @Option(help: "The port for workers to connect to; 0 leaves the choice to the system.")
    var port: UInt16 = 7700

    @Option(
        help:
            "The port for parameters and gradients, of the first of cluster.shardThreads; the others take the ports that follow. 0 leaves the choice to the system."
    )
    var dataPort: UInt16 = 0

    @Option(help: "The name or address that workers reach this machine by, where it is not the one listened on.")
    var advertise: String = ""

    @Flag(help: "Listen on an address that other machines can reach, although connections are neither encrypted nor authenticated.")
    var insecure = false

    @Flag(help: "End with one line of JSON on standard output.")
    var json = false

    func run() throws {
        let experiment = try options.read()
        let endpoint = try endpoint()
        try BLASCore.pin(experiment.cluster.blasCore)
        let plan = try ExperimentOptions.plan(experiment)
        let session = try RunSession(plan: plan, options: options, json: json)
        let service = try CoordinatorService(
            plan: plan, tenure: session.tenure,
            options: CoordinatorOptions(bind: endpoint, dataPort: dataPort, advertisedHost: advertise, build: Invocation.build),
            log: session.log)
        session.stopOnSignals(service)
        session.showResumption()
        session.show(
            "\(experiment.name): waiting for \(experiment.cluster.workers) workers at \(service.endpoint); on each machine run")
        let reached = advertise.isEmpty ? "\(service.endpoint)" : "\(advertise):\(service.endpoint.port)"
        session.show("  \(Invocation.program) worker --connect \(reached)")
        try session.end(with: try service.run(display: session.display))
    }

    private func endpoint() throws -> Endpoint {
        let endpoint = try Endpoint(host: bind, port: port)
        guard endpoint.isLoopback || insecure else {
            throw RefusedInput(
                "listening on \(bind) lets every machine that reaches it join the run; say --insecure on a network that you trust")
        }
        guard !endpoint.isWildcard || !advertise.isEmpty else {
            throw RefusedInput("with --bind \(bind) workers cannot know where to connect; pass --advertise HOST")
        }
        return endpoint
    }
}
