import ParameterServer

extension ControlMessage {
    /// Where the time of a worker's latest steps went; for people, and under no law.
    public struct StepTimes: Hashable, Sendable, Codable {
        /// One step, in seconds; compute, exposed and wait add up to the step.
        public struct Entry: Hashable, Sendable, Codable {
            public var step: Step
            /// In which lanes computed, the mean over lanes.
            public var compute: Double
            /// Of communication and applying that computing did not hide.
            public var exposed: Double
            /// From the end of computing until the last gradient of another worker reached this worker's shard.
            public var wait: Double
            /// Whose gradient that was; nil when none was waited for.
            public var waitedFor: WorkerID?
            /// In which the shard here applied gradients, hidden or not.
            public var optimizer: Double

            /// An entry of these fields.
            public init(step: Step, compute: Double, exposed: Double, wait: Double, waitedFor: WorkerID?, optimizer: Double) {
                self.step = step
                self.compute = compute
                self.exposed = exposed
                self.wait = wait
                self.waitedFor = waitedFor
                self.optimizer = optimizer
            }

            enum CodingKeys: String, CodingKey { case step, compute, exposed, wait, waitedFor, optimizer }

            /// Reads the fields.
            public init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: CodingKeys.self)
                step = try fields.decode(Step.self, forKey: .step)
                compute = try fields.decode(Double.self, forKey: .compute)
                exposed = try fields.decode(Double.self, forKey: .exposed)
                wait = try fields.decode(Double.self, forKey: .wait)
                waitedFor = try fields.decodeIfPresent(HexadecimalNumber.self, forKey: .waitedFor)?.workerID
                optimizer = try fields.decode(Double.self, forKey: .optimizer)
            }

            /// Writes the fields.
            public func encode(to encoder: any Encoder) throws {
                var fields = encoder.container(keyedBy: CodingKeys.self)
                try fields.encode(step, forKey: .step)
                try fields.encode(compute, forKey: .compute)
                try fields.encode(exposed, forKey: .exposed)
                try fields.encode(wait, forKey: .wait)
                try fields.encodeIfPresent(waitedFor.map(HexadecimalNumber.init), forKey: .waitedFor)
                try fields.encode(optimizer, forKey: .optimizer)
            }
        }

        /// The history that the steps are of.
        public var timeline: Timeline
        /// Ascending.
        public var entries: [Entry]

        /// How many entries a message has at most.
        public static let entriesMax = 512

        /// A message of these fields.
        public init(timeline: Timeline, entries: [Entry]) {
            self.timeline = timeline
            self.entries = entries
        }

        enum CodingKeys: String, CodingKey { case timeline, entries }

        /// Reads the fields.
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            timeline = Timeline(rawValue: try fields.decode(UInt32.self, forKey: .timeline))
            entries = try fields.decode([Entry].self, forKey: .entries)
        }

        /// Writes the fields.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(timeline.rawValue, forKey: .timeline)
            try fields.encode(entries, forKey: .entries)
        }
    }
}

extension ControlMessage.StepTimes: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.number("entries.count", entries.count, in: 0...Self.entriesMax)
        for entry in entries {
            guard entry.step <= Step(Int64.max) else {
                throw .value(kind: fields.kind, field: "entries.step", found: "\(entry.step)", allowed: "0…\(Int64.max)")
            }
            for (name, value) in [
                ("compute", entry.compute), ("exposed", entry.exposed), ("wait", entry.wait), ("optimizer", entry.optimizer),
            ] where !(value >= 0 && value < 1e9) {
                throw .value(kind: fields.kind, field: "entries.\(name)", found: "\(value)", allowed: "seconds, 0 or more")
            }
        }
    }
}
