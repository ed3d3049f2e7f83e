import ParameterServer

extension OptimizerSpecification {
    private enum Rule: String, CaseIterable { case sgd, adam, adamw }
    private enum ScheduleName: String, CaseIterable { case constant, cosine }

    init(_ section: SettingsSection, steps: Step) throws(ExperimentError) {
        let rule = try section.choice("kind", default: Rule.adam)
        let kind: Kind
        switch rule {
        case .sgd: kind = .sgd(momentum: Float(try section.number("momentum", default: 0.9, in: 0...0.999_999)))
        case .adam, .adamw:
            let beta1 = Float(try section.number("beta1", default: 0.9, in: 0...0.999_999))
            let beta2 = Float(try section.number("beta2", default: 0.999, in: 0...0.999_999_9))
            let epsilon = Float(try section.number("epsilon", default: 1e-8, in: 1e-30...1))
            kind =
                rule == .adam
                ? .adam(beta1: beta1, beta2: beta2, epsilon: epsilon) : .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon)
        }
        let learningRate = try section.number("learningRate", default: rule == .sgd ? 0.01 : 0.003, in: 0...1e6)
        let weightDecay = Float(try section.number("weightDecay", default: rule == .adamw ? 0.01 : 0, in: 0...1e3))
        let schedule = try Self.schedule(try section.section("schedule"), steps: steps)
        self.init(kind: kind, learningRate: learningRate, schedule: schedule, weightDecay: weightDecay)
        try section.finish()
    }

    private static func schedule(_ section: SettingsSection, steps: Step) throws(ExperimentError) -> LearningRateSchedule {
        let name = try section.choice("kind", default: ScheduleName.constant)
        let warmUp = Step(try section.integer("warmUp", default: 0, in: 0...Int(steps)))
        let shape: LearningRateSchedule.Shape
        switch name {
        case .constant: shape = .constant
        case .cosine:
            shape = .cosine(
                steps: Step(try section.integer("steps", default: Int(steps), in: 1...1_000_000_000)),
                final: try section.number("final", default: 0, in: 0...1))
        }
        try section.finish()
        return LearningRateSchedule(shape: shape, warmUp: warmUp)
    }

    var resolved: [(String, SettingsValue)] {
        var entries: [(String, SettingsValue)]
        switch kind {
        case .sgd(let momentum): entries = [("kind", .plain("sgd")), ("momentum", .plain("\(momentum)"))]
        case .adam(let beta1, let beta2, let epsilon), .adamW(let beta1, let beta2, let epsilon):
            let name = if case .adam = kind { "adam" } else { "adamw" }
            entries = [
                ("kind", .plain(name)), ("beta1", .plain("\(beta1)")), ("beta2", .plain("\(beta2)")),
                ("epsilon", .plain("\(epsilon)")),
            ]
        }
        entries += [("learningRate", .plain("\(learningRate)")), ("weightDecay", .plain("\(weightDecay)"))]
        var shape: [(String, SettingsValue)]
        switch schedule.shape {
        case .constant: shape = [("kind", .plain("constant"))]
        case .cosine(let steps, let final):
            shape = [("kind", .plain("cosine")), ("steps", .plain("\(steps)")), ("final", .plain("\(final)"))]
        }
        shape.append(("warmUp", .plain("\(schedule.warmUp)")))
        return entries + [("schedule", .section(shape))]
    }
}
