import CZlib
import Foundation

/// The bytes of a file, inflated when it is a gzip stream.
enum GzipFile {
    /// Limit on what a file may inflate to, 4 GiB: more would be a mistake, not a data set for memory.
    static let bytesMax = 4 << 30

    /// Reads a whole file.
    static func read(_ path: String) throws(DatasetError) -> [UInt8] {
        let bytes: [UInt8]
        do { bytes = [UInt8](try Data(contentsOf: URL(filePath: path))) } catch {
            let exists = FileManager.default.fileExists(atPath: path)
            throw DatasetError(
                path, exists ? "the file cannot be read; check its permissions" : "there is no such file; check the path")
        }
        guard bytes.count >= 2, bytes[0] == 0x1F, bytes[1] == 0x8B else { return bytes }
        return try inflated(bytes, name: path)
    }

    /// Inflates a gzip stream, member after member.
    static func inflated(_ bytes: [UInt8], name: String, limit: Int = bytesMax) throws(DatasetError) -> [UInt8] {
        var stream = unsafe z_stream()
        guard unsafe inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw DatasetError(name, "zlib could not start; is memory short?")
        }
        defer { unsafe inflateEnd(&stream) }
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var consumed = 0
        while true {
            let (status, read, written) = unsafe step(&stream, bytes, from: consumed, into: &buffer)
            consumed += read
            output.append(contentsOf: buffer[..<written])
            if output.count > limit {
                throw DatasetError(name, "the file inflates to more than \(limit) bytes; it is no data set for memory")
            }
            if status == Z_STREAM_END {
                if consumed == bytes.count { return output }
                guard unsafe inflateReset(&stream) == Z_OK else { throw DatasetError(name, "zlib could not go on") }
            } else if status != Z_OK || (read == 0 && written == 0) {
                let truncated = status == Z_BUF_ERROR || status == Z_OK
                throw DatasetError(
                    name,
                    truncated
                        ? "the gzip stream ends after \(consumed) bytes, in the middle; the file is truncated, get it again"
                        : "the gzip stream is damaged after \(consumed) bytes; get the file again")
            }
        }
    }

    private static func step(_ stream: inout z_stream, _ input: [UInt8], from: Int, into output: inout [UInt8]) -> (Int32, Int, Int)
    {
        let (capacity, left) = (output.count, min(input.count - from, 1 << 30))
        return unsafe input.withUnsafeBufferPointer { input in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.advanced(by: from))
                unsafe stream.avail_in = UInt32(left)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(capacity)
                let status = unsafe inflate(&stream, Z_NO_FLUSH)
                return (status, left - Int(unsafe stream.avail_in), capacity - Int(unsafe stream.avail_out))
            }
        }
    }
}
