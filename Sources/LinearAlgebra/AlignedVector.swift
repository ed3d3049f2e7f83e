/// An owned vector of float32 on a 64-byte boundary, zeroed when made; a value, copied on write.
public struct AlignedVector: Sendable {
    private var storage: AlignedStorage
    public let count: Int

    /// `count` zeros. O(count).
    public init(count: Int) {
        precondition(count >= 0, "a vector cannot have fewer than zero elements")
        storage = AlignedStorage(count: count)
        self.count = count
    }

    /// A copy of `elements`.
    public init(_ elements: Span<Float>) {
        storage = unsafe elements.withUnsafeBufferPointer { unsafe AlignedStorage($0) }
        count = elements.count
    }

    public var span: Span<Float> {
        @_lifetime(borrow self)
        get {
            let elements = unsafe Span(_unsafeElements: UnsafeBufferPointer(storage.elements))
            return unsafe _overrideLifetime(elements, borrowing: self)
        }
    }

    /// The elements for writing; copies them first when another value shares them.
    public var mutableSpan: MutableSpan<Float> {
        // Not inlined: where the compiler of Swift 6.3 sees the storage being made, its copy propagation stops on the span's lifetime.
        @inline(never)
        @_lifetime(&self)
        mutating get {
            if !isKnownUniquelyReferenced(&storage) { storage = AlignedStorage(copying: storage) }
            let elements = unsafe MutableSpan(_unsafeElements: storage.elements)
            return unsafe _overrideLifetime(elements, mutating: &self)
        }
    }
}
