import LinearAlgebra
import SpectralDiagnostics

/// One layer as weightwatcher shows it.
struct WeightwatcherLayer: Sendable {
    var identifier: Int
    var name: String
    var isKernel: Bool
    /// The smaller and the larger side of its matrices, as weightwatcher has them.
    var (small, large): (Int, Int)
    var receptiveField: Int
    /// Without figures where `reason` says why.
    var columns: WeightwatcherColumns?
    var reason: String?

    /// - Parameters:
    ///   - control, offering: as of `WeightwatcherColumns`.
    init(
        _ item: TensorInventory.Item, identifier: Int, control: ((Int) -> CounterRNG)?, offering: (any OfferedWork) -> Void
    ) throws {
        (self.identifier, isKernel) = (identifier, item.shape.count == 4)
        name = item.name.hasSuffix(".weight") ? String(item.name.dropLast(7)) : item.name
        switch try item.load() {
        case .matrices(let slices):
            let columns = WeightwatcherColumns(of: slices, isKernel: isKernel, control: control, offering: offering)
            (small, large, receptiveField) = (columns.small, columns.large, columns.receptiveField)
            (self.columns, reason) = (columns, columns.reason)
        case .unusable(let text):
            let sides = item.shape.prefix(2).sorted()
            (small, large, receptiveField) = (sides[0], sides[1], item.slices)
            reason = text
        }
    }

    /// Its columns with their text, in weightwatcher's order; text is quoted in JSON alone.
    var fields: [(name: String, field: Field)] {
        let text = [
            ("name", name.split(separator: ".").last.map(String.init) ?? name), ("longname", name),
            // Of tensors without their modules weightwatcher says the same: an embedding is dense.
            ("layer_type", isKernel ? "conv2d" : "dense"), ("status", columns?.status ?? "failed"),
            ("warning", columns?.warning ?? ""),
        ]
        let numbers = [
            ("M", Double(small)), ("N", Double(large)), ("Q", Double(large) / Double(small)), ("rf", Double(receptiveField)),
        ]
        var all = text.map { ($0.0, Field.text($0.1)) } + numbers.map { ($0.0, Field.number(.value($0.1))) }
        all += (columns?.figures ?? []).map { ($0.name, Field.number($0.value)) }
        all.append(("has_esd", .truth(columns != nil && reason == nil)))
        // Capital letters first, as pandas sorts them.
        all.sort { $0.0 < $1.0 }
        let leading = ("layer_id", Field.number(.value(Double(identifier))))
        return ([leading] + all.filter { $0.0 == "name" } + all.filter { $0.0 != "name" }).map { (name: $0.0, field: $0.1) }
    }

    enum Field: Encodable {
        case text(String)
        case number(Measured)
        case truth(Bool)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let value): try container.encode(value.number)
            case .truth(let truth): try container.encode(truth)
            }
        }

        var plain: String {
            switch self {
            case .text(let text): return text
            // As pandas writes it.
            case .truth(let truth): return truth ? "True" : "False"
            case .number(let value):
                guard let number = value.number else { return "" }
                return number == number.rounded() && abs(number) < 1e15 ? String(Int(number)) : "\(number)"
            }
        }
    }
}
