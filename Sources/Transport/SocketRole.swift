import ParameterServer

/// Which end of a connection a socket is.
public enum SocketRole: Hashable, Sendable {
    /// Listens; serves many peers and names each by its worker.
    case router(bind: Endpoint)
    /// Takes part among equals, as this peer, whose first byte is not zero: listens, if it is to, and connects to others by
    /// `LoopPort.connect`. A message may go either way over a connection, whoever made it.
    case peer(bind: Endpoint?, identity: WorkerID)
    /// Connects to a router, as this worker, whose first byte is not zero.
    case dealer(connect: Endpoint, identity: WorkerID)
}
