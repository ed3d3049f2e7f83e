import Foundation
import Testing

/// The arrows between the rooms, as the design has them: what each folder of `Sources` may import besides the standard modules.
@Suite("The rooms' arrows")
struct ArrowTests {
    static let allowed: [String: Set<String>] = [
        "Checksums": [],
        "LinearAlgebra": ["CAllocator", "COpenBLAS", "CProcessorCores", "CVectorKernels", "Crypto"],
        "StructuredLayers": ["LinearAlgebra"],
        "Datasets": ["LinearAlgebra", "CDigits", "CZlib", "Crypto"],
        "SpectralDiagnostics": ["LinearAlgebra", "StructuredLayers"],
        "ParameterServer": [],
        "ExperimentFile": ["LinearAlgebra", "StructuredLayers", "Datasets", "ParameterServer", "Yams"],
        "ShardKernels": ["LinearAlgebra", "ParameterServer"],
        "Training": [
            "LinearAlgebra", "StructuredLayers", "Datasets", "SpectralDiagnostics", "ExperimentFile", "ParameterServer",
            "ShardKernels",
            "Crypto",
        ],
        "WireProtocol": ["ParameterServer", "Checksums"],
        "Transport": ["ParameterServer", "WireProtocol", "CProcessorCores", "CSharedMemory", "CZeroMQ"],
        "RunStore": ["Checksums", "GRDB", "Crypto", "Logging"],
        "ClusterSimulator": [
            "StructuredLayers", "SpectralDiagnostics",
            "LinearAlgebra", "ExperimentFile", "ParameterServer", "ShardKernels", "Training", "RunStore",
        ],
        "Cluster": [
            "LinearAlgebra", "StructuredLayers", "Datasets", "SpectralDiagnostics", "ExperimentFile", "ParameterServer",
            "ShardKernels",
            "Training", "WireProtocol", "Transport", "RunStore", "Logging", "Crypto",
        ],
        "plumb": ["CommandLineInterface"],
        "CommandLineInterface": [
            "LinearAlgebra", "StructuredLayers", "Datasets", "SpectralDiagnostics", "ExperimentFile", "ParameterServer",
            "ShardKernels",
            "Training", "WireProtocol", "Transport", "RunStore", "ClusterSimulator", "Cluster", "ArgumentParser",
            "Logging",
        ],
    ]
    static let everywhere: Set<String> = ["Foundation", "Synchronization", "Glibc", "Dispatch"]
    /// Pure by law: not even Foundation.
    static let pure: Set<String> = ["ParameterServer"]

    static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sources")

    static func imports(of text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            var words = line.split(separator: " ").map(String.init)
            while let first = words.first, first.hasPrefix("@") || ["public", "package", "internal", "private"].contains(first) {
                words.removeFirst()
            }
            guard words.first == "import", words.count >= 2 else { return nil }
            let module = ["struct", "class", "enum", "func", "protocol", "let", "var"].contains(words[1]) ? words[2] : words[1]
            return module.split(separator: ".").first.map(String.init)
        }
    }

    static func forbidden(_ text: String, in room: String) -> [String] {
        guard let allowed = allowed[room] else { return ["(the room \(room) is not in the list)"] }
        return imports(of: text).filter { !allowed.contains($0) && (pure.contains(room) || !everywhere.contains($0)) }
    }

    @Test("no room imports what it must not")
    func arrows() throws {
        let files = try #require(FileManager.default.enumerator(at: Self.sources, includingPropertiesForKeys: nil))
        var count = 0
        for case let file as URL in files where file.pathExtension == "swift" {
            let room = file.path.dropFirst(Self.sources.path.count + 1).split(separator: "/").first.map(String.init) ?? ""
            let text = try String(contentsOf: file, encoding: .utf8)
            #expect(Self.forbidden(text, in: room) == [], "\(room)/\(file.lastPathComponent)")
            count += 1
        }
        #expect(count > 50)
    }

    @Test("the check sees a forbidden import in every form")
    func gate() {
        #expect(Self.forbidden("import Transport", in: "ParameterServer") == ["Transport"])
        #expect(Self.forbidden("import Foundation", in: "ParameterServer") == ["Foundation"])
        #expect(Self.forbidden("@preconcurrency public import struct Cluster.Run", in: "Training") == ["Cluster"])
        #expect(Self.forbidden("private import GRDB", in: "Cluster") == ["GRDB"])
        #expect(Self.forbidden("import LinearAlgebra\nimport Foundation", in: "StructuredLayers") == [])
    }
}
