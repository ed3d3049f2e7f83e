import Foundation

/// Why a safetensors file cannot be used.
public struct SafetensorsError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var sentence: String

    init(_ path: String, _ sentence: String) {
        self.path = path
        // It may quote names of a hostile file.
        self.sentence = sentence.escapedForTerminal
    }

    public var description: String { "\(path): \(sentence)" }
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

    /// The bytes of a tensor. Blocking; any thread.
    public func bytes(of tensor: TensorDescription) throws(SafetensorsError) -> [UInt8] {
        try Self.read(file, path, at: dataStart + tensor.range.lowerBound, count: tensor.range.count)
    }

    /// The elements of a tensor as float32, whatever its element type. Blocking.
    public func floats(of tensor: TensorDescription) throws(SafetensorsError) -> [Float] {
        let (element, bytes) = (try readable(tensor), try bytes(of: tensor))
        return (0..<tensor.count).map { Self.float(bytes, $0, element) }
    }

    /// The element type of a tensor that can be read.
    func readable(_ tensor: TensorDescription) throws(SafetensorsError) -> TensorDescription.Element {
        if let element = tensor.element { return element }
        let known = TensorDescription.Element.allCases.map(\.rawValue).joined(separator: ", ")
        throw SafetensorsError(
            path, "\(tensor.name) has the element type \(tensor.elementName), which is not read here; convert it to one of \(known)"
        )
    }

    /// The tensor of this name.
    public func tensor(named name: String) -> TensorDescription? { tensors.first { $0.name == name } }

    private static func open(_ path: String) throws(SafetensorsError) -> OpenFile {
        let (file, status): (OpenFile, PosixFile.Status)
        do {
            // A pipe that nobody writes would be waited for.
            file = OpenFile(try PosixFile.open(path, O_RDONLY | O_NONBLOCK))
            status = try file.file.status()
        } catch { throw SafetensorsError(path, "the file cannot be opened (\(error)); check the path") }
        guard status.isRegular else {
            let kind = status.isDirectory ? "a directory" : "a pipe or a device"
            throw SafetensorsError(path, "this is \(kind), and a safetensors file is read at many places; name a file on a disk")
        }
        return file
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
