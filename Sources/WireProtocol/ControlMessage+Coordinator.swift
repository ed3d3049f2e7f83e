import ParameterServer

extension ControlMessage {
    /// The worker is admitted, and this is the run.
    public struct Welcome: Hashable, Sendable, Codable {
        /// The worker's name in this run.
        public var workerName: String
        /// The resolved experiment file.
        public var experimentYAML: String
        /// The run's name.
        public var runName: String
        /// Where the shard host listens.
        public var dataEndpoint: String
        /// Where the coordinator's further hosts of shards listen, in their order.
        public var shardEndpoints: [String]
        /// What processes of its host open the memory of all of these by; empty when they cannot.
        public var memory: String
        /// The history that the run writes.
        public var timeline: Timeline
        /// The period of heartbeats.
        public var heartbeat: Duration
        /// The silence after which the other side counts as lost.
        public var deadline: Duration

        /// A message of these fields.
        public init(
            workerName: String, experimentYAML: String, runName: String, dataEndpoint: String,
            shardEndpoints: [String] = [], memory: String = "", timeline: Timeline, heartbeat: Duration, deadline: Duration
        ) {
            self.memory = memory
            self.shardEndpoints = shardEndpoints
            self.workerName = workerName
            self.experimentYAML = experimentYAML
            self.runName = runName
            self.dataEndpoint = dataEndpoint
            self.timeline = timeline
            self.heartbeat = heartbeat
            self.deadline = deadline
        }

        enum CodingKeys: String, CodingKey {
            case workerName, experimentYAML, runName, dataEndpoint, shardEndpoints, memory, timeline
            case heartbeat = "heartbeatMilliseconds"
            case deadline = "deadlineMilliseconds"
        }

        /// Reads the fields; durations are whole milliseconds.
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            workerName = try fields.decode(String.self, forKey: .workerName)
            experimentYAML = try fields.decode(String.self, forKey: .experimentYAML)
            runName = try fields.decode(String.self, forKey: .runName)
            dataEndpoint = try fields.decode(String.self, forKey: .dataEndpoint)
            shardEndpoints = try fields.decodeIfPresent([String].self, forKey: .shardEndpoints) ?? []
            memory = try fields.decode(String.self, forKey: .memory)
            timeline = Timeline(rawValue: try fields.decode(UInt32.self, forKey: .timeline))
            heartbeat = .milliseconds(try fields.decode(Int32.self, forKey: .heartbeat))
            deadline = .milliseconds(try fields.decode(Int32.self, forKey: .deadline))
        }

        /// Writes the fields.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(workerName, forKey: .workerName)
            try fields.encode(experimentYAML, forKey: .experimentYAML)
            try fields.encode(runName, forKey: .runName)
            try fields.encode(dataEndpoint, forKey: .dataEndpoint)
            if !shardEndpoints.isEmpty { try fields.encode(shardEndpoints, forKey: .shardEndpoints) }
            try fields.encode(memory, forKey: .memory)
            try fields.encode(timeline.rawValue, forKey: .timeline)
            try fields.encode(milliseconds(heartbeat), forKey: .heartbeat)
            try fields.encode(milliseconds(deadline), forKey: .deadline)
        }
    }

    /// The worker may not take part.
    public struct Refused: Hashable, Sendable, Codable {
        /// What differs, with the values of both sides.
        public var reason: String
        /// What to do about it.
        public var remedy: String

        /// A message of these fields.
        public init(reason: String, remedy: String) {
            self.reason = reason
            self.remedy = remedy
        }

        enum CodingKeys: String, CodingKey { case reason, remedy }
    }

    /// What a worker computes from a step on, and how many work with it.
    public struct AssignmentNotice: Hashable, Sendable, Codable {
        /// What to compute, and from which step on.
        public var assignment: Assignment
        /// Workers in the membership.
        public var members: Int

        /// A message of these fields.
        public init(assignment: Assignment, members: Int) {
            self.assignment = assignment
            self.members = members
        }

        enum CodingKeys: String, CodingKey { case timeline, generation, fromStep, partitions, members }

        /// Reads the fields.
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            assignment = Assignment(
                timeline: Timeline(rawValue: try fields.decode(UInt32.self, forKey: .timeline)),
                generation: Generation(rawValue: try fields.decode(UInt32.self, forKey: .generation)),
                fromStep: try fields.decode(UInt64.self, forKey: .fromStep),
                partitions: try fields.decode([Int].self, forKey: .partitions))
            members = try fields.decode(Int.self, forKey: .members)
        }

        /// Writes the fields.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(assignment.timeline.rawValue, forKey: .timeline)
            try fields.encode(assignment.generation.rawValue, forKey: .generation)
            try fields.encode(assignment.fromStep, forKey: .fromStep)
            try fields.encode(assignment.partitions, forKey: .partitions)
            try fields.encode(members, forKey: .members)
        }
    }

    /// The coordinator is alive, and this is how far the run has come.
    public struct CoordinatorHeartbeat: Hashable, Sendable, Codable {
        /// The version that is in place everywhere.
        public var step: Step
        /// Counts the heartbeats of this coordinator.
        public var sequence: UInt64

        /// A message of these fields.
        public init(step: Step, sequence: UInt64) {
            self.step = step
            self.sequence = sequence
        }

        enum CodingKeys: String, CodingKey { case step, sequence }
    }

    /// The run is over for the worker.
    public struct Stop: Hashable, Sendable, Codable {
        /// How a run ends.
        public enum Ending: String, Hashable, Sendable, Codable, CaseIterable { case finished, aborted, interrupted }

        /// How the run ends.
        public var ending: Ending
        /// The last version.
        public var step: Step
        /// Why, in one sentence.
        public var reason: String

        /// A message of these fields.
        public init(ending: Ending, step: Step, reason: String) {
            self.ending = ending
            self.step = step
            self.reason = reason
        }

        enum CodingKeys: String, CodingKey { case ending, step, reason }
    }
}

extension ControlMessage.Welcome: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("workerName", workerName, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("experimentYAML", experimentYAML, bytesMax: FieldChecker.experimentBytesMax)
        try fields.text("runName", runName, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("dataEndpoint", dataEndpoint, bytesMax: FieldChecker.nameBytesMax)
        try fields.number("shardEndpoints.count", shardEndpoints.count, in: 0...(WorkerID.coordinatorsMax - 1))
        for endpoint in shardEndpoints { try fields.text("shardEndpoints", endpoint, bytesMax: FieldChecker.nameBytesMax) }
        try fields.text("memory", memory, bytesMax: FieldChecker.nameBytesMax)
        try fields.number("heartbeatMilliseconds", milliseconds(heartbeat), in: 1...FieldChecker.millisecondsMax)
        try fields.number("deadlineMilliseconds", milliseconds(deadline), in: 1...FieldChecker.millisecondsMax)
    }
}

extension ControlMessage.Refused: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("reason", reason, bytesMax: FieldChecker.sentenceBytesMax)
        try fields.text("remedy", remedy, bytesMax: FieldChecker.sentenceBytesMax)
    }
}

extension ControlMessage.AssignmentNotice: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.number("members", members, in: 1...FrameHeader.partitionsMax)
        try fields.number("partitions.count", assignment.partitions.count, in: 0...FrameHeader.partitionsMax)
        var previous = -1
        for partition in assignment.partitions {
            try fields.number("partitions", partition, in: 0...(FrameHeader.partitionsMax - 1))
            guard partition > previous else {
                throw .value(
                    kind: fields.kind, field: "partitions", found: "\(partition) after \(previous)", allowed: "ascending numbers")
            }
            previous = partition
        }
    }
}

extension ControlMessage.CoordinatorHeartbeat: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {}
}

extension ControlMessage.Stop: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("reason", reason, bytesMax: FieldChecker.sentenceBytesMax)
    }
}

/// Whole milliseconds of a duration, at most `Int32.max`.
private func milliseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    guard seconds < Int64(Int32.max) / 1000 else { return Int(Int32.max) }
    return Int(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
}
