/// A table in which some columns are courses of numbers, which share the room that the others leave in a line.
struct SparkTable {
    private struct Row {
        var cells: [String]
        var sparks: [Int: [Double?]]
        /// Whether its last cell runs on to the end of the line, and so widens no column.
        var runsOn = false
    }

    private let header: [String]
    private var rows: [Row] = []
    private static let sparkWidths = 8...48
    /// A long label loses its middle, as others may begin like it; down to the lower bound, so that numbers lose nothing.
    private static let labelWidths = 16...40

    init(_ header: [String]) { self.header = header }

    /// Adds a row that says in a few words why it has no values.
    mutating func append(_ label: String, note: String) { rows.append(Row(cells: [label, note], sparks: [:], runsOn: true)) }

    /// Adds a row: a cell for each column.
    mutating func append(_ cells: [String], sparks: [Int: [Double?]] = [:]) { rows.append(Row(cells: cells, sparks: sparks)) }

    /// The lines, the header first, none longer than the style's width where the cells leave room for it.
    func lines(_ style: TerminalStyle) -> [String] {
        let columns = Set(rows.flatMap(\.sparks.keys))
        let whole = rows.filter { !$0.runsOn }.map(\.cells)
        var widths = header.indices.map { column in
            columns.contains(column) ? 0 : ([header] + whole).map { style.shown($0[column]).count }.max() ?? 0
        }
        let others = widths.dropFirst().reduce(0, +) + columns.count * Self.sparkWidths.lowerBound + 2 * (header.count - 1)
        let labelRoom = min(Self.labelWidths.upperBound, max(Self.labelWidths.lowerBound, style.width - others))
        widths[0] = min(labelRoom, max(widths[0], rows.map { style.shown($0.cells[0]).count }.max() ?? 0))
        let room = (style.width - widths.reduce(0, +) - 2 * (header.count - 1)) / max(1, columns.count)
        let longest = rows.flatMap { $0.sparks.values.map(\.count) }.max() ?? 0
        let spark = max(min(room, longest, Self.sparkWidths.upperBound), Self.sparkWidths.lowerBound)
        for column in columns { widths[column] = max(spark, header[column].count) }
        return ([Row(cells: header, sparks: [:])] + rows).map { line($0, widths, spark, style) }
    }

    private func line(_ row: Row, _ widths: [Int], _ spark: Int, _ style: TerminalStyle) -> String {
        let cells = row.cells.indices.map { column -> String in
            let values = row.sparks[column]
            var text =
                values.map { Sparkline.draw($0, width: spark, isUnicode: style.isUnicode) } ?? style.shown(row.cells[column])
            if column == row.cells.count - 1 && values == nil { return text }
            if text.count > widths[column] {
                let head = column == 0 ? (widths[column] - 1) / 2 : widths[column] - 1
                text = text.prefix(head) + (style.isUnicode ? "…" : ".") + text.suffix(widths[column] - 1 - head)
            }
            return text + String(repeating: " ", count: widths[column] - text.count)
        }
        var text = cells.joined(separator: "  ")[...]
        while text.last == " " { text.removeLast() }
        return String(text.count > style.width ? text.prefix(style.width - 1) + (style.isUnicode ? "…" : ".") : text)
    }
}
