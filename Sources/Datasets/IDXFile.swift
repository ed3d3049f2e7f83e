import LinearAlgebra

/// The IDX format of the MNIST family: a magic number, the sizes, then the values, big-endian; plain or gzip.
struct IDXFile {
    let path: String
    let sizes: [Int]
    private let type: UInt8
    private let bytes: [UInt8]
    private let dataStart: Int

    private static let elementBytes: [UInt8: Int] = [0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8]

    init(_ path: String) throws(DatasetError) {
        try self.init(GzipFile.read(path), path: path)
    }

    init(_ bytes: [UInt8], path: String) throws(DatasetError) {
        self.path = path
        self.bytes = bytes
        guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0, let width = Self.elementBytes[bytes[2]], (1...8).contains(bytes[3])
        else {
            throw DatasetError(
                path, "the file does not begin like an IDX file (two zero bytes, a type, a count of sizes); is it another format?")
        }
        type = bytes[2]
        dataStart = 4 + 4 * Int(bytes[3])
        guard bytes.count >= dataStart else {
            throw DatasetError(path, "the file ends in its header; it is truncated, get it again")
        }
        var sizes: [Int] = []
        for place in 0..<Int(bytes[3]) {
            sizes.append(bytes[(4 + 4 * place)..<(8 + 4 * place)].reduce(0) { $0 << 8 | Int($1) })
        }
        self.sizes = sizes
        // With a size of zero the product of the others has no bound.
        guard !sizes.contains(0) else {
            throw DatasetError(
                path,
                "the header promises \(sizes.map(String.init).joined(separator: " × ")) values, which is none; get the file again")
        }
        var count = 1
        for size in sizes {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, product <= GzipFile.bytesMax else {
                throw DatasetError(
                    path, "the header promises \(sizes.map(String.init).joined(separator: " × ")) values, which no memory holds")
            }
            count = product
        }
        guard bytes.count - dataStart == count * width else {
            throw DatasetError(
                path,
                "the header promises \(sizes.map(String.init).joined(separator: " × ")) values of \(width) bytes, but \(bytes.count - dataStart) bytes follow; the file is damaged or truncated, get it again"
            )
        }
    }

    /// The value at `index`, bytes as 0…1.
    private func value(_ index: Int) -> Float {
        switch type {
        case 0x08: Float(bytes[dataStart + index]) / 255
        case 0x09: Float(Int8(bitPattern: bytes[dataStart + index]))
        case 0x0B: Float(Int16(bitPattern: UInt16(bits(index, 2))))
        case 0x0C: Float(Int32(bitPattern: UInt32(bits(index, 4))))
        case 0x0D: Float(bitPattern: UInt32(bits(index, 4)))
        default: Float(Double(bitPattern: bits(index, 8)))
        }
    }

    private func bits(_ index: Int, _ width: Int) -> UInt64 {
        let start = dataStart + index * width
        return bytes[start..<start + width].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// One row of features an example, the first size counting examples.
    func features() throws(DatasetError) -> Matrix {
        guard sizes.count >= 2 else {
            throw DatasetError(path, "the file holds single numbers, not images; is it the labels' file?")
        }
        let (rows, columns) = (sizes[0], sizes.dropFirst().reduce(1, *))
        var matrix = Matrix(rows: rows, columns: columns)
        var elements = matrix.mutableSpan
        for index in 0..<rows * columns { elements[index] = value(index) }
        if !VectorKernels.allFinite(matrix.span) { throw DatasetError(path, "a value is NaN or infinite; clean the data") }
        return matrix
    }

    /// One class an example.
    func labels() throws(DatasetError) -> [Int32] {
        guard sizes.count == 1, type == 0x08 else {
            throw DatasetError(
                path,
                "labels are one byte each in one dimension, but the file has \(sizes.count) dimensions; is it the images' file?")
        }
        return bytes[dataStart...].map { Int32($0) }
    }
}

extension Dataset {
    /// Images and labels of the MNIST family, plain or gzip; bytes become 0…1.
    ///
    /// - Throws: `DatasetError` when a file is missing, truncated, damaged, or the two do not belong together.
    public init(idxImages images: String, labels: String, name: String = "idx") throws(DatasetError) {
        let features = try IDXFile(images).features()
        let classes = try IDXFile(labels).labels()
        guard features.rows == classes.count else {
            throw DatasetError(
                images, "there are \(features.rows) images, but \(labels) has \(classes.count) labels; give two files of one set")
        }
        guard let largest = classes.max() else { throw DatasetError(images, "the file holds no images") }
        self.init(name: name, features: features, labels: classes, classes: max(2, Int(largest) + 1))
    }
}
