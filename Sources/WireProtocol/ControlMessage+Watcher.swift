import ParameterServer

extension ControlMessage {
    /// The coordinator does not count the worker as a member (any more): it may say hello again, as a new life.
    public struct Rejoin: Hashable, Sendable, Codable {
        /// Why, in one sentence.
        public var reason: String
        /// A message of these fields.
        public init(reason: String) { self.reason = reason }
        enum CodingKeys: String, CodingKey { case reason }
    }

    /// Somebody asks how the run is doing.
    public struct StatusRequest: Hashable, Sendable, Codable {
        /// The request.
        public init() {}
    }

    /// Somebody asks the run to end after a snapshot.
    public struct StopRequest: Hashable, Sendable, Codable {
        /// Who asks, or why.
        public var reason: String
        /// A message of these fields.
        public init(reason: String) { self.reason = reason }
        enum CodingKeys: String, CodingKey { case reason }
    }

    /// How the run is doing.
    public struct Status: Hashable, Sendable, Codable {
        /// One worker of the run.
        public struct Worker: Hashable, Sendable, Codable {
            public var name: String
            public var host: String
            /// What it computes, ascending.
            public var partitions: [Int]
            /// Since its last sign of life.
            public var silentMilliseconds: Int

            /// A worker of these fields.
            public init(name: String, host: String, partitions: [Int], silentMilliseconds: Int) {
                self.name = name
                self.host = host
                self.partitions = partitions
                self.silentMilliseconds = silentMilliseconds
            }

            enum CodingKeys: String, CodingKey { case name, host, partitions, silentMilliseconds }
        }

        public var runName: String
        /// In words: gathering, running, stopping …
        public var phase: String
        /// The version that is in place everywhere, and the last one of the run.
        public var step: Step
        public var steps: Step
        public var timeline: Timeline
        public var generation: Generation
        /// How long the present wait, for workers or for the step's gradients, has lasted.
        public var waitedMilliseconds: Int
        public var workers: [Worker]

        /// A message of these fields.
        public init(
            runName: String, phase: String, step: Step, steps: Step, timeline: Timeline, generation: Generation,
            waitedMilliseconds: Int, workers: [Worker]
        ) {
            self.runName = runName
            self.phase = phase
            self.step = step
            self.steps = steps
            self.timeline = timeline
            self.generation = generation
            self.waitedMilliseconds = waitedMilliseconds
            self.workers = workers
        }

        enum CodingKeys: String, CodingKey {
            case runName, phase, step, steps, timeline, generation, waitedMilliseconds, workers
        }
    }
}

extension ControlMessage.Rejoin: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("reason", reason, bytesMax: FieldChecker.sentenceBytesMax)
    }
}

extension ControlMessage.StatusRequest: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {}
}

extension ControlMessage.StopRequest: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("reason", reason, bytesMax: FieldChecker.sentenceBytesMax)
    }
}

extension ControlMessage.Status: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("runName", runName, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("phase", phase, bytesMax: FieldChecker.nameBytesMax)
        try fields.number("waitedMilliseconds", waitedMilliseconds, in: 0...FieldChecker.millisecondsMax)
        try fields.number("workers.count", workers.count, in: 0...FrameHeader.partitionsMax)
        for worker in workers {
            try fields.text("workers.name", worker.name, bytesMax: FieldChecker.nameBytesMax)
            try fields.text("workers.host", worker.host, bytesMax: FieldChecker.nameBytesMax)
            try fields.number("workers.silentMilliseconds", worker.silentMilliseconds, in: 0...FieldChecker.millisecondsMax)
            try fields.number("workers.partitions.count", worker.partitions.count, in: 0...FrameHeader.partitionsMax)
        }
    }
}
