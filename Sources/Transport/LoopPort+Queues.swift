import ParameterServer

extension LoopPort {
    /// A peer whose connection ended while messages waited for it.
    struct Loss {
        let peer: WorkerID?
        let messages: Int
    }

    /// Sends what waits, as far as there is room now; returns the peers that are gone.
    mutating func sendQueued() -> [Loss] {
        var losses: [Loss] = []
        var index = 0
        while index < queues.count {
            if let loss = sendQueue(index) { losses.append(loss) }
            if queues[index].head == queues[index].messages.count { queues.remove(at: index) } else { index += 1 }
        }
        return losses
    }

    private mutating func sendQueue(_ index: Int) -> Loss? {
        let peer = queues[index].peer
        while queues[index].head < queues[index].messages.count {
            let message = queues[index].messages[queues[index].head]
            let byteCount = message.byteCount
            switch socket.send(message, to: peer) {
            case .sent:
                countSent(byteCount)
                dequeue(index, byteCount)
            case .unreachable where peer == nil:
                // This one was lost with the connection; the next ones wait for the new one.
                statistics.messagesUndelivered += 1
                dequeue(index, byteCount)
                return Loss(peer: nil, messages: 1)
            case .full, .terminated: return nil
            case .unreachable where peer.map { awaited[$0] != nil } ?? false: return nil
            case .unreachable: return drop(index)
            }
        }
        return nil
    }

    private mutating func dequeue(_ index: Int, _ byteCount: Int) {
        queues[index].messages[queues[index].head].clear()
        queues[index].head += 1
        queues[index].byteCount -= byteCount + OutgoingMessage.overheadBytes
        statistics.pendingBytes -= byteCount + OutgoingMessage.overheadBytes
        // Sent messages leave the array in batches: O(1) each.
        if queues[index].head >= 64, queues[index].head * 2 >= queues[index].messages.count {
            queues[index].messages.removeFirst(queues[index].head)
            queues[index].head = 0
        }
    }

    private mutating func drop(_ index: Int) -> Loss {
        let messages = queues[index].messages.count - queues[index].head
        statistics.messagesUndelivered += UInt64(messages)
        statistics.pendingBytes -= queues[index].byteCount
        queues[index].messages.removeAll()
        queues[index].head = 0
        return Loss(peer: queues[index].peer, messages: messages)
    }
}
