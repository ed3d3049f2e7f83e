/// What a block is for.
public enum BlockRole: String, Codable, Hashable, Sendable {
    /// Trained by gradients; part of the weights' digest.
    case parameter
    /// Part of a version and of snapshots, assigned rather than trained (the warm vectors of a power iteration).
    case state
}

/// A block that a part of a layer asks for; `name` is local, as `reflectors`.
public struct BlockDeclaration: Hashable, Sendable {
    public var name: String
    /// Row-major.
    public var shape: [Int]
    public var role: BlockRole
    /// Elements that no chunk boundary may split.
    public var granule: Int
    /// On the learning rate of a dense matrix of the same outer shape.
    public var learningRateMultiplier: Float
    /// Whether weight decay applies.
    public var decays: Bool

    public init(
        _ name: String, shape: [Int], role: BlockRole = .parameter, granule: Int = 1, learningRateMultiplier: Float = 1,
        decays: Bool = true
    ) {
        self.name = name
        self.shape = shape
        self.role = role
        self.granule = granule
        self.learningRateMultiplier = learningRateMultiplier
        self.decays = decays
    }

    /// The product of the shape.
    public var count: Int { shape.reduce(1, *) }
}

/// A block in its place.
public struct ParameterBlock: Hashable, Sendable {
    /// Dotted, as in a checkpoint: `layers.7.path.reflectors`.
    public let name: String
    public let declaration: BlockDeclaration
    /// Elements of the flat vector.
    public let range: Range<Int>
    /// 0 the embedding, 1…L the layers, L + 1 the readout.
    public let layer: Int

    public var shape: [Int] { declaration.shape }
    public var role: BlockRole { declaration.role }
    public var granule: Int { declaration.granule }
    public var learningRateMultiplier: Float { declaration.learningRateMultiplier }
    public var decays: Bool { declaration.decays }
}

/// The names and places of all blocks in the one flat vector of a network.
public struct ParameterLayout: Hashable, Sendable {
    /// In order; they do not overlap.
    public private(set) var blocks: [ParameterBlock] = []
    /// Elements of the flat vector, padding included: blocks begin on 64-byte boundaries, and what lies between them stays zero.
    public private(set) var count = 0

    /// Elements between two possible beginnings of a block.
    static let alignment = 16

    /// The trained elements, without padding and state.
    public var parameterCount: Int { blocks.filter { $0.role == .parameter }.reduce(0) { $0 + $1.range.count } }

    /// Appends blocks under a prefix; returns their places.
    mutating func append(_ declarations: [BlockDeclaration], prefix: String, layer: Int) -> [Range<Int>] {
        declarations.map { declaration in
            let range = count..<count + declaration.count
            blocks.append(
                ParameterBlock(name: "\(prefix).\(declaration.name)", declaration: declaration, range: range, layer: layer))
            count = (range.upperBound + Self.alignment - 1) / Self.alignment * Self.alignment
            return range
        }
    }
}
