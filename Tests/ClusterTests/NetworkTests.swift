import Foundation
import Testing

/// Workers on hosts of their own, whose cable is pulled.
@Suite("Networks", .serialized)
struct NetworkTests {
    @Test(
        "a worker that is cut off is lost, the others go on, and when it is back it joins anew: the same bits",
        arguments: ["coordinator", "workers"])
    func partitionAndHeal(placement: String) throws {
        if let obstacle = NetworkHosts.obstacle() { return print("skipped: \(obstacle)") }
        try Program.inTemporaryFolder { folder in
            let hosts = try NetworkHosts(3)
            defer { hosts.remove() }
            let settings =
                ChaosTests.wide.map { $0 == "training.steps=150" ? "training.steps=900" : $0 }
                + ChaosTests.settings("cluster.livenessSeconds=3", "cluster.workers=2", "training.placement=\(placement)")
            let reference = try ChaosTests.reference(folder, settings)
            let directory = "\(folder)/run"
            let (coordinator, endpoint, output) = try ChaosTests.coordinator(
                directory, settings + ["--bind", hosts.address(1), "--insecure"], on: hosts.command(on: 1))
            #expect(endpoint.hasPrefix("10.77.0.1:"))
            let workers = try [2, 3].map { host in
                try Program.start(
                    ["worker", "--connect", endpoint, "--name", "host-\(host)", "--quiet", "--insecure"],
                    through: hosts.command(on: host)
                ).0
            }
            let run = RunFolder(path: directory)
            #expect(Program.wait(60) { run.lastStep ?? 0 > 30 })
            hosts.isolate(3)
            #expect(Program.wait(15) { run.log.contains("\"change\":\"lost\"") }, "\(run.log.suffix(1000))")
            let before = run.lastStep ?? 0
            #expect(Program.wait(20) { run.lastStep ?? 0 > before + 20 }, "the side of the coordinator goes on")
            hosts.rejoin(3)
            let healed = run.lastStep ?? 0
            #expect(
                Program.wait(40) {
                    (try? run.numbers("SELECT COUNT(*) FROM contributions WHERE worker = 'host-3' AND step > \(healed)").first ?? 0)
                        ?? 0 > 0
                }, "it computes again")
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            for process in [coordinator] + workers { process.waitUntilExit() }
            #expect(coordinator.terminationStatus == 0 && workers.allSatisfy { $0.terminationStatus == 0 })
            #expect(Program.Outcome(status: 0, output: line, errors: "").json["weightsSHA256"] as? String == reference.bits)
            #expect(try run.lawfulRows() == reference.rows)
            ChaosTests.expectNothingLeft(in: folder, runs: [directory])
        }
    }

    @Test("when the coordinator's own cable is pulled the workers wait for it, and the run goes on from the last snapshot")
    func coordinatorCutOff() throws {
        if let obstacle = NetworkHosts.obstacle() { return print("skipped: \(obstacle)") }
        try Program.inTemporaryFolder { folder in
            let hosts = try NetworkHosts(2)
            defer { hosts.remove() }
            let settings = ChaosTests.wide + ChaosTests.settings("cluster.livenessSeconds=2", "cluster.workers=1")
            let reference = try ChaosTests.reference(folder, settings)
            let directory = "\(folder)/run"
            let (coordinator, endpoint, output) = try ChaosTests.coordinator(
                directory, settings + ["--bind", hosts.address(1), "--insecure"], on: hosts.command(on: 1))
            let (worker, _, _) = try Program.start(
                ["worker", "--connect", endpoint, "--quiet"], through: hosts.command(on: 2))
            let run = RunFolder(path: directory)
            #expect(Program.wait(60) { run.lastStep ?? 0 > 30 })
            hosts.isolate(1)
            #expect(Program.wait(15) { run.log.contains("\"change\":\"lost\"") }, "\(run.log.suffix(1000))")
            hosts.rejoin(1)
            let line = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            for process in [coordinator, worker] { process.waitUntilExit() }
            #expect(coordinator.terminationStatus == 0 && worker.terminationStatus == 0)
            #expect(Program.Outcome(status: 0, output: line, errors: "").json["weightsSHA256"] as? String == reference.bits)
            #expect(try run.lawfulRows() == reference.rows)
            #expect(try run.texts("SELECT kind FROM events").contains("rolled back"))
            ChaosTests.expectNothingLeft(in: folder, runs: [directory])
        }
    }
}
