import Foundation
import Testing

@testable import Transport

/// Memory that processes of one host share.
@Suite("Shared memory")
struct SharedSegmentTests {
    @Test("is found by its name, shows what its maker writes, and only its maker can write it")
    func opens() throws {
        let segment = try SharedSegment(byteCount: 1 << 20)
        unsafe segment.bytes.storeBytes(of: 42, toByteOffset: 4096, as: UInt64.self)
        let reader = try #require(SharedSegment(opening: segment.name, byteCount: 1 << 20))
        unsafe #expect(reader.bytes.load(fromByteOffset: 4096, as: UInt64.self) == 42)
        unsafe segment.bytes.storeBytes(of: 43, toByteOffset: 4096, as: UInt64.self)
        unsafe #expect(reader.bytes.load(fromByteOffset: 4096, as: UInt64.self) == 43)
        // The list is read in pieces, and one may be missed while other tests map and unmap.
        var permissions: Set<Substring> = []
        for _ in 0..<10 where !permissions.isSuperset(of: ["rw-s", "r--s"]) {
            let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n")
            permissions = Set(maps.filter { $0.contains("memfd:plumb") }.map { $0.split(separator: " ")[1] })
        }
        withExtendedLifetime((segment, reader)) { #expect(permissions.isSuperset(of: ["rw-s", "r--s"])) }
    }

    @Test("is refused under another name: process, descriptor, size, token, machine, nonsense")
    func refuses() throws {
        let segment = try SharedSegment(byteCount: 4096)
        let parts = segment.name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        #expect(parts.count == 6)
        for (index, wrong) in [(0, "another-boot"), (1, "1"), (2, "1"), (3, "0"), (4, "8192"), (5, "1")] {
            var name = parts
            name[index] = wrong
            #expect(SharedSegment(opening: name.joined(separator: ":"), byteCount: 4096) == nil, "\(name)")
        }
        for text in ["", ":", ":::::", "x", String(repeating: "9", count: 4000), segment.name + ":1"] {
            #expect(SharedSegment(opening: text, byteCount: 4096) == nil)
        }
        #expect(SharedSegment(opening: segment.name, byteCount: 8192) == nil, "a run of another layout")
        #expect(SharedSegment(opening: segment.name, byteCount: 4096) != nil, "and the right name is right")
    }

    @Test("is gone with those who had it open: no descriptor and no mapping is left")
    func leavesNothing() throws {
        func scope() throws -> String {
            let segment = try SharedSegment(byteCount: 1 << 16)
            for _ in 0..<50 { _ = try #require(SharedSegment(opening: segment.name, byteCount: 1 << 16)) }
            return segment.name
        }
        let name = try scope()
        #expect(SharedSegment(opening: name, byteCount: 1 << 16) == nil)
    }

    @Test("a stamp is void while its piece is written, and says afterwards what lies there")
    func stamps() throws {
        let segment = try SharedSegment(byteCount: 4096)
        let reader = try #require(SharedSegment(opening: segment.name, byteCount: 4096))
        let (mine, theirs) = (segment.stamp(at: 16), reader.stamp(at: 16))
        #expect(theirs.value == 0)
        mine.set(7)
        #expect(theirs.value == 7 && theirs.valueAfterReading == 7)
        mine.clear()
        #expect(theirs.valueAfterReading == 0)
    }
}
