import ArgumentParser
import Cluster
import Datasets
import ExperimentFile
import Foundation
import LinearAlgebra
import RunStore
import SpectralDiagnostics
import StructuredLayers
import Training

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examines the matrices of a safetensors file, of any origin: singular values, norms, ranks.")

    @Argument(help: "A safetensors file, or a run's directory for its newest checkpoint.")
    var path: String

    @Flag(help: "Print one object of JSON.")
    var json = false

    func run() throws {
        BLAS.useOneThread()
        let file = try SafetensorsFile(try Self.checkpoint(path))
        let matrices = file.tensors.filter { $0.shape.count == 2 && !$0.name.hasPrefix("optimizer.") }
        guard !matrices.isEmpty else {
            throw RefusedInput("\(file.path): the file holds no matrices; tensors with two dimensions are examined")
        }
        var examined: [(TensorDescription, MatrixSpectrum)] = []
        for tensor in matrices {
            let matrix = Matrix(rows: tensor.shape[0], columns: tensor.shape[1], elements: try file.floats(of: tensor))
            examined.append((tensor, MatrixSpectrum(of: matrix.view)))
        }
        if json { print(try Self.json(examined)) } else { Self.table(examined).forEach { print($0) } }
    }

    /// A run's directory stands for its newest complete checkpoint.
    static func checkpoint(_ path: String) throws -> String {
        var isDirectory = false as ObjCBool
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            return path
        }
        let directory = "\(path)/checkpoints"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.hasPrefix("step-") }
        guard let newest = names.max() else { throw RefusedInput("\(path): there are no checkpoints in this directory") }
        return "\(directory)/\(newest)"
    }

    private struct Tensor: Encodable {
        var name: String
        var shape: [Int]
        var singularValues: [Float]
        var spectralNorm: Double?
        var frobeniusNorm: Double?
        var stableRank: Double?
        var effectiveRank: Double?
        var conditionNumber: Double?
        var orthogonalityError: Double?
        /// Why a quantity is missing, by its name.
        var reasons: [String: String]
    }

    private static func json(_ examined: [(TensorDescription, MatrixSpectrum)]) throws -> String {
        let tensors = examined.map { tensor, spectrum in
            let named = [
                ("spectralNorm", spectrum.spectralNorm), ("frobeniusNorm", spectrum.frobeniusNorm),
                ("stableRank", spectrum.stableRank),
                ("effectiveRank", spectrum.effectiveRank), ("conditionNumber", spectrum.conditionNumber),
                ("orthogonalityError", spectrum.orthogonalityError),
            ]
            var reasons: [String: String] = [:]
            for (name, value) in named { reasons[name] = value.reason }
            return Tensor(
                name: tensor.name, shape: tensor.shape, singularValues: spectrum.singularValues,
                spectralNorm: spectrum.spectralNorm.number, frobeniusNorm: spectrum.frobeniusNorm.number,
                stableRank: spectrum.stableRank.number, effectiveRank: spectrum.effectiveRank.number,
                conditionNumber: spectrum.conditionNumber.number, orthogonalityError: spectrum.orthogonalityError.number,
                reasons: reasons)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(["tensors": tensors]), as: UTF8.self)
    }

    private static func table(_ examined: [(TensorDescription, MatrixSpectrum)]) -> [String] {
        var table = TextTable("tensor", "shape", "sigma max", "sigma min", "condition", "frobenius", "stable rank", "eff. rank")
        var notes: [String] = []
        for (tensor, spectrum) in examined {
            table.append(
                tensor.name, "\(tensor.shape[0]) × \(tensor.shape[1])", Figures.short(spectrum.spectralNorm.number),
                Figures.short(spectrum.singularValues.last.map { Double($0) }), Figures.short(spectrum.conditionNumber.number),
                Figures.short(spectrum.frobeniusNorm.number), Figures.short(spectrum.stableRank.number),
                Figures.short(spectrum.effectiveRank.number))
            if let reason = spectrum.conditionNumber.reason { notes.append("\(tensor.name): n/a, \(reason)") }
        }
        return table.lines() + (notes.isEmpty ? [] : [""] + notes)
    }
}

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Loss and accuracy of a run's checkpoint on its data.")

    @Argument(help: "A checkpoint of a run, or the run's directory for its newest one.")
    var checkpoint: String

    @Option(
        name: .customLong("set"), parsing: .singleValue, help: "Overrides a setting, such as data.images=FILE. May be repeated.")
    var overrides: [String] = []

    @Flag(help: "Print one object of JSON.")
    var json = false

    func run() throws {
        BLAS.useOneThread()
        let file = try SafetensorsFile(try Inspect.checkpoint(checkpoint))
        guard let text = file.metadata["experiment"] else {
            throw RefusedInput(
                "\(file.path): the file does not say which experiment it belongs to; evaluate a checkpoint of a plumb run")
        }
        let experiment = try Experiment(yaml: text, source: file.path, overrides: overrides)
        let plan = try ExperimentOptions.plan(experiment)
        let parameters = try Checkpoints.parameters(of: file, layout: plan.network.layout)
        var examiner = VersionExaminer(plan)
        var rows: [String: [String: Double]] = [:]
        var table = TextTable("split", "examples", "loss", "accuracy")
        for (name, data) in [
            ("train", plan.data.split.train), ("validation", plan.data.split.validation), ("test", plan.data.split.test),
        ] {
            guard let result = examiner.evaluate(parameters, on: data) else { continue }
            rows[name] = ["loss": result.loss, "accuracy": result.accuracy, "count": Double(result.count)]
            table.append(name, "\(result.count)", Figures.short(result.loss), Figures.percent(result.accuracy))
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            print(String(decoding: try encoder.encode(rows), as: UTF8.self))
        } else {
            table.lines().forEach { print($0) }
        }
    }
}
