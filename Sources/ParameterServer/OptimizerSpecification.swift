/// What the optimizer is. Applied once per step, at the root of the tree, to the mean gradient.
public struct OptimizerSpecification: Hashable, Codable, Sendable {
    /// The update rule and its constants.
    public enum Kind: Hashable, Codable, Sendable {
        /// v ← momentum·v + g; w ← w − η·v. Weight decay is added to g.
        case sgd(momentum: Float)
        /// Kingma & Ba (2015). Weight decay is added to g.
        case adam(beta1: Float, beta2: Float, epsilon: Float)
        /// Loshchilov & Hutter (2019): the same, weight decay acts on the weights themselves.
        case adamW(beta1: Float, beta2: Float, epsilon: Float)

        /// Whether gradients of earlier steps scale the present one, element by element.
        public var isAdaptive: Bool {
            switch self {
            case .sgd: false
            case .adam, .adamW: true
            }
        }
    }

    public var kind: Kind
    /// η, multiplied by the schedule and by each block's own multiplier.
    public var learningRate: Double
    public var schedule: LearningRateSchedule
    /// λ of the decay mask's blocks.
    public var weightDecay: Float

    public init(kind: Kind, learningRate: Double, schedule: LearningRateSchedule = .constant, weightDecay: Float = 0) {
        self.kind = kind
        self.learningRate = learningRate
        self.schedule = schedule
        self.weightDecay = weightDecay
    }

    /// The names of the per-parameter vectors the rule keeps, in the order of the checkpoint.
    public var moments: [String] {
        switch kind {
        case .sgd: ["velocity"]
        case .adam, .adamW: ["firstMoment", "secondMoment"]
        }
    }

    /// The learning rate of step `t`, before the blocks' multipliers.
    public func learningRate(at step: Step) -> Double { learningRate * schedule.factor(at: step) }
}
