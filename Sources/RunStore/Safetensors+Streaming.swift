extension SafetensorsFile {
    /// Reads the elements of a tensor as float32 into `target`, [tensor.count], with at most 4 MiB beside it. Blocking; any thread.
    ///
    /// - Throws: `SafetensorsError` when the file ends early or cannot be read.
    public func read(_ tensor: TensorDescription, into target: inout MutableSpan<Float>) throws(SafetensorsError) {
        precondition(target.count == tensor.count, "one element of the target for each of the tensor")
        let start = dataStart + tensor.range.lowerBound
        if tensor.element == .f32 {
            var bytes = unsafe target.mutableBytes
            return try fill(&bytes, at: start)
        }
        let (size, length) = (tensor.element.bytes, tensor.count)
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
            unsafe Self.convert(chunk.span.bytes, tensor.element, into: &target, from: first, count)
        }
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
