// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A room: a folder of `Sources` and the rooms it may use.
func room(_ name: String, uses: [Target.Dependency] = [], settings: [SwiftSetting] = []) -> Target {
    .target(name: name, dependencies: uses, swiftSettings: strict + settings)
}

func tests(_ name: String, uses: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: uses, swiftSettings: strict)
}

/// The example of a layer of one's own, from its own folder, where it is a package of its own: so that every test run compiles, tests
/// and trains it without building all of this a second time.
let ownLayer: [Target] = [
    .target(
        name: "GivensLayers", dependencies: ["StructuredLayers"], path: "examples/own-layer/Sources/GivensLayers",
        swiftSettings: strict),
    .executableTarget(
        name: "own-layer", dependencies: ["GivensLayers", "CommandLineInterface"], path: "examples/own-layer/Sources/own-layer",
        swiftSettings: strict),
    .testTarget(
        name: "GivensLayersTests", dependencies: ["GivensLayers", "StructuredLayers", "ExperimentFile", "Training"],
        path: "examples/own-layer/Tests/GivensLayersTests", swiftSettings: strict),
]

/// What tests count allocations with; no product links it.
let counting: [Target] = [
    .target(name: "CAllocationCounter", path: "Tests/AllocationCounter"),
    .executableTarget(
        name: "counted-plumb", dependencies: ["CAllocationCounter", "CommandLineInterface"], path: "Tests/CountedPlumb",
        swiftSettings: strict),
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "plumb",
    products: [
        .executable(name: "plumb", targets: ["plumb"]),
        .library(name: "LinearAlgebra", targets: ["LinearAlgebra"]),
        .library(name: "StructuredLayers", targets: ["StructuredLayers"]),
        .library(name: "Datasets", targets: ["Datasets"]),
        .library(name: "SpectralDiagnostics", targets: ["SpectralDiagnostics"]),
        .library(name: "ExperimentFile", targets: ["ExperimentFile"]),
        .library(name: "Training", targets: ["Training"]),
        .library(name: "ParameterServer", targets: ["ParameterServer"]),
        .library(name: "RunStore", targets: ["RunStore"]),
        .library(name: "Cluster", targets: ["Cluster"]),
        .library(name: "CommandLineInterface", targets: ["CommandLineInterface"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CAllocator"),
        .target(name: "CProcessorCores"),
        .target(name: "CSharedMemory"),
        .target(name: "CVectorKernels"),
        .target(name: "CDigits", exclude: ["digits.csv.gz", "NOTICE.md"]),

        room("Checksums"),
        room(
            "LinearAlgebra", uses: ["CAllocator", "COpenBLAS", "CProcessorCores", "CVectorKernels", crypto],
            settings: [.enableExperimentalFeature("Lifetimes")]),
        room("StructuredLayers", uses: ["LinearAlgebra"]),
        room("Datasets", uses: ["LinearAlgebra", "CDigits", "CZlib", crypto]),
        room("SpectralDiagnostics", uses: ["StructuredLayers", "LinearAlgebra"]),
        room("ParameterServer"),
        room("ExperimentFile", uses: ["StructuredLayers", "Datasets", "ParameterServer", .product(name: "Yams", package: "Yams")]),
        room("ShardKernels", uses: ["LinearAlgebra", "ParameterServer"]),
        room("Training", uses: ["ExperimentFile", "ShardKernels", "SpectralDiagnostics"]),
        room("WireProtocol", uses: ["ParameterServer", "Checksums"]),
        room("Transport", uses: ["CProcessorCores", "CSharedMemory", "CZeroMQ", "WireProtocol"]),
        room("RunStore", uses: ["Checksums", .product(name: "GRDB", package: "GRDB.swift"), crypto, log]),
        room("ClusterSimulator", uses: ["ParameterServer", "ShardKernels", "Training", "RunStore"]),
        room("Cluster", uses: ["Training", "Transport", "RunStore", log]),
        room(
            "CommandLineInterface",
            uses: ["Cluster", "ClusterSimulator", log, .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .executableTarget(name: "plumb", dependencies: ["CommandLineInterface"], swiftSettings: strict),

        tests("LinearAlgebraTests", uses: ["LinearAlgebra", "CVectorKernels"]),
        tests("StructuredLayersTests", uses: ["StructuredLayers"]),
        tests("DatasetsTests", uses: ["Datasets"]),
        tests("SpectralDiagnosticsTests", uses: ["SpectralDiagnostics"]),
        tests("ParameterServerTests", uses: ["ParameterServer"]),
        tests("ExperimentFileTests", uses: ["ExperimentFile"]),
        tests("ShardKernelsTests", uses: ["ShardKernels"]),
        tests("TrainingTests", uses: ["Training", "CAllocationCounter"]),
        tests("WireProtocolTests", uses: ["WireProtocol", "Checksums"]),
        tests("TransportTests", uses: ["Transport"]),
        tests("RunStoreTests", uses: ["RunStore", "Checksums", .product(name: "GRDB", package: "GRDB.swift")]),
        tests("ClusterSimulatorTests", uses: ["ClusterSimulator"]),
        tests(
            "ClusterTests",
            uses: [
                "Cluster", "LinearAlgebra", "ParameterServer", "Training", "Transport", "WireProtocol", "plumb", "own-layer",
                "counted-plumb", "CAllocationCounter",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        tests("CommandLineInterfaceTests", uses: ["CommandLineInterface", "RunStore"]),
        tests("RoomsTests", uses: []),
    ] + ownLayer + counting,
    swiftLanguageModes: [.v6]
)

// The fuzzers have no `main` of their own, libFuzzer brings it: they build with `make fuzz` alone.
if Context.environment["PLUMB_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["Checksums", "WireProtocol", "Datasets", "RunStore", "ExperimentFile"], path: "Tests/Fuzz",
            exclude: ["run.sh", "corpus"], swiftSettings: strict))
}
