import ParameterServer
import Testing

@Suite("The ledger of hosts")
struct ShardLedgerTests {
    private static let (a, b, c) = (WorkerID(rawValue: 1), WorkerID(rawValue: 2), WorkerID(rawValue: 3))

    private static func plan(_ layers: Int) throws -> ChunkPlan {
        let blocks = (0..<layers).map { BlockExtent(name: "layers.\($0)", range: $0 * 4..<$0 * 4 + 4, layer: $0) }
        return try ChunkPlan(blocks: blocks, limits: .init(elementsMax: 4, elementsGood: 4))
    }

    /// Three chunks on two hosts, and the statistics.
    private static func ledger(
        version: Step = 0, captures: CaptureSchedule = .init(parametersEvery: [], completeEvery: 0, last: 9),
        probes: ProbeSchedule = .never
    ) throws -> ShardLedger {
        let plan = try plan(3)
        return ShardLedger(map: ShardMap(plan, hosts: [a, b]), plan: plan, version: version, captures: captures, probes: probes)
    }

    private static func news(_ ledger: inout ShardLedger, norms: Bool = false) -> [ShardLedger.News] {
        var all: [ShardLedger.News] = []
        while let news = ledger.news(needsNorms: { _ in norms }) { all.append(news) }
        return all
    }

    private static func place(_ ledger: inout ShardLedger, at version: Step = 0) {
        for host in [a, b, .coordinator] { ledger.applied(host, version) }
    }

    @Test("tells once that everybody holds the first version, and each later one in turn")
    func versions() throws {
        var ledger = try Self.ledger(version: 2)
        ledger.applied(Self.a, 2)
        ledger.applied(.coordinator, 2)
        #expect(Self.news(&ledger).isEmpty && ledger.version == nil && ledger.missing(2) == [Self.b])
        ledger.applied(Self.b, 2)
        #expect(Self.news(&ledger) == [.placed])
        Self.place(&ledger, at: 2)
        #expect(Self.news(&ledger).isEmpty, "a report that comes again counts once")
        // The reports of version 3 were lost; those of version 4 say more.
        Self.place(&ledger, at: 4)
        #expect(Self.news(&ledger) == [.applied(version: 3), .applied(version: 4)])
        ledger.applied(Self.a, 3)
        ledger.applied(Self.c, 9)
        #expect(ledger.version == 4, "a late report takes nothing back, and a stranger's is none")
    }

    @Test("puts the norms into the plan's order, whoever tells them first")
    func norms() throws {
        var ledger = try Self.ledger()
        Self.place(&ledger)
        _ = Self.news(&ledger)
        ledger.reduced(Self.b, step: 0, norms: [2]) { _ in 1 }
        ledger.reduced(Self.b, step: 0, norms: [5]) { _ in 1 }
        ledger.reduced(Self.a, step: 0, norms: [1]) { _ in 1 }
        #expect(Self.news(&ledger).isEmpty, "a host of two chunks tells two")
        ledger.reduced(Self.a, step: 0, norms: [1, 3]) { _ in 1 }
        #expect(Self.news(&ledger) == [.reduced(step: 0, norms: [1, 2, 3])])
        ledger.reduced(Self.a, step: 0, norms: [1, 3]) { _ in 1 }
        #expect(Self.news(&ledger).isEmpty)
    }

    @Test("tells a version before its norms, which say that it was reached")
    func order() throws {
        var ledger = try Self.ledger()
        Self.place(&ledger)
        _ = Self.news(&ledger)
        ledger.applied(.coordinator, 1)
        ledger.reduced(Self.a, step: 1, norms: []) { _ in 0 }
        ledger.reduced(Self.b, step: 1, norms: []) { _ in 0 }
        #expect(Self.news(&ledger) == [.applied(version: 1), .reduced(step: 1, norms: [])])
    }

    @Test("keeps the norms of steps that wait for nothing apart, and tells each before the next version")
    func unheld() throws {
        var ledger = try Self.ledger()
        Self.place(&ledger)
        _ = Self.news(&ledger)
        // The first host's word on step 1 overtakes the second's on step 0.
        ledger.applied(.coordinator, 2)
        ledger.reduced(Self.a, step: 0, norms: [1, 3]) { _ in 1 }
        ledger.applied(Self.a, 1)
        ledger.reduced(Self.a, step: 1, norms: [4, 6]) { _ in 1 }
        #expect(Self.news(&ledger, norms: true).isEmpty)
        #expect(ledger.missingNorms(of: Self.b, before: 1) { _ in true } == 0)
        #expect(ledger.missingNorms(of: Self.b, before: 1) { _ in false } == nil)
        #expect(ledger.missingNorms(of: Self.a, before: 2) { _ in true } == nil)
        ledger.reduced(Self.b, step: 0, norms: [2]) { _ in 1 }
        ledger.applied(Self.b, 2)
        #expect(Self.news(&ledger, norms: true) == [.reduced(step: 0, norms: [1, 2, 3]), .applied(version: 1)])
        ledger.reduced(Self.b, step: 1, norms: [5]) { _ in 1 }
        #expect(Self.news(&ledger, norms: true) == [.reduced(step: 1, norms: [4, 5, 6])])
        Self.place(&ledger, at: 3)
        #expect(Self.news(&ledger, norms: true) == [.applied(version: 2)], "nobody's norms of step 2 have come")
        #expect(ledger.missingNorms(of: Self.a, before: 3) { _ in true } == 2)
    }

    @Test("tells neither a version nor its norms before what is copied of it is whole")
    func copies() throws {
        let captures = CaptureSchedule(parametersEvery: [1], completeEvery: 2, last: 9)
        var ledger = try Self.ledger(captures: captures, probes: ProbeSchedule(every: 2, last: 9))
        Self.place(&ledger)
        #expect(ledger.awaits(0, .scheduled(complete: false)) && ledger.awaits(0, .probed))
        #expect(ledger.missingCopies(through: 1).map(\.version) == [0, 0, 1] && ledger.missingCopies(through: 2).count == 5)
        #expect(!ledger.awaits(0, .scheduled(complete: true)) && !ledger.awaits(1, .probed) && !ledger.awaits(0, .requested))
        for host in [Self.a, Self.b] { ledger.reduced(host, step: 0, norms: []) { _ in 0 } }
        ledger.captured(0, .scheduled(complete: false))
        #expect(Self.news(&ledger).isEmpty && !ledger.awaits(0, .scheduled(complete: false)))
        ledger.captured(0, .probed)
        #expect(Self.news(&ledger) == [.placed, .reduced(step: 0, norms: [])])
        #expect(!ledger.awaits(0, .probed), "what was told is not copied again")
        Self.place(&ledger, at: 1)
        #expect(Self.news(&ledger).isEmpty)
        ledger.captured(1, .scheduled(complete: false))
        #expect(Self.news(&ledger) == [.applied(version: 1)])
    }

    @Test("asks for the present version, and for a later one when some host had gone beyond, at most the last")
    func requested() throws {
        var ledger = try Self.ledger()
        #expect(ledger.requestCapture() == nil, "nothing is in place yet")
        Self.place(&ledger, at: 3)
        #expect(ledger.requestCapture() == 3 && ledger.requestCapture() == 3)
        #expect(ledger.captureMissed(target: 3, foremost: 4) == 5)
        #expect(ledger.captureMissed(target: 3, foremost: 4) == nil, "another host says the same of the same version")
        #expect(ledger.awaits(5, .requested) && !ledger.awaits(3, .requested))
        #expect(ledger.captureMissed(target: 5, foremost: 6) == 8)
        #expect(ledger.captureMissed(target: 8, foremost: 9) == 9)
        ledger.captured(8, .requested)
        #expect(ledger.captureTarget == 9)
        ledger.captured(9, .requested)
        #expect(ledger.captureTarget == nil)
    }
}
