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
        return table.lines() + legend(examined) + missing(examined) + notes(skipped)
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
        let lines = [
            "",
            "α: the power law of the tail of σ², ± its standard error; shuffled: the same fit on the same elements in a random order.",
            "Where the two are alike, α tells nothing. spikes and soft: eigenvalues above a bulk of noise, its edge over the largest.",
        ]
        let doubles = examined.filter { $0.element == "F64" }.map(\.name)
        if doubles.isEmpty { return lines }
        return lines + [
            shortened("rounded to float32, where beyond 3.4e+38 is infinity: \(doubles.joined(separator: ", "))", to: width)
        ]
    }

    /// Why there is n/a, with the tensors of each reason; what was left out on purpose needs none.
    private static func missing(_ examined: [ExaminedTensor]) -> [String] {
        let reasons = examined.compactMap { tensor in
            tensor.rows.first { !$0.quantity.hasPrefix("control_") && $0.value.reason != nil }
                .map { (reason: $0.value.reason ?? "", name: tensor.name) }
        }
        return grouped(reasons).map { shortened("n/a, \($0)", to: width) }
    }

    private static func notes(_ skipped: [TensorInventory.Skipped]) -> [String] {
        grouped(skipped.map { ($0.reason, $0.name) }).map { shortened("not examined, as \($0)", to: width) }
    }

    /// `reason: name, name` for each reason, in the order of the first names.
    private static func grouped(_ pairs: [(reason: String, name: String)]) -> [String] {
        var groups: [(reason: String, names: [String])] = []
        for (reason, name) in pairs {
            if let index = groups.firstIndex(where: { $0.reason == reason }) {
                groups[index].names.append(name)
            } else {
                groups.append((reason, [name]))
            }
        }
        return groups.map { "\($0.reason): \($0.names.joined(separator: ", "))" }
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
