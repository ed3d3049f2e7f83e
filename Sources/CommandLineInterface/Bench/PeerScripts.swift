import Foundation

/// The scripts of the peers, and the interpreter that runs them.
struct PeerScripts {
    /// A path, or a name that is looked for in PATH.
    let python: String
    /// Where `training.py` and `peers/` are.
    let folder: String

    static let instructions = "Benchmarks/peers/README.md"
    private static let remedy =
        "python3 -m venv ../peers && ../peers/bin/pip install -r Benchmarks/peers/requirements.txt makes one that has all peers; pass it as "
        + "--python ../peers/bin/python (\(instructions))"
    /// What `env` ends with when there is no such program, or one that cannot be run.
    private static let notFound: Set<Int32> = [126, 127]

    private var driver: String { "\(folder)/training.py" }

    /// Looks for the scripts, the interpreter and the modules of `peers`, before anything is measured. Blocking; a second or so.
    ///
    /// - Throws: `RefusedInput`: what is missing, where, and what to do.
    func require(_ peers: [Peer]) throws {
        guard FileManager.default.fileExists(atPath: driver) else {
            throw RefusedInput("there is no '\(driver)' here; run this in the folder of plumb's sources, or say --scripts FOLDER")
        }
        let modules = ["numpy"] + Set(peers.map(\.module)).sorted()
        let question = "import importlib.util as u, sys; print(*[name for name in sys.argv[1:] if u.find_spec(name) is None])"
        var answer = ""
        let status = try run([python, "-c", question] + modules, quietly: true) { answer += $0 }
        if Self.notFound.contains(status) { throw RefusedInput("there is no interpreter '\(python)'; \(Self.remedy)") }
        guard status == 0 else { throw RefusedInput("'\(python)' is no Python 3: it ended with status \(status); \(Self.remedy)") }
        let missing = answer.split(separator: " ").map(String.init)
        guard missing.isEmpty else {
            let rest = Set(missing).contains("numpy") ? "" : leftOut(peers, missing)
            throw RefusedInput(
                "\(missing.joined(separator: " and ")) \(missing.count == 1 ? "is" : "are") not installed for '\(python)'; \(Self.remedy)\(rest)"
            )
        }
    }

    /// How to do without the missing modules, if anybody is left.
    private func leftOut(_ peers: [Peer], _ missing: [String]) -> String {
        let able = peers.filter { !missing.contains($0.module) }.map { "--peer \($0.rawValue)" }
        return able.isEmpty ? "" : ", or measure the others alone: \(able.joined(separator: " "))"
    }

    /// Measures one configuration after the other; `each` is called with what has come of one. Blocking, for as long as it takes.
    ///
    /// - Throws: `PeerFailure` when a run has failed, which has said so on standard error.
    func measure(
        _ configurations: [PeerConfiguration], _ peers: [Peer], _ ways: [TrainingWay], rounds: Int, seconds: Double,
        each: (PeerRates) -> Void
    ) throws {
        let arguments = [
            python, driver, "--plumb", URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path, "--python", python,
            "--rounds",
            "\(rounds)", "--seconds", "\(seconds)", "--configs", configurations.map(\.rawValue).joined(separator: ","), "--ways",
            ways.map(\.rawValue).joined(separator: ","), "--peers", peers.map(\.words).joined(separator: ","),
        ]
        var results = 0
        let status = try run(arguments, quietly: false) { line in
            guard let rates = try? JSONDecoder().decode(PeerRates.self, from: Data(line.utf8)) else { return }
            results += 1
            each(rates)
        }
        guard status == 0, results == configurations.count else { throw PeerFailure(status: status) }
    }

    /// Runs a command found like a shell would; `line` is called with each line of its output. Returns its exit status.
    private func run(_ command: [String], quietly: Bool, line: (String) -> Void) throws -> Int32 {
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = output
        if quietly { process.standardError = FileHandle.nullDevice }
        try process.run()
        var waiting = Data()
        while case let bytes = output.fileHandleForReading.availableData, !bytes.isEmpty {
            waiting.append(bytes)
            while let end = waiting.firstIndex(of: UInt8(ascii: "\n")) {
                line(String(decoding: waiting[..<end], as: UTF8.self))
                waiting = Data(waiting[(end + 1)...])
            }
        }
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// Samples a second on one network by whom, round by round: a line of the driver's output.
struct PeerRates: Decodable, Equatable {
    var config: String
    var samplesPerSecond: [String: [Double]]
}

/// The measuring program has ended early.
struct PeerFailure: Error, CustomStringConvertible {
    var status: Int32
    var description: String {
        "the peers were not all measured: Benchmarks/training.py ended with status \(status), for the reason above"
    }
}
