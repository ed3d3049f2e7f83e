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

    /// nil for a type that is not read here, as complex numbers.
    public var element: Element? { Element(rawValue: elementName) }
    /// The type as the header names it.
    public var elementName: String
    /// No product of sizes overflows, those that are not 0 among a 0 included.
    public var shape: [Int]
    /// Bytes of the data part.
    public var range: Range<Int>

    /// The product of the shape; 1 for a scalar.
    public var count: Int { shape.reduce(1, *) }
}
