import ParameterServer

/// One thing that goes wrong in a simulated cluster, as data: times are virtual microseconds.
struct Fault: Sendable, CustomStringConvertible {
    enum Direction: Sendable { case both, toCoordinator, toWorker }

    enum Kind: Sendable {
        /// Every message may be lost, doubled, or held back so that later ones overtake it.
        case network(loss: Double, duplication: Double, reordering: Double, delay: Int)
        /// Nothing passes between the coordinator and a worker; what is sent waits for the end or is lost.
        case cut(worker: Int, Direction, loses: Bool)
        /// Nothing passes between two workers; what is sent waits for the end or is lost.
        case partition(worker: Int, other: Int, loses: Bool)
        /// The process stands still, as after SIGSTOP; nil is the coordinator.
        case pause(worker: Int?)
        /// The process is gone and is started again at the end; nil is the coordinator.
        case crash(worker: Int?)
        /// The coordinator dies in the midst of a disk operation, this many from the start on.
        case crashOnDisk(operations: Int)
        /// The coordinator's machine loses what was not synced.
        case powerLoss
        case diskFull
        /// A byte of the newest snapshot changes.
        case damage
        /// The worker says goodbye; at the end another process is started in its place.
        case leave(worker: Int)
        /// One more worker comes, and stays.
        case join
        /// The user asks for a stop after a snapshot, and resumes the run at the end.
        case stop
    }

    var kind: Kind
    var start: Int
    var duration: Int
    var end: Int { start + duration }

    var description: String {
        let what =
            switch kind {
            case .network(let loss, let duplication, let reordering, let delay):
                "network: loss \(percent(loss)), duplication \(percent(duplication)), reordering \(percent(reordering)), delay \(seconds(delay))"
            case .cut(let worker, let direction, let loses):
                "worker \(worker) is cut off (\(direction), messages \(loses ? "lost" : "held"))"
            case .partition(let worker, let other, let loses):
                "workers \(worker) and \(other) do not reach each other (messages \(loses ? "lost" : "held"))"
            case .pause(let worker): "\(name(worker)) is stopped"
            case .crash(let worker): "\(name(worker)) is killed, and started again at the end"
            case .crashOnDisk(let operations): "the coordinator dies in its disk operation \(operations) from then on"
            case .powerLoss: "the coordinator's machine loses power"
            case .diskFull: "the disk is full"
            case .damage: "a byte of the newest snapshot changes"
            case .leave(let worker): "worker \(worker) leaves, another comes at the end"
            case .join: "one more worker comes"
            case .stop: "the user stops the run, and resumes it at the end"
            }
        return "from \(seconds(start)) to \(seconds(end)): \(what)"
    }

    private func percent(_ share: Double) -> String { "\(Int(share * 100)) %" }
    private func name(_ worker: Int?) -> String { worker.map { "worker \($0)" } ?? "the coordinator" }
    private func seconds(_ time: Int) -> String { "\(Double(time / 1000) / 1000) s" }

    /// A schedule of up to seven faults for a run that takes some ten seconds without them.
    static func schedule(seed: UInt64, workers: Int, placement: ShardPlacement = .coordinator) -> [Fault] {
        var dice = Dice(seed: seed, purpose: "faults")
        return (0..<dice.below(8)).map { _ in
            let kind = kind(&dice, workers: workers, placement)
            let long = dice.chance(0.3)
            return Fault(kind: kind, start: dice.below(8_000_000), duration: dice.within(100_000...(long ? 25_000_000 : 3_000_000)))
        }
    }

    private static func kind(_ dice: inout Dice, workers: Int, _ placement: ShardPlacement) -> Kind {
        let worker = dice.below(workers)
        let hasLinks = placement == .workers && workers > 1
        switch dice.below(hasLinks ? 18 : 16) {
        case 0, 1:
            return .network(
                loss: Double(dice.below(4)) * 0.1, duplication: Double(dice.below(4)) * 0.1,
                reordering: Double(dice.below(4)) * 0.1,
                delay: dice.below(3) * 200_000)
        case 2, 3: return .cut(worker: worker, [.both, .toCoordinator, .toWorker][dice.below(3)], loses: dice.chance(0.5))
        case 4: return .pause(worker: worker)
        case 5: return .pause(worker: nil)
        case 6, 7, 8: return .crash(worker: worker)
        case 9: return .crash(worker: nil)
        case 10: return .crashOnDisk(operations: 1 + dice.below(24))
        case 11: return .powerLoss
        case 12: return dice.chance(0.5) ? .diskFull : .damage
        case 13: return .leave(worker: worker)
        case 14: return .join
        case 15: return .stop
        default:
            return .partition(
                worker: worker, other: (worker + 1 + dice.below(workers - 1)) % workers, loses: dice.chance(0.5))
        }
    }
}
