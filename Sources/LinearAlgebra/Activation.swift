/// A function applied to each element of a layer's output.
public enum Activation: String, Codable, Sendable, CaseIterable {
    case none
    case relu
    case tanh
}
