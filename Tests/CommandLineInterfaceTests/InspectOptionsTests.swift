import ArgumentParser
import Foundation
import Testing

@testable import CommandLineInterface

@Suite("What plumb inspect is asked")
struct InspectOptionsTests {
    /// The refusal of a command line, its first line; nil when it is accepted.
    private static func refusal(_ arguments: [String]) -> String? {
        do {
            _ = try Plumb.parseAsRoot(["inspect"] + arguments)
            return nil
        } catch {
            #expect(ExitStatus.of(error) == 2, "a usage error")
            return Plumb.message(for: error)
        }
    }

    @Test(
        "an option that would be passed over is refused, with what it goes with",
        arguments: [
            (["a", "--select", "D5"], "--select has no meaning with one file, only with --data."),
            (["a", "b", "--set", "seed=1"], "--set has no meaning with two files, only with --data."),
            (["a", "b", "--no-control"], "--no-control has no meaning with two files."),
            (["a", "--weightwatcher", "--complete-up-to", "9"], "--complete-up-to has no meaning with --weightwatcher."),
            (["a", "--data", "--threads", "2"], "--threads has no meaning with --data; leave one of them away."),
            (["a", "--data", "--no-control"], "--no-control has no meaning with --data; leave one of them away."),
            (["a", "--data", "--complete-up-to", "9"], "--complete-up-to has no meaning with --data; leave one of them away."),
            (["a", "--data", "--weightwatcher"], "--data and --weightwatcher exclude each other."),
            (["a", "--data", "digits"], "--data takes no value and looks at one checkpoint, so digits is one path too many"),
            (["a", "--complete-up-to", "0"], "--complete-up-to is 0; at least 1 is needed."),
        ])
    func idle(arguments: [String], expected: String) throws {
        #expect(try #require(Self.refusal(arguments)).contains(expected))
    }

    @Test("a run's view takes no options of tensors, and what is read is accepted")
    func accepted() throws {
        try RunViewTests.withRun { run in
            for option in [
                ["--layers", "x"], ["--exclude", "x"], ["--threads", "1"], ["--no-control"], ["--complete-up-to", "9"],
            ] {
                let text = try #require(Self.refusal([run] + option))
                #expect(text.contains("\(option[0]) has no meaning with a run's directory; name a file in its checkpoints/"))
            }
            #expect(Self.refusal([run, "--csv"]) == nil && Self.refusal([run, "--json"]) == nil)
            #expect(Self.refusal([run, "--weightwatcher", "--layers", "x", "--no-control", "--threads", "2"]) == nil)
        }
        #expect(
            Self.refusal(["a", "--layers", "x", "--exclude", "y", "--threads", "2", "--no-control", "--complete-up-to", "9"]) == nil
        )
        #expect(Self.refusal(["a", "b", "--layers", "x", "--threads", "2", "--complete-up-to", "9", "--csv"]) == nil)
        #expect(Self.refusal(["a", "--data", "--select", "*gap", "--set", "seed=1", "--layers", "*1", "--exclude", "*2"]) == nil)
    }

    @Test("exit codes are those that the README states")
    func codes() throws {
        #expect(throws: (any Error).self) { try Plumb.parseAsRoot(["nonsense"]) }
        do { _ = try Plumb.parseAsRoot(["inspect", "--help"]) } catch { #expect(ExitStatus.of(error) == nil, "help is no failure") }
        do { _ = try Plumb.parseAsRoot(["inspect", "a", "--nonsense"]) } catch { #expect(ExitStatus.of(error) == 2) }
        #expect(ExitStatus.of(RefusedInput("x")) == 3)
    }
}
