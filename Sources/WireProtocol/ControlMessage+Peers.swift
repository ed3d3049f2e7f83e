import ParameterServer

extension ControlMessage {
    /// Who takes part in the exchange, and where shards live; said whenever either changes.
    public struct Peers: Hashable, Sendable, Codable {
        /// A member of the run.
        public struct Member: Hashable, Sendable, Codable {
            /// Its life, as which it speaks.
            public var id: WorkerID
            /// Where it takes connections for data; empty when it does not.
            public var endpoint: String
            /// What processes of its host open its memory by; empty when they cannot.
            public var memory: String

            /// A member of these fields.
            public init(id: WorkerID, endpoint: String, memory: String) {
                self.memory = memory
                self.id = id
                self.endpoint = endpoint
            }

            enum CodingKeys: String, CodingKey { case id, endpoint, memory }

            /// Reads the fields.
            public init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: CodingKeys.self)
                id = try fields.decode(HexadecimalNumber.self, forKey: .id).workerID
                endpoint = try fields.decode(String.self, forKey: .endpoint)
                memory = try fields.decode(String.self, forKey: .memory)
            }

            /// Writes the fields.
            public func encode(to encoder: any Encoder) throws {
                var fields = encoder.container(keyedBy: CodingKeys.self)
                try fields.encode(HexadecimalNumber(id), forKey: .id)
                try fields.encode(endpoint, forKey: .endpoint)
                try fields.encode(memory, forKey: .memory)
            }
        }

        /// The history that the shards' places are for.
        public var timeline: Timeline
        /// The membership in which the hosts were chosen; 0 while there are none.
        public var generation: Generation
        /// In order of joining.
        public var members: [Member]
        /// The workers that host shards, in the order in which chunks are dealt to them; empty while shards live with the coordinator.
        public var hosts: [WorkerID]

        /// A message of these fields.
        public init(timeline: Timeline, generation: Generation, members: [Member], hosts: [WorkerID]) {
            self.timeline = timeline
            self.generation = generation
            self.members = members
            self.hosts = hosts
        }

        enum CodingKeys: String, CodingKey { case timeline, generation, members, hosts }

        /// Reads the fields.
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            timeline = Timeline(rawValue: try fields.decode(UInt32.self, forKey: .timeline))
            generation = Generation(rawValue: try fields.decode(UInt32.self, forKey: .generation))
            members = try fields.decode([Member].self, forKey: .members)
            hosts = try fields.decode([HexadecimalNumber].self, forKey: .hosts).map(\.workerID)
        }

        /// Writes the fields.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(timeline.rawValue, forKey: .timeline)
            try fields.encode(generation.rawValue, forKey: .generation)
            try fields.encode(members, forKey: .members)
            try fields.encode(hosts.map(HexadecimalNumber.init), forKey: .hosts)
        }
    }
}

extension ControlMessage.Peers: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.number("members.count", members.count, in: 0...FrameHeader.partitionsMax)
        for member in members {
            try fields.text("members.endpoint", member.endpoint, bytesMax: FieldChecker.nameBytesMax)
            try fields.text("members.memory", member.memory, bytesMax: FieldChecker.nameBytesMax)
        }
        try fields.number("hosts.count", hosts.count, in: 0...FrameHeader.partitionsMax)
        guard Set(hosts).count == hosts.count else {
            throw .value(kind: fields.kind, field: "hosts", found: "a host twice", allowed: "every host once")
        }
    }
}
