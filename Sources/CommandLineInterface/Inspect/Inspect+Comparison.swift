import Foundation
import LinearAlgebra
import RunStore
import SpectralDiagnostics

/// D8 of one tensor that both files have.
struct ComparedTensor: Sendable {
    var name: String
    var shape: [Int]
    var outcome: Outcome

    enum Outcome: Sendable {
        case update(UpdateSpectrum)
        case missing(String)
    }

    var rows: [DiagnosticRow] {
        switch outcome {
        case .update(let update): update.rows(layer: nil)
        case .missing(let reason): UpdateSpectrum(unavailable: reason).rows(layer: nil)
        }
    }
}

extension Inspect {
    /// D8 of every matrix that two files have by the same name, and what only one of them has.
    func compare(_ first: SafetensorsFile, _ second: SafetensorsFile) throws {
        var (before, after) = (TensorInventory(first, selection), TensorInventory(second, selection))
        try before.appendMaps(of: first, selection)
        try after.appendMaps(of: second, selection)
        let (olds, news) = (Self.byName(before), Self.byName(after))
        let limit = sizeLimit
        let compared = try ParallelMap.run(before.items.filter { news[$0.name] != nil }, threads: threadCount, cost: \.cost) {
            item, _ in
            guard let other = news[item.name], other.shape == item.shape else {
                let reason = "the shapes differ: \(item.shape) and \(news[item.name]?.shape ?? [])"
                return ComparedTensor(name: item.name, shape: item.shape, outcome: .missing(reason))
            }
            let outcome = Self.outcome(try item.load(), try other.load(), completeUpTo: limit)
            return ComparedTensor(name: item.name, shape: item.shape, outcome: outcome)
        }
        let comparison = Comparison(
            first: first.path, second: second.path, compared: compared,
            onlyInFirst: before.items.map(\.name).filter { news[$0] == nil },
            onlyInSecond: after.items.map(\.name).filter { olds[$0] == nil })
        guard !compared.isEmpty else {
            throw RefusedInput("\(first.path) and \(second.path) have no matrix of one name in common; are they of one model?")
        }
        if json { print(try comparison.json()) } else { (csv ? comparison.csv() : comparison.table()).forEach { print($0) } }
    }

    private static func outcome(_ old: TensorInventory.Loaded, _ new: TensorInventory.Loaded, completeUpTo: Int)
        -> ComparedTensor.Outcome
    {
        switch (old, new) {
        case (.unusable(let reason), _), (_, .unusable(let reason)): .missing(reason)
        case (.matrices(let before), .matrices(let after)):
            .update(UpdateSpectrum(from: before, to: after, completeUpTo: completeUpTo))
        }
    }

    private static func byName(_ inventory: TensorInventory) -> [String: TensorInventory.Item] {
        Dictionary(inventory.items.map { ($0.name, $0) }) { first, _ in first }
    }
}
