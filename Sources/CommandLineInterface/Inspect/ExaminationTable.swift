import Foundation
import SpectralDiagnostics

/// The examination for a terminal of 120 columns.
enum ExaminationTable {
    static let width = 120

    static func lines(_ examined: [ExaminedTensor], skipped: [TensorInventory.Skipped]) -> [String] {
        let header = [
            "shape", "σ max", "σ min", "cond.", "stable", "eff.", "α", "shuffled", "spikes", "soft", "|WᵀW−I|",
        ]
        let body = examined.map { cells($0.spectra, shape: $0.shape) }
        var table = TextTable(header: ["tensor"] + header)
        let room = nameRoom(header, body)
        for (tensor, cells) in zip(examined, body) { table.append([shortened(tensor.name, to: room)] + cells) }
        return table.lines() + legend(examined) + notes(skipped)
    }

    private static func cells(_ spectra: WeightSpectra, shape: [Int]) -> [String] {
        let spectrum = spectra.spectrum
        let alpha = spectra.tail.alpha
        let interval = alpha.uncertainty.map { "±" + Figures.brief($0) } ?? ""
        return [
            shape.map(String.init).joined(separator: "×"), Figures.brief(spectrum.spectralNorm.number),
            Figures.brief(spectrum.smallestSingularValue.number), Figures.brief(spectrum.conditionNumber.number),
            Figures.brief(spectrum.stableRank.number), Figures.brief(spectrum.effectiveRank.number),
            Figures.brief(alpha.number) + interval, Figures.brief(spectra.control?.tail.alpha.number),
            spectra.bulk.spikes.number.map { String(Int($0)) } ?? "n/a", Figures.brief(spectra.bulk.softRank.number),
            Figures.brief(spectrum.orthogonalityError.number),
        ]
    }

    private static func legend(_ examined: [ExaminedTensor]) -> [String] {
        var lines = [
            "",
            "α: the power law of the tail of σ², ± its standard error; shuffled: the same fit on the same elements in a random order.",
            "Where the two are alike, α tells nothing. spikes and soft: eigenvalues above a bulk of noise, and its edge over the largest.",
        ]
        for tensor in examined {
            let reasons = tensor.rows.compactMap(\.value.reason)
            if let reason = reasons.first { lines.append("n/a \(shortened("\(tensor.name): \(reason)", to: width - 4))") }
        }
        return lines
    }

    private static func notes(_ skipped: [TensorInventory.Skipped]) -> [String] {
        var counts: [(reason: String, names: [String])] = []
        for tensor in skipped {
            if let index = counts.firstIndex(where: { $0.reason == tensor.reason }) {
                counts[index].names.append(tensor.name)
            } else {
                counts.append((tensor.reason, [tensor.name]))
            }
        }
        return counts.map { shortened("not examined, as \($0.reason): \($0.names.joined(separator: ", "))", to: width) }
    }

    private static func nameRoom(_ header: [String], _ body: [[String]]) -> Int {
        let others = header.indices.reduce(0) { sum, column in
            sum + 2 + ([header] + body).reduce(0) { max($0, $1[column].count) }
        }
        return max(12, width - others)
    }

    /// With its middle left out where it is too long: the ends of a tensor's name tell it apart.
    static func shortened(_ text: String, to length: Int) -> String {
        if text.count <= length { return text }
        let head = (length - 1) / 2
        return text.prefix(head) + "…" + text.suffix(length - 1 - head)
    }
}
