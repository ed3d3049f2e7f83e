extension MutableSpan where Element: ~Copyable {
    /// The elements at `range` for writing, while nothing else touches the rest.
    ///
    /// The standard library's own name for this still has an underscore in Swift 6.3; it is used here alone.
    @_lifetime(&self)
    public mutating func part(_ range: Range<Int>) -> MutableSpan<Element> { self._mutatingExtracting(range) }
}
