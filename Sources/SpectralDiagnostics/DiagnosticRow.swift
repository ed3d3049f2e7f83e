/// One measured quantity of one diagnostic, as the run's record keeps it.
public struct DiagnosticRow: Hashable, Sendable {
    /// D1…D26.
    public var diagnostic: String
    /// 0 the embedding, 1…L the layers, L + 1 the readout; nil for the whole network.
    public var layer: Int?
    public var quantity: String
    public var value: Measured

    public init(_ diagnostic: String, layer: Int? = nil, _ quantity: String, _ value: Measured) {
        self.diagnostic = diagnostic
        self.layer = layer
        self.quantity = quantity
        self.value = value
    }
}
