extension Duration {
    /// The duration in seconds, rounded as float64 rounds.
    public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
