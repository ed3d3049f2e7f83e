import Foundation

/// The JSON header of a safetensors file, from bytes that nobody vouches for.
enum SafetensorsHeader {
    static func parse(_ bytes: [UInt8], path: String, dataBytes: Int) throws(SafetensorsError) -> (
        [TensorDescription], [String: String]
    ) {
        // A reader of JSON would take other encodings too, and then names are not what the bytes show.
        let isText = bytes.first == UInt8(ascii: "{") && !bytes.contains(0) && String(validating: bytes, as: UTF8.self) != nil
        let parsed = isText ? try? JSONSerialization.jsonObject(with: Data(bytes)) : nil
        guard let object = parsed as? [String: Any] else {
            throw SafetensorsError(path, "the header is not a JSON object; this is no safetensors file, or a damaged one")
        }
        let fields = object.values.reduce(0) { $0 + (($1 as? [String: Any])?.count ?? 0) }
        try refuseRepeatedNames(bytes, among: object.count, fields: fields, path)
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
        let length = offsets[1] - offsets[0]
        let tensor = TensorDescription(name: name, elementName: type, shape: shape, range: offsets[0]..<offsets[1])
        // A 0 among the sizes must not hide that the others have no product: a matrix of some of them may be asked for.
        var most = tensor.element?.bytes ?? 1
        for size in shape {
            let (product, overflow) = most.multipliedReportingOverflow(by: max(1, size))
            guard !overflow else {
                throw SafetensorsError(path, "the shape of \(name) is larger than any file; the file is damaged")
            }
            most = product
        }
        guard let element = tensor.element else { return tensor }
        guard tensor.count * element.bytes == length else {
            throw SafetensorsError(
                path, "\(name) has the shape \(shape) and \(length) bytes, which do not agree; the file is damaged")
        }
        return tensor
    }
}
