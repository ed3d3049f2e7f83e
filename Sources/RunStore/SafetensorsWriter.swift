import Crypto
import Foundation

/// Writes float32 tensors as a safetensors file, whole or not at all.
public struct SafetensorsWriter {
    private var entries: [(name: String, shape: [Int], values: [Float])] = []
    private var metadata: [String: String]

    /// A file that will carry this metadata.
    public init(metadata: [String: String] = [:]) { self.metadata = metadata }

    /// Adds a tensor; its SHA-256 goes into the metadata as `sha256.NAME`. `values` are row-major.
    public mutating func add(_ name: String, shape: [Int], values: [Float]) {
        precondition(values.count == shape.reduce(1, *), "as many values as the shape says")
        entries.append((name, shape, values))
        metadata["sha256.\(name)"] = Self.digest(values)
    }

    /// SHA-256, in hexadecimal, of the little-endian bytes.
    public static func digest(_ values: [Float]) -> String {
        var hash = SHA256()
        unsafe values.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        return hash.finalize().hexadecimal
    }

    /// Writes a temporary file beside `path`, syncs it, renames it and syncs the directory. Blocking.
    ///
    /// - Returns: the SHA-256 of the file.
    /// - Throws: `SafetensorsError` when the disk does not take it.
    @discardableResult
    public func write(to path: String) throws(SafetensorsError) -> String {
        do {
            var file = try DurableFile(path: path, on: PosixDisk())
            let header = header()
            let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) }
            unsafe try file.write(length.span.bytes)
            unsafe try file.write(header.span.bytes)
            for entry in entries { try file.write(unsafe entry.values.span.bytes) }
            return try file.commit()
        } catch { throw SafetensorsError(path, "the file cannot be written: \(error)") }
    }

    /// Padded with spaces, so that the data begins at a multiple of eight.
    private func header() -> [UInt8] {
        var text: [UInt8] = Array("{\"__metadata__\":".utf8)
        text += Array(JSONText.object(metadata).utf8)
        var offset = 0
        for entry in entries {
            text += Array(",".utf8)
            JSONText.append(entry.name, to: &text)
            let shape = entry.shape.map(String.init).joined(separator: ",")
            let end = offset + entry.values.count * 4
            text += Array(":{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}".utf8)
            offset = end
        }
        text += Array("}".utf8)
        while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
        return text
    }
}
