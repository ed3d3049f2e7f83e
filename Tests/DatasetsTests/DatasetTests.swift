import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite("Data sets")
struct DatasetTests {
    /// A file that lives as long as the body.
    static func file<R>(_ bytes: [UInt8], _ body: (String) throws -> R) throws -> R {
        let path = FileManager.default.temporaryDirectory.appending(path: "plumb-\(UUID().uuidString)").path
        try Data(bytes).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    static func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "accepted"
        } catch { return "\(error)" }
    }

    static func idx(_ type: UInt8, _ sizes: [Int], _ data: [UInt8]) -> [UInt8] {
        [0, 0, type, UInt8(sizes.count)] + sizes.flatMap { size in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> $0) } }
            + data
    }

    @Test("the digits: 1,797 images of 64 pixels, ten classes, the known first row")
    func digits() throws {
        let digits = try Dataset.digits()
        #expect(digits.count == 1797 && digits.featureCount == 64 && digits.classes == 10)
        let features = digits.features
        #expect((0..<8).map { features[0, $0] * 16 } == [0, 0, 5, 13, 9, 1, 0, 0])
        #expect(digits.labels.prefix(3) == [0, 1, 2])
    }

    @Test("IDX: images and labels, bytes as 0…1")
    func idxPair() throws {
        try Self.file(Self.idx(8, [2, 2, 2], [0, 255, 51, 0, 1, 2, 3, 4])) { images in
            try Self.file(Self.idx(8, [2], [1, 3])) { labels in
                let data = try Dataset(idxImages: images, labels: labels)
                #expect(data.count == 2 && data.classes == 4 && data.labels == [1, 3])
                let features = data.features
                #expect(features[0, 1] == 1 && features[0, 2] == 0.2)
            }
        }
    }

    @Test("IDX: what is wrong is said in one sentence")
    func idxRefusals() throws {
        let good = Self.idx(8, [2, 2], [1, 2, 3, 4])
        try Self.file(Array(good.dropLast())) { path in
            #expect(Self.refusal { _ = try IDXFile(path) }.contains("promises 2 × 2 values of 1 bytes, but 3 bytes follow"))
        }
        try Self.file([1, 2, 3]) { path in
            #expect(Self.refusal { _ = try IDXFile(path) }.contains("does not begin like an IDX file"))
        }
        // A zero among the sizes once hid that the product of the others overflows.
        let hollow: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 0, 0xfe, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8]
        try Self.file(hollow) { path in
            #expect(Self.refusal { _ = try IDXFile(path) }.contains("which is none"))
        }
        try Self.file(good) { images in
            try Self.file(Self.idx(8, [3], [0, 1, 2])) { labels in
                #expect(Self.refusal { _ = try Dataset(idxImages: images, labels: labels) }.contains("there are 2 images, but"))
            }
        }
        #expect(Self.refusal { _ = try IDXFile("/nowhere/x") } == "/nowhere/x: there is no such file; check the path")
        let huge = Self.idx(8, [1 << 31, 1 << 31], [])
        try Self.file(huge) { path in #expect(Self.refusal { _ = try IDXFile(path) }.contains("no memory holds")) }
    }

    @Test("every truncation of a small file is refused")
    func truncations() throws {
        let bytes = Self.idx(8, [2, 3], [1, 2, 3, 4, 5, 6])
        for length in 0..<bytes.count { #expect(throws: DatasetError.self) { try IDXFile(Array(bytes.prefix(length)), path: "x") } }
    }

    @Test("gzip: truncated and damaged streams are told from good ones")
    func gzip() throws {
        let digits = try GzipFile.inflated(Self.gzipped, name: "x")
        #expect(digits == Array("plumb\n".utf8))
        for length in 2..<Self.gzipped.count {
            #expect(Self.refusal { _ = try GzipFile.inflated(Array(Self.gzipped.prefix(length)), name: "x") }.contains("truncated"))
        }
        var damaged = Self.gzipped
        damaged[12] ^= 0xFF
        #expect(Self.refusal { _ = try GzipFile.inflated(damaged, name: "x") } != "accepted")
        #expect(Self.refusal { _ = try GzipFile.inflated(Self.gzipped, name: "x", limit: 3) }.contains("more than 3 bytes"))
    }

    /// `printf 'plumb\n' | gzip -n`.
    static let gzipped: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x2B, 0xC8, 0x29, 0xCD, 0x4D, 0xE2, 0x02, 0x00, 0xC8, 0xDE,
        0xD2, 0x4D, 0x06, 0x00, 0x00, 0x00,
    ]

    @Test("CSV: headers, label columns, and the line and column of what cannot be read")
    func csv() throws {
        func read(_ text: String, label: String? = nil) throws -> Dataset {
            try Dataset(CSVTable(Array(text.utf8), path: "t.csv", hasHeader: nil), label: label, name: "t", scale: 1)
        }
        let data = try read("a,b,class\n1,2,0\n3,4,1\n")
        #expect(data.count == 2 && data.featureCount == 2 && data.labels == [0, 1])
        #expect(try read("class;x\r\n1;2.5\r\n0;3\r\n", label: "class").labels == [1, 0])
        #expect(try read("5\t0\n6\t1", label: "2").labels == [0, 1])
        #expect(
            Self.refusal { _ = try read("1,2\n1\n") } == "t.csv: line 2 has 1 cells, the first line 2; every line needs the same")
        #expect(Self.refusal { _ = try read("1,2\n1,x\n") }.contains("line 2, column 2 holds \"x\""))
        #expect(Self.refusal { _ = try read("1,0.5\n") }.contains("has the class 0.5"))
        #expect(Self.refusal { _ = try read("") }.contains("empty"))
        #expect(Self.refusal { _ = try read("a,b\n1,1\n", label: "c") }.contains("there is no column c; its columns are a, b"))
        #expect(Self.refusal { _ = try read("1,nan\n") }.contains("no finite number"))
    }

    @Test("the MNIST test files, where they are at hand")
    func mnist() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/data").standardized.path
        let images = "\(folder)/t10k-images-idx3-ubyte.gz"
        guard FileManager.default.fileExists(atPath: images) else { return print("skipped: no MNIST files beside the project") }
        let data = try Dataset(idxImages: images, labels: "\(folder)/t10k-labels-idx1-ubyte.gz")
        #expect(data.count == 10_000 && data.featureCount == 784 && data.classes == 10)
    }

    @Test("spirals are the same every time")
    func spirals() {
        let (one, two) = (
            Dataset.spirals(points: 40, turns: 3, noise: 0.1, seed: 1), Dataset.spirals(points: 40, turns: 3, noise: 0.1, seed: 1)
        )
        #expect(one.digest() == two.digest() && one.digest() != Dataset.spirals(points: 40, turns: 3, noise: 0.1, seed: 2).digest())
    }

    @Test("a batch is gathered feature-major")
    func gather() throws {
        let digits = try Dataset.digits()
        var inputs = Matrix(rows: 64, columns: 3)
        var labels: [Int32] = []
        digits.gather([5, 0, 1796], into: &inputs, labels: &labels)
        let features = digits.features
        for (b, index) in [5, 0, 1796].enumerated() { for f in 0..<64 { #expect(inputs[f, b] == features[index, f]) } }
        #expect(labels == [digits.labels[5], digits.labels[0], digits.labels[1796]])
    }
}

@Suite("Splits and partitions")
struct PartitionTests {
    @Test("a split covers every example once and depends on the data alone")
    func split() throws {
        let digits = try Dataset.digits()
        let split = try DataSplit(digits, test: .fraction(0.2), validation: .count(100))
        #expect(split.test.count == 359 && split.validation.count == 100 && split.train.count == 1338)
        #expect(throws: DatasetError.self) { try DataSplit(digits, test: .count(1800), validation: .count(0)) }
    }

    @Test("partitions are disjoint and cover; each visits every example once an epoch", arguments: [1, 3, 4, 7])
    func partitions(count: Int) throws {
        let plan = try PartitionPlan(examples: 101, partitions: count, batch: 2 * count, seed: 3)
        var seen: [Int32] = []
        for partition in 0..<count {
            let size = (partition + 1) * 101 / count - partition * 101 / count
            var samples: [Int32] = []
            var indices: [Int32] = []
            for step in 0..<UInt64(size) {
                plan.indices(partition: partition, step: step, into: &indices)
                #expect(indices.count == 2)
                samples += indices
            }
            #expect(Set(samples.prefix(size)).count == size && Set(samples.suffix(size)) == Set(samples.prefix(size)))
            seen += samples.prefix(size)
        }
        #expect(seen.sorted() == (0..<101).map { Int32($0) })
    }

    @Test("refuses what cannot be divided")
    func refusals() {
        #expect(throws: DatasetError.self) { try PartitionPlan(examples: 100, partitions: 3, batch: 10, seed: 0) }
        #expect(throws: DatasetError.self) { try PartitionPlan(examples: 3, partitions: 4, batch: 8, seed: 0) }
        #expect([64, 128, 256, 255, 1000, 1].map { PartitionPlan.defaultPartitions(batch: $0) } == [1, 2, 4, 1, 8, 1])
    }
}
