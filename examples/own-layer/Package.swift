// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "own-layer",
    dependencies: [
        // Elsewhere: .package(url: …, from: …), the place that plumb is published at.
        .package(name: "plumb", path: "../..")
    ],
    targets: [
        .target(
            name: "GivensLayers",
            dependencies: [
                .product(name: "StructuredLayers", package: "plumb"), .product(name: "LinearAlgebra", package: "plumb"),
            ]),
        .executableTarget(
            name: "own-layer",
            dependencies: [
                "GivensLayers", .product(name: "CommandLineInterface", package: "plumb"),
                .product(name: "StructuredLayers", package: "plumb"),
            ]),
        .testTarget(
            name: "GivensLayersTests",
            dependencies: [
                "GivensLayers", .product(name: "StructuredLayers", package: "plumb"),
                .product(name: "LinearAlgebra", package: "plumb"), .product(name: "ExperimentFile", package: "plumb"),
                .product(name: "Training", package: "plumb"),
            ]),
    ]
)
