import RunStore

/// The view as lines of text.
extension RunView {
    /// The whole view.
    func lines(_ style: TerminalStyle) -> [String] {
        var lines = [heading, ""]
        lines += curves("the run over \(steps) steps", training, style)
        lines += curves("the whole network", network.filter { !RunHistory.Quantity.isNode($0.quantity) }, style)
        lines += depth(layers, style)
        lines += measured
        lines += intervalLines
        lines += time.map { ["", $0.sentence] } ?? []
        return Self.trimmed(lines).map(style.shown)
    }

    /// The view in about 15 lines, for the end of a run.
    func shortLines(_ style: TerminalStyle) -> [String] {
        let curves = Self.shortCurves.compactMap { quantity in (training + network).first { $0.quantity == quantity } }
        let depths = Self.shortLayers.compactMap { quantity in layers.first { $0.quantity == quantity } }
        let lines = self.curves("over \(steps) steps", curves, style) + depth(depths, style) + intervalLines
        return Self.trimmed(lines).map(style.shown)
    }

    private static let shortCurves = [
        "train loss", "validation accuracy", "delta_slope_decades_per_layer", "activation_slope_decades_per_layer",
        "noise_scale_examples", "agreement",
    ]
    private static let shortLayers = [
        "spectral_norm", "sigma_min", "stable_rank", "effective_rank", "orthogonality_error", "cap_utilisation",
    ]

    private var heading: String {
        let size = parameters.map { ", \(Figures.count(Double($0))) parameters" } ?? ""
        return "\(name): \(steps) steps\(isFinished ? ", finished" : "")\(size)   \(run)"
    }

    /// One line a curve: its name, its course, first and last value, smallest and largest.
    private func curves(_ title: String, _ curves: [Curve], _ style: TerminalStyle) -> [String] {
        let isOnce = curves.allSatisfy { $0.steps.count < 2 }
        var table = SparkTable(isOnce ? [title, "value"] : [title, "", "first → last", "min … max"])
        for curve in curves {
            let label = curve.name.label
            guard let last = curve.values.last, last != nil || !curve.numbers.isEmpty else {
                table.append(label, note: "n/a: \(curve.reason ?? "not measured")")
                continue
            }
            if isOnce {
                table.append([label, Self.change(curve, style) + Self.unit(curve, style)])
                continue
            }
            table.append(
                [
                    label, "", Self.change(curve, style),
                    Self.range(curve.numbers, style) + Self.unit(curve, style),
                ],
                sparks: [1: curve.values])
        }
        return curves.isEmpty ? [] : table.lines(style) + [""]
    }

    /// One line a quantity: its course over the layers with smallest and largest value and the largest half width, and its median's
    /// course over the steps.
    private func depth(_ layers: [LayeredCurve], _ style: TerminalStyle) -> [String] {
        let isOnce = layers.allSatisfy { $0.medians.steps.count < 2 }
        var table = SparkTable(
            ["layers, first to last", "depth", "min … max"] + (isOnce ? ["median"] : ["time", "median over time"]))
        for curve in layers {
            if curve.numbers.isEmpty && curve.medians.numbers.isEmpty { continue }
            let most = curve.uncertainties.values.max()
            let range = Self.range(curve.numbers, style) + (most.map { " ± \(Self.figure($0, style))" } ?? "")
            let cells = [curve.name.label, "", range]
            table.append(
                cells + (isOnce ? [] : [""]) + [Self.change(curve.medians, style)],
                sparks: isOnce ? [1: curve.values] : [1: curve.values, 3: curve.medians.values])
        }
        return layers.isEmpty ? [] : table.lines(style) + missing(layers) + [""]
    }

    /// `D3 condition number: n/a at step 50 in 2 of 10 layers (3, 4): …`, one line for all quantities of a diagnostic that lack the same.
    private func missing(_ curves: [LayeredCurve]) -> [String] {
        var groups: [(labels: [String], diagnostic: String, where: String)] = []
        for curve in curves {
            let missing = curve.layers.indices.filter { curve.values[$0] == nil }.map { curve.layers[$0] }
            guard let first = missing.first else { continue }
            let place =
                "n/a at step \(curve.step) in \(missing.count) of \(curve.layers.count) \(curve.layers.count == 1 ? "layer" : "layers") (\(StatusText.ranges(missing))): "
                + (curve.reasons[first] ?? "no reason given")
            let diagnostic = curve.name.diagnostic
            if let group = groups.firstIndex(where: { $0.diagnostic == diagnostic && $0.where == place }) {
                groups[group].labels.append(String(curve.name.label.dropFirst(diagnostic.count + 1)))
            } else {
                groups.append(([curve.name.label], diagnostic, place))
            }
        }
        return groups.map { "\($0.labels.joined(separator: ", ")): \($0.where)" }
    }

    /// A narrow terminal gets two digits and no units.
    private static func figure(_ value: Double?, _ style: TerminalStyle) -> String {
        value.map { Figures.brief($0, digits: style.width < 100 ? 2 : 3) } ?? "n/a"
    }

    private static func unit(_ curve: Curve, _ style: TerminalStyle) -> String {
        style.width < 100 || curve.name.unit.isEmpty ? "" : "  \(curve.name.unit)"
    }

    private static func change(_ curve: Curve, _ style: TerminalStyle) -> String {
        let last = figure(curve.values.last ?? nil, style) + (curve.uncertainty.map { " ± \(figure($0, style))" } ?? "")
        return curve.steps.count > 1 ? "\(figure(curve.values.first ?? nil, style)) → \(last)" : last
    }

    private static func range(_ numbers: [Double], _ style: TerminalStyle) -> String {
        guard let low = numbers.min(), let high = numbers.max() else { return "n/a" }
        return low == high ? figure(low, style) : "\(figure(low, style)) … \(figure(high, style))"
    }

    private var measured: [String] {
        occasions.map { occasion in
            let (steps, names) = (occasion.steps, occasion.diagnostics.joined(separator: ", "))
            guard let first = steps.first, let last = steps.last, steps.count > 1 else {
                return "measured once, at step \(steps.first ?? 0): \(names)"
            }
            let gaps = zip(steps, steps.dropFirst()).map { $1 - $0 }
            let (least, most) = (gaps.min() ?? 0, gaps.max() ?? 0)
            let interval = least == most ? "\(least)" : "\(least) to \(most)"
            return "measured \(steps.count) times, every \(interval) steps from \(first) to \(last): \(names)"
        }
    }

    private var intervalLines: [String] {
        intervals.isEmpty
            ? [] : ["intervals stretched to keep the budget: \(intervals.count)"] + intervals.suffix(3).map { "  \($0)" }
    }

    private static func trimmed(_ lines: [String]) -> [String] {
        Array(lines.reversed().drop { $0.isEmpty }.reversed())
    }
}
