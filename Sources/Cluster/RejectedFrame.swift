import ParameterServer
import WireProtocol

/// Why a well-formed frame does not fit this run.
enum RejectedFrame: Error, CustomStringConvertible {
    case checksum(FrameHeader.Kind)
    case misdirected(FrameHeader.Kind)
    case forged(sender: WorkerID)
    case stranger
    case unknownChunk(UInt32)
    case shape(count: Int, expected: Int)
    case unexpected(String)

    var description: String {
        switch self {
        case .checksum(let kind): "the payload of a \(kind) frame does not have the checksum that its header states"
        case .misdirected(let kind): "a \(kind) frame is not for this receiver"
        case .forged(let sender): "a frame says that \(sender) sent it, but it came over another worker's connection"
        case .stranger: "the sender is no member of this run"
        case .unknownChunk(let index): "there is no chunk \(index) in this run's plan"
        case .unexpected(let sentence): sentence
        case .shape(let count, let expected): "a frame carries \(count) elements where this run's plan has \(expected)"
        }
    }
}
