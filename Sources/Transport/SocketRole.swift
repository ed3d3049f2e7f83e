import ParameterServer

/// Which end of a connection a socket is.
public enum SocketRole: Hashable, Sendable {
    /// Listens; serves many peers and names each by its worker.
    case router(bind: Endpoint)
    /// Connects to a router, as this worker, whose first byte is not zero.
    case dealer(connect: Endpoint, identity: WorkerID)
}
