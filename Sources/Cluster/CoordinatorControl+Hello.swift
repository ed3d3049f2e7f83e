import ExperimentFile
import LinearAlgebra
import Logging
import ParameterServer
import Training
import Transport
import WireProtocol

extension CoordinatorControl {
    mutating func answer(_ message: ControlMessage, from worker: WorkerID, port: inout LoopPort) throws {
        switch message {
        case .hello(let hello): greet(hello, worker, port: &port)
        case .ready(let ready): admit(ready, worker, port: &port)
        case .synchronized: handle(.synchronized(worker), port: &port)
        case .workerHeartbeat(let beat):
            if repeatEnding(to: worker, port: &port) { return }
            guard let peer = peers[worker] else {
                return send(.rejoin(.init(reason: "this coordinator has not met it")), to: worker, port: &port)
            }
            if peer.isReady {
                let report = WorkerReport(timeline: beat.timeline, generation: beat.generation, version: beat.step)
                handle(.heard(worker, report), port: &port)
            }
            send(.coordinatorHeartbeat(.init(step: machine.version, sequence: beat.sequence)), to: worker, port: &port)
        case .stepTimes(let times):
            guard peers[worker]?.isReady == true, times.timeline == machine.timeline else { return }
            outlets.recorder(
                .workerTimes(
                    worker: name(of: worker),
                    times.entries.filter { $0.step < plan.experiment.training.steps }.map {
                        ($0, $0.waitedFor.map { name(of: $0) })
                    }))
        case .leaving(let leaving): leave(worker, leaving.reason, port: &port)
        case .failed(let failed): leave(worker, failed.sentence, port: &port)
        case .statusRequest: send(.status(status()), to: worker, port: &port)
        case .stopRequest(let request):
            send(.status(status()), to: worker, port: &port)
            handle(.stopRequested(reason: request.reason), port: &port)
        case .welcome, .refused, .assignment, .coordinatorHeartbeat, .stop, .rejoin, .peers, .status:
            throw RejectedFrame.unexpected("a worker does not send this message")
        }
    }

    private mutating func leave(_ worker: WorkerID, _ reason: String, port: inout LoopPort) {
        handle(.left(worker, reason: reason), port: &port)
        forget(worker)
    }

    private func status() -> ControlMessage.Status {
        let now = MonotonicClock.now()
        let workers = machine.assignments.map { worker, partitions in
            ControlMessage.Status.Worker(
                name: name(of: worker), host: peers[worker]?.host ?? "", partitions: partitions,
                silentMilliseconds: milliseconds(machine.silence(of: worker, at: now)))
        }
        return ControlMessage.Status(
            runName: announcement.runName, phase: machine.phaseName, step: machine.version, steps: plan.experiment.training.steps,
            timeline: machine.timeline, generation: machine.generation, waitedMilliseconds: milliseconds(machine.waited(at: now)),
            workers: workers)
    }

    private func milliseconds(_ duration: Duration) -> Int { max(0, Int(duration / .milliseconds(1))) }

    private mutating func greet(_ hello: ControlMessage.Hello, _ worker: WorkerID, port: inout LoopPort) {
        let name = hello.name.isEmpty ? names[worker] ?? freeName : hello.name
        guard peers[worker] != nil || peers.count < machine.assignments.count + Self.strangersMax else {
            return rejections.note("too many peers say hello", peer: name, reason: "\(Self.strangersMax) are not ready yet", log)
        }
        if hello.protocolVersion != Int(FrameHeader.protocolVersion) {
            return refuse(
                worker, name,
                "the worker speaks protocol \(hello.protocolVersion), the coordinator \(Int(FrameHeader.protocolVersion))",
                "run the same build of plumb on every machine", port: &port)
        }
        if let holder = holder(of: name, besides: worker), !machine.isStalled(holder) {
            return refuse(
                worker, name, "a worker named \(name) is a member already",
                "start it with another --name, or wait until that one is lost", port: &port)
        }
        let wanted = plan.experiment.cluster.blasCore
        let core = announcement.fingerprint.blasCore
        if wanted == nil, hello.blasCore != core {
            return refuse(
                worker, name,
                "OpenBLAS uses its \(hello.blasCore) kernels on the worker and its \(core) kernels on the coordinator",
                "set cluster.blasCore in the experiment to kernels that every machine can run, such as Haswell", port: &port)
        }
        names[worker] = name
        // A hello that is said again, because the answer was lost, changes nothing.
        if peers[worker] == nil {
            peers[worker] = Peer(name: name, host: hello.host, processID: hello.processID, since: MonotonicClock.now())
        }
        noteProcess(hello.processID)
        log.debug("a worker says hello", metadata: ["worker": "\(name)", "host": "\(hello.host)", "process": "\(hello.processID)"])
        let cluster = plan.experiment.cluster
        let welcome = ControlMessage.Welcome(
            workerName: name, experimentYAML: announcement.experimentYAML, runName: announcement.runName,
            dataEndpoint: "\(announcement.dataEndpoints[0])",
            shardEndpoints: announcement.dataEndpoints.dropFirst().map { "\($0)" },
            memory: announcement.memory, timeline: machine.timeline, heartbeat: .seconds(cluster.heartbeatSeconds),
            deadline: .seconds(cluster.livenessSeconds))
        send(.welcome(welcome), to: worker, port: &port)
    }

    private mutating func admit(_ ready: ControlMessage.Ready, _ worker: WorkerID, port: inout LoopPort) {
        guard var peer = peers[worker], !peer.isReady else { return }
        let fingerprint = NumericFingerprint(
            blasConfiguration: ready.blasConfiguration, blasCore: ready.blasCore, digest: ready.fingerprintDigest)
        if let difference = announcement.fingerprint.differences(from: fingerprint) {
            return refuse(
                worker, peer.name, "the worker computes other numbers than the coordinator: \(difference)",
                "use the same OpenBLAS and set cluster.blasCore to kernels that every machine can run", port: &port)
        }
        if ready.dataDigest != announcement.dataDigest {
            return refuse(
                worker, peer.name,
                "the worker's data has the digest \(ready.dataDigest.prefix(12)), the coordinator's \(announcement.dataDigest.prefix(12))",
                "give every machine the same data files", port: &port)
        }
        if ready.layoutDigest != announcement.layoutDigest {
            return refuse(
                worker, peer.name, "the worker lays the parameters out differently, or numbers diagnostics otherwise",
                "run the same build of plumb on every machine",
                port: &port)
        }
        // Only a worker that may join takes the place of another life of itself.
        if let holder = holder(of: peer.name, besides: worker) {
            handle(.left(holder, reason: "another life of \(peer.name) has come"), port: &port)
        }
        peer.isReady = true
        peer.dataEndpoint = ready.dataEndpoint
        peer.memory = ready.memory
        peers[worker] = peer
        everJoined.insert(worker)
        handle(.joined(worker), port: &port)
    }

    private mutating func refuse(_ worker: WorkerID, _ name: String, _ reason: String, _ remedy: String, port: inout LoopPort) {
        rejections.note("refused a worker", peer: name, reason: "\(reason); \(remedy)", log)
        send(.refused(.init(reason: reason, remedy: remedy)), to: worker, port: &port)
        forget(worker)
    }

    private func holder(of name: String, besides worker: WorkerID) -> WorkerID? {
        machine.assignments.first { $0.worker != worker && names[$0.worker] == name }?.worker
    }

    /// A name that nobody has.
    private var freeName: String {
        let taken = Set(names.values)
        var number = names.count + 1
        while taken.contains("worker-\(number)") { number += 1 }
        return "worker-\(number)"
    }
}
