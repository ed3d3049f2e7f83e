import LinearAlgebra

/// A table of numbers: one example a line, cells divided by commas, semicolons or tabs; plain or gzip.
struct CSVTable {
    let path: String
    let header: [String]?
    let rows: [[Float]]

    init(_ path: String, hasHeader: Bool?) throws(DatasetError) {
        try self.init(GzipFile.read(path), path: path, hasHeader: hasHeader)
    }

    /// `hasHeader` nil: the first line is a header when one of its cells is no number.
    init(_ bytes: [UInt8], path: String, hasHeader: Bool?) throws(DatasetError) {
        self.path = path
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DatasetError(path, "the text is not UTF-8; save it as UTF-8")
        }
        var lines = text.split(whereSeparator: \.isNewline).enumerated().map {
            (number: $0.offset + 1, cells: Self.cells($0.element))
        }
        lines.removeAll { $0.cells.count == 1 && $0.cells[0].isEmpty }
        guard let first = lines.first else { throw DatasetError(path, "the file is empty") }
        let isHeader = hasHeader ?? first.cells.contains { Float($0) == nil }
        header = isHeader ? first.cells : nil
        if isHeader { lines.removeFirst() }
        guard !lines.isEmpty else { throw DatasetError(path, "the file has a header and no examples") }
        var rows: [[Float]] = []
        rows.reserveCapacity(lines.count)
        for line in lines {
            guard line.cells.count == first.cells.count else {
                throw DatasetError(
                    path,
                    "line \(line.number) has \(line.cells.count) cells, the first line \(first.cells.count); every line needs the same"
                )
            }
            var row: [Float] = []
            for (column, cell) in line.cells.enumerated() {
                guard let value = Float(cell), value.isFinite else {
                    throw DatasetError(
                        path, "line \(line.number), column \(column + 1) holds \"\(cell.prefix(40))\", which is no finite number")
                }
                row.append(value)
            }
            rows.append(row)
        }
        self.rows = rows
    }

    private static func cells(_ line: Substring) -> [String] {
        line.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "," || $0 == ";" || $0 == "\t" }).map { cell in
            var cell = cell.drop { $0 == " " || $0 == "\"" }
            while let last = cell.last, last == " " || last == "\"" || last == "\r" { cell.removeLast() }
            return String(cell)
        }
    }

    /// The column called `label` by name or number from 1; the last one for nil.
    func column(_ label: String?) throws(DatasetError) -> Int {
        let count = rows[0].count
        guard let label else { return count - 1 }
        if let place = header?.firstIndex(of: label) { return place }
        if let number = Int(label), (1...count).contains(number) { return number - 1 }
        let known =
            header.map { "its columns are \($0.prefix(20).joined(separator: ", "))" }
            ?? "it has no header; give a number from 1 to \(count)"
        throw DatasetError(path, "there is no column \(label); \(known)")
    }
}

extension Dataset {
    /// A table whose column `label` (a name, or a number from 1; the last column for nil) holds the class as a whole number from 0.
    ///
    /// - Throws: `DatasetError` with the line and column of what cannot be read.
    public init(csv path: String, label: String? = nil, hasHeader: Bool? = nil, name: String = "csv") throws(DatasetError) {
        try self.init(CSVTable(path, hasHeader: hasHeader), label: label, name: name, scale: 1)
    }

    init(_ table: CSVTable, label: String?, name: String, scale: Float) throws(DatasetError) {
        let labelColumn = try table.column(label)
        let width = table.rows[0].count - 1
        guard width >= 1 else { throw DatasetError(table.path, "there is one column only; an example needs features and a class") }
        var features = Matrix(rows: table.rows.count, columns: width)
        var elements = features.mutableSpan
        var labels: [Int32] = []
        for (index, row) in table.rows.enumerated() {
            let value = row[labelColumn]
            guard value >= 0, value < 1_000_000, value == value.rounded() else {
                throw DatasetError(
                    table.path,
                    "example \(index + 1) has the class \(value); classes are whole numbers from 0, choose another label column")
            }
            labels.append(Int32(value))
            var place = index * width
            for (column, cell) in row.enumerated() where column != labelColumn {
                elements[place] = cell * scale
                place += 1
            }
        }
        self.init(name: name, features: features, labels: labels, classes: max(2, Int(labels.max() ?? 0) + 1))
    }
}
