import Checksums
import Foundation
import Glibc
import LinearAlgebra
import ParameterServer

@testable import Datasets
@testable import ExperimentFile
@testable import RunStore
@testable import WireProtocol

/// Everything that reads bytes which nobody vouches for. Each entry hands them to the decoder as a run would, and then
/// checks what a decoder must hold beyond not crashing: what it accepts, it writes again as the same value.
enum Decoder: String, CaseIterable {
    case frame, control, safetensors, idx, csv, gzip, yaml, manifest

    func read(_ bytes: [UInt8]) {
        switch self {
        case .frame: Self.frame(bytes)
        case .control: Self.control(bytes)
        case .safetensors: Self.safetensors(bytes)
        case .idx: Self.idx(bytes)
        case .csv: Self.csv(bytes)
        case .gzip: Self.gzip(bytes)
        case .yaml: Self.yaml(bytes)
        case .manifest: Self.manifest(bytes)
        }
    }

    /// A first part of a message, then the payload. A header whose checksum is wrong is tried again with the right one: no mutation
    /// guesses a checksum, and a malicious peer computes it.
    private static func frame(_ bytes: [UInt8]) {
        frameAsSent(bytes)
        guard bytes.count >= FrameHeader.byteCount else { return }
        var sealed = bytes
        let covered = FrameHeader.byteCount - 4
        let checksum = unsafe CRC32C.checksum(bytes.span.bytes.extracting(0..<covered))
        for place in 0..<4 { sealed[covered + place] = UInt8(truncatingIfNeeded: checksum >> (8 * UInt32(place))) }
        frameAsSent(sealed)
    }

    private static func frameAsSent(_ bytes: [UInt8]) {
        let head = Array(bytes.prefix(FrameHeader.byteCount))
        guard let header = try? FrameHeader.decode(head) else { return }
        precondition(header.encoded() == head, "a header that decodes is the one its value encodes to")
        precondition(header.payloadBytes <= FrameHeader.payloadBytesMax, "no payload beyond the limit")
        try? header.checkPayload(byteCount: bytes.count - head.count)
    }

    private static func control(_ bytes: [UInt8]) {
        guard let message = try? ControlMessage.decode(bytes) else { return }
        guard let encoded = try? message.encoded() else {
            preconditionFailure("a message that decodes can be sent")
        }
        precondition((try? ControlMessage.decode(encoded)) == message, "a message survives the way there and back")
    }

    /// A real file, so that the decoder opens, seeks and reads as it does on a disk.
    private static func safetensors(_ bytes: [UInt8]) {
        let path = NamelessFile.shared.holding(bytes)
        guard let file = try? SafetensorsFile(path) else { return }
        var total = 0
        for tensor in file.tensors {
            guard let values = try? file.floats(of: tensor) else { continue }
            precondition(values.count == tensor.count, "as many values as the shape says")
            total += tensor.range.count
        }
        precondition(total < bytes.count, "tensors do not overlap")
    }

    private static func idx(_ bytes: [UInt8]) {
        guard let file = try? IDXFile(bytes, path: "fuzz.idx") else { return }
        _ = try? file.features()
        _ = try? file.labels()
    }

    private static func csv(_ bytes: [UInt8]) {
        guard let table = try? CSVTable(bytes, path: "fuzz.csv", hasHeader: nil) else { return }
        for label in [nil, "1", "class"] {
            guard let data = try? Dataset(table, label: label, name: "fuzz", scale: 1) else { continue }
            precondition(data.labels.count == data.features.rows, "a class for each example")
        }
    }

    private static func gzip(_ bytes: [UInt8]) {
        let limit = 1 << 20
        guard let inflated = try? GzipFile.inflated(bytes, name: "fuzz.gz", limit: limit) else { return }
        precondition(inflated.count <= limit, "the limit holds")
    }

    /// The text of an experiment, its first line perhaps an override as `--set` takes it.
    private static func yaml(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        _ = try? Experiment(yaml: text, source: "fuzz.yaml")
        guard let end = text.firstIndex(of: "\n") else { return }
        _ = try? Experiment(yaml: String(text[end...]), source: "fuzz.yaml", overrides: [String(text[..<end])])
    }

    private static func manifest(_ bytes: [UInt8]) {
        guard let manifest = try? SnapshotManifest(decoding: bytes, path: "fuzz.json") else { return }
        guard let encoded = try? manifest.encoded() else { preconditionFailure("a manifest that decodes can be written") }
        precondition((try? SnapshotManifest(decoding: encoded, path: "fuzz.json")) == manifest, "and read again")
    }
}

/// One file without a name that is rewritten for every input; `/proc` still has a path to it.
private final class NamelessFile: Sendable {
    static let shared = NamelessFile()
    private let descriptor: Int32

    private init() {
        var path = Array("/dev/shm/plumb-fuzz-XXXXXX".utf8CString)
        descriptor = unsafe mkstemp(&path)
        precondition(descriptor >= 0, "a file to write inputs to")
        unsafe unlink(path)
    }

    func holding(_ bytes: [UInt8]) -> String {
        precondition(ftruncate(descriptor, 0) == 0)
        let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        precondition(written == bytes.count || bytes.isEmpty)
        return "/proc/self/fd/\(descriptor)"
    }
}
