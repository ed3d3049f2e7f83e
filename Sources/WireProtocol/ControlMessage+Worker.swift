import ParameterServer

extension ControlMessage {
    /// A worker introduces itself; the first message of every connection.
    public struct Hello: Hashable, Sendable, Codable {
        /// The version of data frames that the worker speaks.
        public var protocolVersion: Int
        /// The build of the program, for people.
        public var build: String
        /// The name that the worker asks for; empty to be given one.
        public var name: String
        /// The name of the worker's host.
        public var host: String
        /// The worker's process on its host.
        public var processID: Int
        /// The life of the worker that speaks; the identity of its connections.
        public var incarnation: WorkerID
        /// Compute lanes.
        public var threads: Int
        /// OpenBLAS's build configuration.
        public var blasConfiguration: String
        /// The core type whose kernels OpenBLAS uses.
        public var blasCore: String

        /// A message of these fields.
        public init(
            protocolVersion: Int = Int(FrameHeader.protocolVersion), build: String, name: String, host: String, processID: Int,
            incarnation: WorkerID, threads: Int, blasConfiguration: String, blasCore: String
        ) {
            self.protocolVersion = protocolVersion
            self.build = build
            self.name = name
            self.host = host
            self.processID = processID
            self.incarnation = incarnation
            self.threads = threads
            self.blasConfiguration = blasConfiguration
            self.blasCore = blasCore
        }

        enum CodingKeys: String, CodingKey {
            case protocolVersion, build, name, host, processID, incarnation, threads, blasConfiguration, blasCore
        }

        /// Reads the fields; `incarnation` is sixteen hexadecimal digits, since JSON's numbers are not safe beyond 2^53.
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            protocolVersion = try fields.decode(Int.self, forKey: .protocolVersion)
            build = try fields.decode(String.self, forKey: .build)
            name = try fields.decode(String.self, forKey: .name)
            host = try fields.decode(String.self, forKey: .host)
            processID = try fields.decode(Int.self, forKey: .processID)
            incarnation = try fields.decode(HexadecimalNumber.self, forKey: .incarnation).workerID
            threads = try fields.decode(Int.self, forKey: .threads)
            blasConfiguration = try fields.decode(String.self, forKey: .blasConfiguration)
            blasCore = try fields.decode(String.self, forKey: .blasCore)
        }

        /// Writes the fields.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(protocolVersion, forKey: .protocolVersion)
            try fields.encode(build, forKey: .build)
            try fields.encode(name, forKey: .name)
            try fields.encode(host, forKey: .host)
            try fields.encode(processID, forKey: .processID)
            try fields.encode(HexadecimalNumber(incarnation), forKey: .incarnation)
            try fields.encode(threads, forKey: .threads)
            try fields.encode(blasConfiguration, forKey: .blasConfiguration)
            try fields.encode(blasCore, forKey: .blasCore)
        }
    }

    /// A worker has read the experiment and the data and can compute; what it computes with must equal the coordinator's.
    public struct Ready: Hashable, Sendable, Codable {
        /// OpenBLAS's build configuration.
        public var blasConfiguration: String
        /// The core type whose kernels OpenBLAS uses.
        public var blasCore: String
        /// The digest of the numeric fingerprint's fixed outputs.
        public var fingerprintDigest: String
        /// The digest of the data set.
        public var dataDigest: String
        /// The digest of the parameter layout.
        public var layoutDigest: String
        /// Where other workers reach this one's data socket; empty when it takes no connections.
        public var dataEndpoint: String
        /// What processes of its host open its memory by; empty when they cannot.
        public var memory: String

        /// A message of these fields.
        public init(
            blasConfiguration: String, blasCore: String, fingerprintDigest: String, dataDigest: String, layoutDigest: String,
            dataEndpoint: String = "", memory: String = ""
        ) {
            self.memory = memory
            self.dataEndpoint = dataEndpoint
            self.blasConfiguration = blasConfiguration
            self.blasCore = blasCore
            self.fingerprintDigest = fingerprintDigest
            self.dataDigest = dataDigest
            self.layoutDigest = layoutDigest
        }

        enum CodingKeys: String, CodingKey {
            case blasConfiguration, blasCore, fingerprintDigest, dataDigest, layoutDigest, dataEndpoint, memory
        }
    }

    /// A worker holds a whole version for the first time, and can be given work.
    public struct Synchronized: Hashable, Sendable, Codable {
        /// The version.
        public var step: Step
        /// A message of these fields.
        public init(step: Step) { self.step = step }
        enum CodingKeys: String, CodingKey { case step }
    }

    /// A worker is alive, and this is how far it has come.
    public struct WorkerHeartbeat: Hashable, Sendable, Codable {
        /// The whole version that the worker holds; nil before the first on this timeline.
        public var step: Step?
        /// Of the assignment that the worker follows; 0 before the first.
        public var timeline: Timeline
        public var generation: Generation
        /// Microbatches computed since the worker began.
        public var microbatchesComputed: UInt64
        /// Counts the heartbeats of this worker.
        public var sequence: UInt64

        /// A message of these fields.
        public init(step: Step?, timeline: Timeline, generation: Generation, microbatchesComputed: UInt64, sequence: UInt64) {
            self.step = step
            self.timeline = timeline
            self.generation = generation
            self.microbatchesComputed = microbatchesComputed
            self.sequence = sequence
        }

        enum CodingKeys: String, CodingKey { case step, timeline, generation, microbatchesComputed, sequence }
    }

    /// A worker goes on purpose.
    public struct Leaving: Hashable, Sendable, Codable {
        /// Why, in one sentence.
        public var reason: String
        /// A message of these fields.
        public init(reason: String) { self.reason = reason }
        enum CodingKeys: String, CodingKey { case reason }
    }

    /// A worker cannot go on.
    public struct Failed: Hashable, Sendable, Codable {
        /// What happened, the values seen and what to do.
        public var sentence: String
        /// A message of these fields.
        public init(sentence: String) { self.sentence = sentence }
        enum CodingKeys: String, CodingKey { case sentence }
    }
}

extension ControlMessage.Hello: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.number("protocolVersion", protocolVersion, in: 0...Int(UInt16.max))
        try fields.text("build", build, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("name", name, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("host", host, bytesMax: FieldChecker.nameBytesMax)
        try fields.number("processID", processID, in: 1...Int(Int32.max))
        try fields.number("threads", threads, in: 1...4096)
        try fields.text("blasConfiguration", blasConfiguration, bytesMax: FieldChecker.sentenceBytesMax)
        try fields.text("blasCore", blasCore, bytesMax: FieldChecker.nameBytesMax)
    }
}

extension ControlMessage.Ready: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("blasConfiguration", blasConfiguration, bytesMax: FieldChecker.sentenceBytesMax)
        try fields.text("blasCore", blasCore, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("fingerprintDigest", fingerprintDigest, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("dataDigest", dataDigest, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("layoutDigest", layoutDigest, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("dataEndpoint", dataEndpoint, bytesMax: FieldChecker.nameBytesMax)
        try fields.text("memory", memory, bytesMax: FieldChecker.nameBytesMax)
    }
}

extension ControlMessage.Synchronized: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {}
}

extension ControlMessage.WorkerHeartbeat: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {}
}

extension ControlMessage.Leaving: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("reason", reason, bytesMax: FieldChecker.sentenceBytesMax)
    }
}

extension ControlMessage.Failed: ControlMessageBody {
    func check(_ fields: FieldChecker) throws(ControlMessageError) {
        try fields.text("sentence", sentence, bytesMax: FieldChecker.sentenceBytesMax)
    }
}
