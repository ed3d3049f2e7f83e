extension SafetensorsFile {
    /// Reads the elements of a tensor as float32 into `target`, [tensor.count], with at most 4 MiB beside it. Blocking; any thread.
    ///
    /// - Throws: `SafetensorsError` when the file ends early or cannot be read.
    public func read(_ tensor: TensorDescription, into target: inout MutableSpan<Float>) throws(SafetensorsError) {
        precondition(target.count == tensor.count, "one element of the target for each of the tensor")
        let (element, start) = (try readable(tensor), dataStart + tensor.range.lowerBound)
        if element == .f32 {
            var bytes = unsafe target.mutableBytes
            return try fill(&bytes, at: start)
        }
        let (size, length) = (element.bytes, tensor.count)
        let step = (4 << 20) / size
        var chunk = [UInt8](repeating: 0, count: min(step, length) * size)
        for first in stride(from: 0, to: length, by: step) {
            let count = min(step, length - first)
            if chunk.count > count * size { chunk.removeLast(chunk.count - count * size) }
            do {
                var span = chunk.mutableSpan
                var bytes = unsafe span.mutableBytes
                try fill(&bytes, at: start + first * size)
            }
            unsafe Self.convert(chunk.span.bytes, element, into: &target, from: first, count)
        }
    }

    /// The largest |x| of a tensor of float64, NaN and infinity left out; nil when it has neither 0 nor a number. O(elements). Blocking; any thread.
    ///
    /// - Throws: as `read(_:into:)`.
    public func largestMagnitude(ofDoubles tensor: TensorDescription) throws(SafetensorsError) -> Double? {
        precondition(tensor.element == .f64, "elements of float64")
        var largest: Double?
        let step = (4 << 20) / 8
        for first in stride(from: 0, to: tensor.count, by: step) {
            var chunk = [UInt64](repeating: 0, count: min(step, tensor.count - first))
            do {
                var span = chunk.mutableSpan
                var bytes = unsafe span.mutableBytes
                try fill(&bytes, at: dataStart + tensor.range.lowerBound + first * 8)
            }
            for bits in chunk {
                let magnitude = abs(Double(bitPattern: UInt64(littleEndian: bits)))
                if magnitude.isFinite { largest = max(largest ?? 0, magnitude) }
            }
        }
        return largest
    }

    private func fill(_ bytes: inout MutableRawSpan, at offset: Int) throws(SafetensorsError) {
        let got: Int
        do { got = try file.file.read(into: &bytes, at: offset) } catch {
            throw SafetensorsError(path, "the file cannot be read: \(error)")
        }
        guard got == bytes.byteCount else {
            throw SafetensorsError(
                path,
                "the file ends after \(offset + got) bytes where \(offset + bytes.byteCount) were expected; it is truncated, get it again"
            )
        }
    }

    /// target[first + i] ← element i of the bytes.
    private static func convert(
        _ bytes: RawSpan, _ element: TensorDescription.Element, into target: inout MutableSpan<Float>, from first: Int, _ count: Int
    ) {
        switch element.bytes {
        case 8:
            for index in 0..<count {
                target[first + index] = float(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self), element)
            }
        case 4:
            for index in 0..<count {
                let bits = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                target[first + index] = float(UInt64(bits), element)
            }
        case 2:
            for index in 0..<count {
                let bits = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                target[first + index] = float(UInt64(bits), element)
            }
        default:
            for index in 0..<count {
                target[first + index] = float(UInt64(unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)), element)
            }
        }
    }
}
