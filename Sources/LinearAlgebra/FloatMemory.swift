/// Float32 memory that several threads, or processes, use by an agreement of their own: who writes which part when is theirs to say.
///
/// What is lent out is a span for the length of a call. On a 64-byte boundary.
@safe
public final class FloatMemory: @unchecked Sendable {
    // Sendable: the users of a memory agree on who writes which part of it when (a lane fills a gradient's chunk before it tells of it; a
    // version's chunk is written before it is announced), and pass that on with the synchronisation of a queue or a socket.
    private let elements: UnsafeMutableBufferPointer<Float>
    /// Whose memory it is; nil when it is the process's own.
    private let owner: (any AnyObject & Sendable)?
    public let count: Int

    /// `count` zeros. O(count), or O(1) where the pages are fresh.
    public init(count: Int) {
        precondition(count >= 0, "memory cannot have fewer than zero elements")
        let storage = AlignedStorage(count: count)
        (owner, self.count) = (storage, count)
        unsafe elements = storage.elements
    }

    /// The memory at `elements`, which belongs to `owner` and lasts as long.
    @unsafe
    public init(_ elements: UnsafeMutableBufferPointer<Float>, of owner: any AnyObject & Sendable) {
        unsafe self.elements = elements
        self.owner = owner
        count = elements.count
    }

    /// The elements at `range`, which nobody writes meanwhile.
    @_lifetime(borrow self)
    public func floats(_ range: Range<Int>) -> Span<Float> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "the range lies in the memory")
        let span = unsafe Span(_unsafeElements: UnsafeBufferPointer(rebasing: elements[range]))
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// All elements, which nobody writes meanwhile.
    public var span: Span<Float> {
        @_lifetime(borrow self)
        get { floats(0..<count) }
    }

    /// All elements for writing, which nobody else touches meanwhile.
    public var mutableSpan: MutableSpan<Float> {
        @_lifetime(borrow self)
        get { mutableFloats(0..<count) }
    }

    /// The elements at `range` for writing, which nobody else touches meanwhile.
    @_lifetime(borrow self)
    public func mutableFloats(_ range: Range<Int>) -> MutableSpan<Float> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "the range lies in the memory")
        let span = unsafe MutableSpan(_unsafeElements: UnsafeMutableBufferPointer(rebasing: elements[range]))
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Calls `body` with the memory's own bytes, for libraries that read them later; `self` must be kept until they have.
    @unsafe
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe body(UnsafeRawBufferPointer(elements))
    }

    /// The elements at `range` to read later; the memory stays for as long as they are kept.
    public func borrowed(_ range: Range<Int>) -> BorrowedFloats {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "the range lies in the memory")
        let bytes = unsafe UnsafeRawBufferPointer(elements)
        return unsafe BorrowedFloats(UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound * 4..<range.upperBound * 4]), of: self)
    }

    /// Writes `values` at `start` past the caches: for what another core reads next. Visible to others after `StreamingStores.finish()`.
    public func stream(_ values: Span<Float>, at start: Int) {
        precondition(start >= 0 && start + values.count <= count, "the values lie in the memory")
        unsafe values.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress, let to = unsafe elements.baseAddress else { return }
            unsafe StreamingStores.copy(to + start, from, source.count)
        }
    }
}

/// Little-endian float32 that lie in somebody else's memory, at any alignment, and are read later: a pushed value where it arrived.
@safe
public struct BorrowedFloats: @unchecked Sendable {
    // Sendable: whoever lends vouches that nobody writes the elements while they are read.
    private let bytes: UnsafeRawBufferPointer
    private let owner: any AnyObject & Sendable

    /// The elements at `bytes`, which `owner` keeps, unchanged until they have been read.
    @unsafe
    public init(_ bytes: UnsafeRawBufferPointer, of owner: any AnyObject & Sendable) {
        precondition(bytes.count.isMultiple(of: 4), "four bytes an element")
        unsafe self.bytes = bytes
        self.owner = owner
    }

    public var count: Int { unsafe bytes.count / 4 }

    /// The bytes of the elements at `range`.
    @_lifetime(borrow self)
    public func bytes(_ range: Range<Int>) -> RawSpan {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "the range lies in the elements")
        let span = unsafe RawSpan(
            _unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound * 4..<range.upperBound * 4]))
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}
