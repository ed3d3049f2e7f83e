import LinearAlgebra
import Testing

@Suite("A payload's checksum, piece by piece")
struct PayloadChecksumTests {
    static let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: ($0 &* $0) >> 3) }

    @Test("is that of the whole, whatever the pieces", arguments: [0, 1, 255, 256, 257, 5000, 16_384, 16_385, 40_000])
    func pieces(count: Int) {
        let whole = unsafe VectorKernels.checksum(Self.bytes.span.bytes.extracting(0..<count))
        for piece in [256, 1024, 16_384] {
            var (checksum, place) = (PayloadChecksum(), 0)
            while place + piece <= count {
                checksum.add(unsafe Self.bytes.span.bytes.extracting(place..<place + piece))
                place += piece
            }
            #expect(checksum.end(unsafe Self.bytes.span.bytes.extracting(place..<count)) == whole)
        }
    }

    @Test("comes with a copy, from any alignment, near and past the caches", arguments: [0, 1, 15, 1000, 4096, 9999])
    func copies(count: Int) {
        for (offset, pastCaches) in [(0, false), (1, false), (0, true), (3, true)] {
            let source = unsafe Self.bytes.span.bytes.extracting(offset..<offset + 4 * min(count, 9990))
            let target = FloatMemory(count: source.byteCount / 4)
            var values = target.mutableSpan
            let checksum = VectorKernels.copyChecked(bytes: source, into: &values, pastCaches: pastCaches)
            StreamingStores.finish()
            #expect(checksum == VectorKernels.checksum(source))
            #expect(unsafe VectorKernels.checksum(target.span.bytes) == checksum)
        }
    }

    @Test("tells pieces that have changed places")
    func order() {
        let first = unsafe Self.bytes.span.bytes.extracting(0..<256)
        let second = unsafe Self.bytes.span.bytes.extracting(256..<512)
        var (right, wrong) = (PayloadChecksum(), PayloadChecksum())
        right.add(first)
        wrong.add(second)
        #expect(right.end(second) != wrong.end(first))
    }
}
