import Foundation
import StructuredLayers

/// How this program was started, for its commands: what the entry point was given, and the name it goes by.
enum Invocation {
    /// The layer families that experiment files may name. Set for the whole life of the program by `PlumbProgram.main`; the libraries
    /// take it as a parameter. A task-local value because commands are made by the argument parser, which passes nothing on.
    @TaskLocal static var families = LayerFamilies.builtin

    /// The last part of the path that the program was called by: what a person types.
    static let program = CommandLine.arguments.first.map { URL(filePath: $0).lastPathComponent } ?? "plumb"

    static let version = "0.1.0"

    /// What logs and records call this build: a program with families of its own goes by its name too.
    static let build = program == "plumb" ? "plumb \(version)" : "\(program) on plumb \(version)"
}
