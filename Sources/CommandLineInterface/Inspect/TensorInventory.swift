import Cluster
import LinearAlgebra
import RunStore
import SpectralDiagnostics

/// What of a file can be examined, and why the rest cannot; nothing is read but the header.
struct TensorInventory: Sendable {
    /// Matrices to examine together, read when they are needed.
    struct Item: Sendable {
        var name: String
        /// The format's name of the element type, or `map` for a layer's map.
        var element: String
        /// What the elements are rounded to.
        var precision: ElementPrecision
        var shape: [Int]
        /// rows × columns of one matrix, and how many.
        var slices: Int
        var load: @Sendable () throws -> Loaded

        /// Operations of the whole spectrum, but for a factor.
        var cost: Double {
            let sides = shape.prefix(2).map { Double($0) }
            return sides.reduce(Double(slices), *) * (sides.min() ?? 0)
        }
    }

    /// What reading an item gave.
    enum Loaded {
        /// None of an empty tensor.
        case matrices([Matrix])
        /// Why the numbers are not those of the file.
        case unusable(String)
    }

    struct Skipped: Sendable, Encodable {
        var name: String
        var shape: [Int]
        var reason: String
    }

    private(set) var items: [Item] = []
    private(set) var skipped: [Skipped] = []

    init(_ file: SafetensorsFile, _ selection: NameSelection) {
        let isCheckpoint = file.metadata["format"] == Checkpoints.format
        for tensor in file.tensors where selection.contains(tensor.name) {
            // Moments of an optimizer are no weights.
            if isCheckpoint && tensor.name.hasPrefix("optimizer.") { continue }
            if let reason = Self.reason(against: tensor) {
                skipped.append(Skipped(name: tensor.name, shape: tensor.shape, reason: reason))
            } else {
                items.append(
                    Item(
                        name: tensor.name, element: tensor.elementName, precision: Self.precision(tensor.element),
                        shape: tensor.shape,
                        slices: tensor.shape.dropFirst(2).reduce(1, *), load: { try Self.load(tensor, of: file) }))
            }
        }
    }

    mutating func append(_ item: Item) { items.append(item) }

    /// float64 is rounded to float32 as it is read.
    private static func precision(_ element: TensorDescription.Element?) -> ElementPrecision {
        switch element {
        case .f16: .float16
        case .bf16: .bfloat16
        case .f8e4m3: .float8e4m3
        case .f8e5m2: .float8e5m2
        case .f64, .f32, .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool, nil: .float32
        }
    }

    private static func reason(against tensor: TensorDescription) -> String? {
        guard let element = tensor.element else {
            return "elements of the type \(tensor.elementName.escapedForTerminal) are not read here"
        }
        if !element.isFloatingPoint { return "\(element.rawValue) elements are no weights" }
        switch tensor.shape.count {
        case 0: return "a scalar has no spectrum"
        case 1: return "a vector has no spectrum"
        case 2, 3, 4: return nil
        default: return "a tensor of \(tensor.shape.count) dimensions is neither a matrix nor a kernel of one or two"
        }
    }
}
