import Foundation

/// Why a safetensors file cannot be used.
public struct SafetensorsError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var sentence: String

    init(_ path: String, _ sentence: String) {
        self.path = path
        self.sentence = sentence
    }

    public var description: String { "\(path): \(sentence)" }
}

/// A tensor as a safetensors header describes it.
public struct TensorDescription: Hashable, Sendable {
    public var name: String
    /// The format's own names.
    public enum Element: String, Hashable, Sendable, CaseIterable {
        case f64 = "F64", f32 = "F32", f16 = "F16", bf16 = "BF16"
        case f8e5m2 = "F8_E5M2", f8e4m3 = "F8_E4M3"
        case i64 = "I64", i32 = "I32", i16 = "I16", i8 = "I8"
        case u64 = "U64", u32 = "U32", u16 = "U16", u8 = "U8", bool = "BOOL"

        public var bytes: Int {
            switch self {
            case .f64, .i64, .u64: 8
            case .f32, .i32, .u32: 4
            case .f16, .bf16, .i16, .u16: 2
            case .f8e5m2, .f8e4m3, .i8, .u8, .bool: 1
            }
        }

        /// Whether the elements are numbers with a fraction, as weights are.
        public var isFloatingPoint: Bool {
            switch self {
            case .f64, .f32, .f16, .bf16, .f8e5m2, .f8e4m3: true
            case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: false
            }
        }
    }

    public var element: Element
    public var shape: [Int]
    /// Bytes of the data part.
    public var range: Range<Int>

    /// The product of the shape; 1 for a scalar.
    public var count: Int { shape.reduce(1, *) }
}

/// An open file that values may share; closed with the last of them.
final class OpenFile: Sendable {
    let file: PosixFile
    init(_ file: consuming PosixFile) { self.file = file }
}

/// A safetensors file open for reading: the header is in memory, tensors are read one at a time.
public struct SafetensorsFile: Sendable {
    public let path: String
    /// In the order of their data.
    public let tensors: [TensorDescription]
    public let metadata: [String: String]
    let file: OpenFile
    let dataStart: Int

    /// The limit of the format's own implementation on the header.
    static let headerBytesMax = 100_000_000

    /// Opens a file and checks its header against the file's size.
    ///
    /// - Throws: `SafetensorsError` with what is wrong in one sentence.
    public init(_ path: String) throws(SafetensorsError) {
        self.path = path
        file = try Self.open(path)
        let size = (try? file.file.status().size) ?? 0
        let prefix = try Self.read(file, path, at: 0, count: 8)
        let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard size >= 8, length <= UInt64(Self.headerBytesMax), length <= UInt64(size - 8) else {
            throw SafetensorsError(
                path,
                "the header would be \(length) bytes long in a file of \(size); this is no safetensors file, or a truncated one")
        }
        dataStart = 8 + Int(length)
        let header = try Self.read(file, path, at: 8, count: Int(length))
        (tensors, metadata) = try SafetensorsHeader.parse(header, path: path, dataBytes: size - dataStart)
    }

    /// The bytes of a tensor. Blocking.
    public func bytes(of tensor: TensorDescription) throws(SafetensorsError) -> [UInt8] {
        try Self.read(file, path, at: dataStart + tensor.range.lowerBound, count: tensor.range.count)
    }

    /// The elements of a tensor as float32, whatever its element type. Blocking.
    public func floats(of tensor: TensorDescription) throws(SafetensorsError) -> [Float] {
        let bytes = try bytes(of: tensor)
        return (0..<tensor.count).map { Self.float(bytes, $0, tensor.element) }
    }

    /// The tensor of this name.
    public func tensor(named name: String) -> TensorDescription? { tensors.first { $0.name == name } }

    private static func open(_ path: String) throws(SafetensorsError) -> OpenFile {
        do { return OpenFile(try PosixFile.open(path, 0)) } catch {
            throw SafetensorsError(path, "the file cannot be opened (\(error)); check the path")
        }
    }

    private static func read(_ file: OpenFile, _ path: String, at offset: Int, count: Int) throws(SafetensorsError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        if count == 0 { return bytes }
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        let got: Int
        do { got = try file.file.read(into: &target, at: offset) } catch {
            throw SafetensorsError(path, "the file cannot be read: \(error)")
        }
        guard got == count else {
            throw SafetensorsError(
                path,
                "the file ends after \(offset + got) bytes where \(offset + count) were expected; it is truncated, get it again")
        }
        return bytes
    }

    private static func float(_ bytes: [UInt8], _ index: Int, _ element: TensorDescription.Element) -> Float {
        let start = index * element.bytes
        let bits = bytes[start..<start + element.bytes].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return float(bits, element)
    }

    /// The number that these bits of an element mean.
    static func float(_ bits: UInt64, _ element: TensorDescription.Element) -> Float {
        switch element {
        case .f64: Float(Double(bitPattern: bits))
        case .f32: Float(bitPattern: UInt32(bits))
        case .f16: Float(Float16(bitPattern: UInt16(bits)))
        case .bf16: Float(bitPattern: UInt32(bits) << 16)
        case .i64: Float(Int64(bitPattern: bits))
        case .i32: Float(Int32(bitPattern: UInt32(bits)))
        case .i16: Float(Int16(bitPattern: UInt16(bits)))
        case .i8: Float(Int8(bitPattern: UInt8(bits)))
        case .f8e5m2: Float(Float16(bitPattern: UInt16(bits) << 8))
        case .f8e4m3: eightBits(bits)
        case .u64, .u32, .u16, .u8: Float(bits)
        case .bool: bits == 0 ? 0 : 1
        }
    }

    /// Four bits of exponent with the bias 7, three of mantissa, no infinity, and one NaN of either sign (Micikevicius et al., 2022).
    private static func eightBits(_ bits: UInt64) -> Float {
        let (sign, exponent, mantissa) = (bits & 0x80 == 0 ? Float(1) : -1, Int(bits >> 3 & 15), Float(bits & 7))
        if bits & 0x7F == 0x7F { return .nan }
        if exponent == 0 { return sign * mantissa * 0x1p-9 }
        return sign * Float(sign: .plus, exponent: exponent - 7, significand: 1 + mantissa / 8)
    }
}

/// The JSON header of a safetensors file, from bytes that nobody vouches for.
enum SafetensorsHeader {
    static func parse(_ bytes: [UInt8], path: String, dataBytes: Int) throws(SafetensorsError) -> (
        [TensorDescription], [String: String]
    ) {
        let parsed = try? JSONSerialization.jsonObject(with: Data(bytes))
        guard let object = parsed as? [String: Any] else {
            throw SafetensorsError(path, "the header is not a JSON object; this is no safetensors file, or a damaged one")
        }
        var (tensors, metadata) = ([TensorDescription](), [String: String]())
        for (name, value) in object {
            if name == "__metadata__" {
                guard let strings = value as? [String: String] else {
                    throw SafetensorsError(path, "__metadata__ holds something that is not text; the file is damaged")
                }
                metadata = strings
            } else {
                tensors.append(try tensor(name, value, path))
            }
        }
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound, $0.name) < ($1.range.lowerBound, $1.range.upperBound, $1.name) }
        var end = 0
        for tensor in tensors {
            guard tensor.range.lowerBound == end else {
                throw SafetensorsError(
                    path,
                    "the data of \(tensor.name) begins at \(tensor.range.lowerBound), but what is before it ends at \(end); the file is damaged"
                )
            }
            end = tensor.range.upperBound
        }
        guard end == dataBytes else {
            throw SafetensorsError(
                path, "the header describes \(end) bytes of data, but the file has \(dataBytes); it is truncated or damaged")
        }
        return (tensors, metadata)
    }

    private static func tensor(_ name: String, _ value: Any, _ path: String) throws(SafetensorsError) -> TensorDescription {
        guard let fields = value as? [String: Any], let type = fields["dtype"] as? String, let shape = fields["shape"] as? [Int],
            let offsets = fields["data_offsets"] as? [Int], offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0],
            shape.allSatisfy({ $0 >= 0 })
        else {
            throw SafetensorsError(path, "the header does not say dtype, shape and data_offsets of \(name); the file is damaged")
        }
        guard let element = TensorDescription.Element(rawValue: type) else {
            let known = TensorDescription.Element.allCases.map(\.rawValue).joined(separator: ", ")
            throw SafetensorsError(
                path, "\(name) has the element type \(type), which is not read here; convert it to one of \(known)")
        }
        var bytes = element.bytes
        for size in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
            guard !overflow else {
                throw SafetensorsError(path, "the shape of \(name) is larger than any file; the file is damaged")
            }
            bytes = product
        }
        guard bytes == offsets[1] - offsets[0] else {
            throw SafetensorsError(
                path, "\(name) has the shape \(shape) and \(offsets[1] - offsets[0]) bytes, which do not agree; the file is damaged"
            )
        }
        return TensorDescription(name: name, element: element, shape: shape, range: offsets[0]..<offsets[1])
    }
}
