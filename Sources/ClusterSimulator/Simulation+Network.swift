import ParameterServer
import ShardKernels

/// Links between processes, and between the threads of the coordinator's.
extension Simulation {
    /// From a worker to the coordinator.
    func send(_ message: Message, from slot: Int) { send(message, from: slot, to: .coordinator) }

    /// From a worker to anybody, itself included.
    func send(_ message: Message, from slot: Int, to recipient: WorkerID) {
        guard let life = slots[slot].process?.life else { return }
        guard let to = recipient.isCoordinators ? -1 : homes[recipient] else { return }
        transmit(Envelope(from: slot, sender: life, to: to, recipient: recipient, message: message))
    }

    /// From the coordinator, or one of its threads, to a worker.
    func send(_ message: Message, as sender: WorkerID = .coordinator, to worker: WorkerID) {
        guard let slot = coordinator?.slots[worker] else { return }
        if message.isData && slots[slot].process?.life != worker { return post(.unreachable(worker)) }
        transmit(Envelope(from: -1, sender: sender, to: slot, recipient: worker, message: message))
    }

    /// Messages of one link and kind keep their order, unless a fault says otherwise.
    private func transmit(_ envelope: Envelope) {
        let thread = [envelope.sender, envelope.recipient].first(where: \.isCoordinators).map(Self.place) ?? -1
        let link = (((envelope.from + 1) * 64 + envelope.to + 1) * 64 - thread) * 2 + (envelope.message.isData ? 1 : 0)
        if envelope.from == envelope.to {
            // Handed over inside the process.
            let arrival = max(now + dice.within(1...20), linkTimes[link, default: 0] + 1)
            linkTimes[link] = arrival
            return queue.add(.deliver(envelope), at: arrival)
        }
        var (delay, overtakes, copies) = (dice.within(100...2_000), false, 1)
        for index in active {
            switch faults[index].kind {
            case .network(let loss, let duplication, let reordering, let slowness):
                if dice.chance(loss) { return }
                if dice.chance(duplication) { copies += 1 }
                if dice.chance(reordering) {
                    overtakes = true
                    delay += dice.below(400_000)
                }
                delay += dice.below(slowness + 1)
            case .cut(let worker, let direction, let loses) where Self.joins(envelope, worker, -1):
                if direction == .toWorker && envelope.to == -1 || direction == .toCoordinator && envelope.from == -1 { continue }
                if loses { return }
                delay += faults[index].end - now
            case .partition(let worker, let other, let loses) where Self.joins(envelope, worker, other):
                reach("frame between parted workers")
                if loses { return }
                delay += faults[index].end - now
            default: continue
            }
        }
        for copy in 0..<copies {
            var arrival = now + delay + (copy == 0 ? 0 : dice.below(500_000))
            if !overtakes && copy == 0 {
                arrival = max(arrival, linkTimes[link, default: 0] + 1)
                linkTimes[link] = arrival
            }
            queue.add(.deliver(envelope), at: arrival)
        }
    }

    private static func joins(_ envelope: Envelope, _ a: Int, _ b: Int) -> Bool {
        (envelope.from == a && envelope.to == b) || (envelope.from == b && envelope.to == a)
    }

    func deliver(_ envelope: Envelope) throws {
        if envelope.to == -1 {
            guard coordinator != nil else { return }
            coordinator?.slots[envelope.sender] = envelope.from
            try receive(envelope)
        } else if slots[envelope.to].process?.life == envelope.recipient {
            try receiveAtWorker(envelope.to, envelope.sender, envelope.message)
        }
    }

    /// Threads of the coordinator's process tell each other in order.
    func post(_ post: LocalPost) {
        guard let process = coordinator?.process else { return }
        let lane = post.lane
        let time = max(now + dice.within(5...400), (coordinator?.laneTimes[lane] ?? 0) + 1)
        coordinator?.laneTimes[lane] = time
        queue.add(.post(process: process, post), at: time)
    }
}
