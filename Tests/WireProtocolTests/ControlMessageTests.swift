import ParameterServer
import Testing
import WireProtocol

@Suite("Control messages")
struct ControlMessageTests {
    static let samples: [ControlMessage] = [
        .hello(
            .init(
                build: "1.0", name: "alice", host: "node-3", processID: 4711,
                incarnation: WorkerID(rawValue: 0xFEDC_BA98_7654_3210),
                threads: 2, blasConfiguration: "OpenBLAS 0.3.21 DYNAMIC_ARCH", blasCore: "SkylakeX")),
        .ready(
            .init(blasConfiguration: "c", blasCore: "Haswell", fingerprintDigest: "ab12", dataDigest: "cd34", layoutDigest: "ef56")),
        .workerHeartbeat(
            .init(
                step: .max, timeline: Timeline(rawValue: 2), generation: Generation(rawValue: 5), microbatchesComputed: 12,
                sequence: 3)),
        .leaving(.init(reason: "asked to, \"politely\"\n")),
        .failed(.init(sentence: "the disk is full at /data; free 2 GB")),
        .welcome(
            .init(
                workerName: "w1", experimentYAML: "name: digits\nseed: 0 # ünïcode ✓\n", runName: "digits-1",
                dataEndpoint: "10.0.0.1:7701",
                timeline: Timeline(rawValue: 4), heartbeat: .seconds(1), deadline: .milliseconds(8500))),
        .refused(.init(reason: "core Haswell, and the run has SkylakeX", remedy: "set cluster.blasCore: haswell")),
        .assignment(
            .init(
                assignment: Assignment(
                    timeline: Timeline(rawValue: 1), generation: Generation(rawValue: 9), fromStep: 120, partitions: [0, 3, 65_535]),
                members: 3)),
        .coordinatorHeartbeat(.init(step: 8, sequence: 99)),
        .stop(.init(ending: .interrupted, step: 600, reason: "Ctrl-C")),
        .synchronized(.init(step: 7)),
        .rejoin(.init(reason: "silent for 9 s")),
        .peers(
            .init(
                timeline: Timeline(rawValue: 3), generation: Generation(rawValue: 7),
                members: [
                    .init(id: WorkerID(rawValue: 0xA1 << 56), endpoint: "10.0.0.7:7701", memory: "boot:1:2:3:4:5"),
                    .init(id: WorkerID(rawValue: .max), endpoint: "", memory: ""),
                ],
                hosts: [WorkerID(rawValue: .max), WorkerID(rawValue: 0xA1 << 56)])),
        .statusRequest(.init()),
        .stopRequest(.init(reason: "plumb stop")),
        .status(
            .init(
                runName: "digits", phase: "running", step: 3, steps: 9, timeline: Timeline(rawValue: 1),
                generation: Generation(rawValue: 2), waitedMilliseconds: 12,
                workers: [.init(name: "w", host: "h", partitions: [0, 2], silentMilliseconds: 40)])),
        .stepTimes(
            .init(
                timeline: Timeline(rawValue: 3),
                entries: [
                    .init(step: 8, compute: 0.25, exposed: 0.5, wait: 0, waitedFor: nil, optimizer: 0.125),
                    .init(step: 9, compute: 0.25, exposed: 0, wait: 1, waitedFor: WorkerID(rawValue: 0xA2 << 56), optimizer: 0),
                ])),
        .welcome(
            .init(
                workerName: "w2", experimentYAML: "seed: 1\n", runName: "r", dataEndpoint: "10.0.0.1:7701",
                shardEndpoints: ["10.0.0.1:7702", "10.0.0.1:7703"], timeline: Timeline(rawValue: 1), heartbeat: .seconds(1),
                deadline: .seconds(8))),
    ]

    @Test("come back as they were sent, and every kind is among the samples")
    func roundTrip() throws {
        for message in Self.samples { #expect(try ControlMessage.decode(try message.encoded()) == message) }
        #expect(Set(Self.samples.map(\.kind)) == Set(ControlMessage.Kind.allCases))
    }

    @Test("have the JSON that the documentation states")
    func texts() throws {
        #expect(
            try json(Self.samples[2])
                == #"{"generation":5,"kind":"worker-heartbeat","microbatchesComputed":12,"sequence":3,"step":18446744073709551615,"#
                + #""timeline":2,"v":1}"#)
        #expect(
            try json(Self.samples[0])
                == #"{"blasConfiguration":"OpenBLAS 0.3.21 DYNAMIC_ARCH","blasCore":"SkylakeX","build":"1.0","host":"node-3","#
                + #""incarnation":"fedcba9876543210","kind":"hello","name":"alice","processID":4711,"protocolVersion":3,"threads":2,"v":1}"#
        )
        #expect(
            try json(Self.samples[7])
                == #"{"fromStep":120,"generation":9,"kind":"assignment","members":3,"partitions":[0,3,65535],"timeline":1,"v":1}"#)
        #expect(try json(Self.samples[9]) == #"{"ending":"interrupted","kind":"stop","reason":"Ctrl-C","step":600,"v":1}"#)
        #expect(try json(Self.samples[17]).contains(#""shardEndpoints":["10.0.0.1:7702","10.0.0.1:7703"]"#))
        let welcome = try json(Self.samples[5])
        #expect(!welcome.contains("shardEndpoints"), "one host of shards is told of as ever")
        #expect(welcome.contains(#""heartbeatMilliseconds":1000"#) && welcome.contains(#""deadlineMilliseconds":8500"#))
    }

    @Test("may come with fields that this build does not know")
    func unknownFields() throws {
        let text = #"{"v":1,"kind":"leaving","reason":"x","mood":[{"a":null}]}"#
        #expect(try ControlMessage.decode(Array(text.utf8)) == .leaving(.init(reason: "x")))
    }

    @Test("of another version are refused, but a refusal is read in any version")
    func versions() throws {
        #expect(refusal(#"{"v":2,"kind":"hello"}"#) == .version(2))
        #expect(refusal(#"{"v":2,"kind":"something new"}"#) == .version(2))
        #expect(
            try ControlMessage.decode(Array(#"{"v":9,"kind":"refused","reason":"v1 is too old","remedy":"update"}"#.utf8))
                == .refused(.init(reason: "v1 is too old", remedy: "update")))
        #expect(
            ControlMessageError.version(2).description
                == "a control message has version 2, and this build speaks 1; run the same build everywhere")
    }

    @Test("that are not ours are refused with the reason")
    func strangers() {
        #expect(refusal(#"{"v":1,"kind":"dance"}"#) == .unknownKind("dance"))
        for text in ["", " ", "null", "[]", "{", "GET / HTTP/1.1", #"{"kind":"hello"}"#, #"{"v":"1","kind":"hello"}"#, "\u{0}"] {
            guard case .notJSON = refusal(text) else {
                Issue.record("'\(text)' was read as \(String(describing: refusal(text)))"); continue
            }
        }
        #expect(throws: ControlMessageError.length(4 << 20 | 1)) {
            try ControlMessage.decode([UInt8](repeating: UInt8(ascii: " "), count: 4 << 20 | 1))
        }
    }

    @Test("with a missing, wrong or excessive field are refused by its name")
    func fields() {
        #expect(refusal(#"{"v":1,"kind":"leaving"}"#) == .field(kind: .leaving, path: "reason", reason: "reason is missing"))
        #expect(
            refusal(#"{"v":1,"kind":"leaving","reason":7}"#) == .field(kind: .leaving, path: "reason", reason: "String is expected")
        )
        #expect(
            ControlMessageError.field(kind: .leaving, path: "reason", reason: "reason is missing").description
                == "a control message of kind leaving has an unusable field reason: reason is missing")
        let assignment = #"{"v":1,"kind":"assignment","timeline":1,"generation":1,"fromStep":1,"members":1,"partitions":"#
        #expect(
            refusal(assignment + "[3,3]}")
                == .value(kind: .assignment, field: "partitions", found: "3 after 3", allowed: "ascending numbers"))
        #expect(
            refusal(assignment + "[-1]}") == .value(kind: .assignment, field: "partitions", found: "-1", allowed: "0 to 65535"))
        #expect(
            refusal(assignment + "[65536]}")?.description
                == "a control message of kind assignment has partitions = 65536, and 0 to 65535 is allowed")
        for number in ["1e400", "-1", "1.5", "18446744073709551616", "null", "\"1\""] {
            let text = #"{"v":1,"kind":"coordinator-heartbeat","sequence":1,"step":"# + number + "}"
            guard refusal(text) != nil else { Issue.record("step \(number) was accepted"); continue }
        }
        for digits in ["", "12", "+edcba9876543210", "0xdcba9876543210", "fedcba98765432100", "gedcba9876543210"] {
            let text = (try? json(Self.samples[0]))?.replacing("fedcba9876543210", with: digits) ?? ""
            guard case .field(kind: .hello, path: "incarnation", _) = refusal(text) else { Issue.record("'\(digits)'"); continue }
        }
    }

    @Test("too large for the other side are refused before they are sent")
    func ownLimits() {
        let long = String(repeating: "x", count: (1 << 20) + 1)
        #expect(
            throws: ControlMessageError.value(
                kind: .leaving, field: "reason", found: "1048577 bytes", allowed: "at most 65536 bytes")
        ) {
            try ControlMessage.leaving(.init(reason: long)).encoded()
        }
        guard case .welcome(var welcome) = Self.samples[5] else { return }
        welcome.experimentYAML = long
        #expect(throws: ControlMessageError.self) { try ControlMessage.welcome(welcome).encoded() }
        welcome.experimentYAML = ""
        welcome.heartbeat = .zero
        #expect(throws: ControlMessageError.self) { try ControlMessage.welcome(welcome).encoded() }
        welcome.heartbeat = .seconds(Int64.max)
        #expect(throws: ControlMessageError.self) { try ControlMessage.welcome(welcome).encoded() }
    }

    @Test("never trap, whatever the bytes: mutated, truncated at every length, deeply nested")
    func hostileBytes() throws {
        var state: UInt64 = 7
        for message in Self.samples {
            let bytes = try message.encoded()
            for length in 0..<bytes.count {
                #expect(throws: ControlMessageError.self) { try ControlMessage.decode(Array(bytes[..<length])) }
            }
            for _ in 0..<300 {
                var mutated = bytes
                for _ in 0..<(1 + next(&state) % 4) { mutated[Int(next(&state) % UInt64(bytes.count))] = nextByte(&state) }
                if let accepted = try? ControlMessage.decode(mutated) { #expect(throws: Never.self) { try accepted.encoded() } }
            }
        }
        let nested = #"{"v":1,"kind":"leaving","reason":"# + String(repeating: "[", count: 1 << 20)
        #expect(refusal(nested) != nil)
        #expect(refusal(String(repeating: #"{"v":"#, count: 1 << 19)) != nil)
    }

    private func json(_ message: ControlMessage) throws -> String { String(decoding: try message.encoded(), as: UTF8.self) }

    private func refusal(_ text: String) -> ControlMessageError? {
        do throws(ControlMessageError) {
            _ = try ControlMessage.decode(Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }
}
