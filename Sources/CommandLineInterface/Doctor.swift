import ArgumentParser
import Cluster
import Datasets
import ExperimentFile
import Foundation
import LinearAlgebra
import StructuredLayers
import Training
import Transport

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that this machine can train: BLAS, sockets, the built-in data, disk.")

    func run() throws {
        var isHealthy = true
        func check(_ name: String, _ body: () throws -> String) {
            do { print("ok    \(name): \(try body())") } catch {
                isHealthy = false
                print("FAIL  \(name): \(error)")
            }
        }
        print(Invocation.build)
        check("processors") { "\(ProcessInfo.processInfo.activeProcessorCount) cores" }
        check("OpenBLAS") { "\(NumericFingerprint.currentConfiguration), kernels \(NumericFingerprint.currentCore)" }
        check("numeric fingerprint") {
            let shape = GEMMShape(m: 128, n: 64, k: 128)
            let (first, second) = (try NumericFingerprint.measure(shapes: [shape]), try NumericFingerprint.measure(shapes: [shape]))
            guard first == second else { throw RefusedInput("two measurements differ; BLAS is not deterministic on this machine") }
            return String(first.digest.prefix(16))
        }
        check("matrix product") {
            "\(Figures.short(NetworkProduct.bestRate)) GFLOP/s on one core, float32, 1024 × 1024 · 1024 × 128"
        }
        check("layer families") { Invocation.families.pathNames.joined(separator: ", ") }
        check("sockets") {
            let context = try TransportContext()
            let loop = try SocketLoop(name: "doctor", context: context, role: .router(bind: .loopback()), limits: .control) {
                SilentHandler()
            }
            defer {
                loop.stop()
                try? loop.join(deadline: .seconds(5))
                try? context.close(deadline: .seconds(5))
            }
            return "listening on \(loop.boundEndpoint) works"
        }
        check("built-in digits") { "\(try Dataset.digits().count) examples" }
        check("working directory") {
            guard FileManager.default.isWritableFile(atPath: ".") else {
                throw RefusedInput("runs cannot be written here; change directory or pass --run-dir")
            }
            return "runs can be written here"
        }
        if !isHealthy { throw ExitCode(1) }
    }
}

/// Listens to nobody.
private struct SilentHandler: SocketHandler {
    mutating func received(_ message: ReceivedMessage, port: inout LoopPort) {}
    mutating func posted(_ post: Never, port: inout LoopPort) {}
}

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Writes an experiment file to start from, every setting in it.")

    @Argument(help: "The file to write.")
    var path: String = "experiment.yaml"

    @Option(help: "The layer family of the path: the built-in ones, and those that this program adds.")
    var family: String?

    func run() throws {
        if FileManager.default.fileExists(atPath: path) { throw RefusedInput("\(path) exists already; choose another name") }
        let text =
            "# An experiment with every setting at its default. Train it: \(Invocation.program) train \(path)\n"
            + (try experiment()).resolvedYAML()
        do { try text.write(toFile: path, atomically: true, encoding: .utf8) } catch {
            throw RefusedInput("\(path) cannot be written; choose a directory that you may write")
        }
        print("wrote \(path); train it with: \(Invocation.program) train \(path)")
    }

    /// The defaults, the options of the path and the correction among them: those are the families' own, so a network is asked.
    private func experiment() throws(ExperimentError) -> Experiment {
        let chosen = family.map { ["model.path.family=\($0)"] } ?? []
        let experiment = try Experiment(yaml: "name: digits", source: "default", overrides: chosen)
        do {
            return experiment.resolved(
                by: try Network(experiment.model(inputs: 64, outputs: 10), families: Invocation.families))
        } catch { throw ExperimentError(source: "--family", "\(error)") }
    }
}

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Loads an experiment's data and says what it is.")

    @Argument(help: "The experiment file.")
    var experiment: String

    @Option(name: .customLong("set"), parsing: .singleValue, help: "Overrides a setting: path.to.key=value. May be repeated.")
    var overrides: [String] = []

    func run() throws {
        let data = try ExperimentData(try ExperimentOptions.read(experiment, overrides: overrides).data)
        var table = TextTable("split", "examples", "features", "classes", "smallest class", "largest class")
        for (name, part) in [("train", data.split.train), ("validation", data.split.validation), ("test", data.split.test)] {
            var counts = Array(repeating: 0, count: part.classes)
            for label in part.labels { counts[Int(label)] += 1 }
            table.append(
                name, "\(part.count)", "\(part.featureCount)", "\(part.classes)", "\(counts.min() ?? 0)", "\(counts.max() ?? 0)")
        }
        table.lines().forEach { print($0) }
        print("digest \(data.digest.prefix(16))")
    }
}
