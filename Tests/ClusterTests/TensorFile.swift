import Foundation

/// A safetensors file of any element types, made here so that it is independent of what reads it.
struct TensorFile {
    var tensors: [(name: String, element: String, shape: [Int], bytes: Data)] = []

    mutating func add(_ name: String, _ shape: [Int], _ values: (Int) -> Float) {
        let floats = (0..<shape.reduce(1, *)).map(values)
        tensors.append((name, "F32", shape, Data(floats.flatMap { Self.littleEndian($0.bitPattern) })))
    }

    static func littleEndian(_ bits: some FixedWidthInteger) -> [UInt8] {
        (0..<bits.bitWidth / 8).map { UInt8(truncatingIfNeeded: bits >> ($0 * 8)) }
    }

    func write(to path: String) throws {
        var (header, data) = ([String: Any](), Data())
        for tensor in tensors {
            header[tensor.name] = [
                "dtype": tensor.element, "shape": tensor.shape, "data_offsets": [data.count, data.count + tensor.bytes.count],
            ]
            data += tensor.bytes
        }
        let text = try JSONSerialization.data(withJSONObject: header)
        try (Data(Self.littleEndian(UInt64(text.count))) + text + data).write(to: URL(filePath: path))
    }
}

/// Multiples of 1/8 below 2, which every element type holds exactly; the same for the same place.
func exactElement(_ index: Int) -> Float {
    var bits = UInt32(truncatingIfNeeded: index) &* 2_654_435_761
    bits = (bits ^ bits >> 15) &* 2_246_822_519
    return Float(Int((bits ^ bits >> 13) % 31) - 15) / 8
}
