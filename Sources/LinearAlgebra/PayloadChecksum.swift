import CVectorKernels

/// `VectorKernels.checksum` of bytes that come piece by piece: while a piece is in the nearest cache, its check costs no second reading.
public struct PayloadChecksum {
    /// Every piece but the last is a multiple of so many bytes.
    public static let stride = Int(PLUMB_CHECKSUM_STRIDE)
    /// Bytes of a piece that stays in a near cache, next to what it is made of.
    public static let pieceBytes = 16 << 10

    private var state: InlineArray<64, UInt32> = .init(repeating: 0)
    private var count = 0

    /// The check of nothing yet.
    public init() {
        var span = state.mutableSpan
        unsafe span.withUnsafeMutableBufferPointer { state in
            guard let state = state.baseAddress else { return }
            unsafe VectorKernels.kernels.checksum_begin(state)
        }
    }

    /// Adds a piece that is not the last. O(count).
    public mutating func add(_ bytes: RawSpan) {
        precondition(bytes.byteCount.isMultiple(of: Self.stride), "pieces are whole strides")
        count += bytes.byteCount
        var span = state.mutableSpan
        unsafe span.withUnsafeMutableBufferPointer { state in
            unsafe bytes.withUnsafeBytes { bytes in
                guard let state = state.baseAddress, let base = bytes.baseAddress else { return }
                unsafe VectorKernels.kernels.checksum_add(state, base, bytes.count)
            }
        }
    }

    /// The check of all pieces and of `last`, of any length. O(count).
    public consuming func end(_ last: RawSpan) -> UInt32 {
        let whole = last.byteCount / Self.stride * Self.stride
        add(last.extracting(0..<whole))
        let (rest, total) = (last.extracting(whole..<last.byteCount), count + last.byteCount - whole)
        var span = state.mutableSpan
        return unsafe span.withUnsafeMutableBufferPointer { state in
            unsafe rest.withUnsafeBytes { rest in
                guard let state = state.baseAddress else { return 0 }
                return unsafe VectorKernels.kernels.checksum_end(state, rest.baseAddress, rest.count, total)
            }
        }
    }
}

extension VectorKernels {
    /// y ← x, where `bytes` are the little-endian float32 of x at any alignment; returns their checksum, in one pass.
    ///
    /// `pastCaches`: for elements that are not read again before others take their place in the caches; visible to others after
    /// `StreamingStores.finish()`.
    public static func copyChecked(bytes: RawSpan, into y: inout MutableSpan<Float>, pastCaches: Bool) -> UInt32 {
        precondition(bytes.byteCount == y.count * 4, "four bytes an element")
        var (checksum, place) = (PayloadChecksum(), 0)
        while true {
            let end = min(place + PayloadChecksum.pieceBytes, bytes.byteCount)
            let piece = bytes.extracting(place..<end)
            var target = y.part(place / 4..<end / 4)
            if pastCaches { stream(bytes: piece, into: &target) } else { copy(bytes: piece, into: &target) }
            if end == bytes.byteCount { return checksum.end(piece) }
            checksum.add(piece)
            place = end
        }
    }

    private static func stream(bytes: RawSpan, into y: inout MutableSpan<Float>) {
        unsafe bytes.withUnsafeBytes { x in
            unsafe y.withUnsafeMutableBufferPointer { y in
                guard let from = x.baseAddress, let to = y.baseAddress else { return }
                unsafe plumb_streaming_copy(to, from, y.count)
            }
        }
    }
}
