import ArgumentParser
import Foundation
import LinearAlgebra
import RunStore
import StructuredLayers

/// The whole command line, for a program of its own: the built-in `plumb`, or a researcher's with more layer families.
///
/// ```swift
/// @main
/// enum Program {
///     static func main() {
///         var families = LayerFamilies.builtin
///         families.add("givens", path: GivensPath.self)
///         PlumbProgram.main(families: families)
///     }
/// }
/// ```
///
/// Local workers are started from the same program file, so they know the same families; on a cluster every machine runs that program.
public enum PlumbProgram {
    /// Parses the process's arguments, carries the command out and ends the process. Blocking; call it on the main thread.
    ///
    /// - Parameter families: what `family` and `kind` in an experiment file may name.
    public static func main(families: LayerFamilies = .builtin) -> Never {
        ProcessMemory.keepFreed()
        BLAS.useOneThread()
        Invocation.$families.withValue(families) {
            do {
                var command = try Plumb.parseAsRoot()
                try command.run()
            } catch { exit(with: error) }
        }
        Foundation.exit(0)
    }

    /// One sentence on standard error, and the exit code that goes with the kind of error.
    private static func exit(with error: any Error) -> Never {
        let code = ExitStatus.of(error)
        guard let code else { Plumb.exit(withError: error) }
        let text = code == 2 ? Plumb.fullMessage(for: error) : "\(Invocation.program): \(error)"
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).escapedForTerminal }
        try? FileHandle.standardError.write(contentsOf: Array("\(lines.joined(separator: "\n"))\n".utf8))
        Foundation.exit(code)
    }
}
