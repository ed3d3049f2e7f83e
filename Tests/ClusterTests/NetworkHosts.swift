import Foundation

/// Hosts with networks of their own: namespaces on one bridge that leads nowhere else. `10.77.0.i` is host i, from 1.
///
/// Needs root and Debian's iproute2; everything is gone when the value's owner calls `remove`.
struct NetworkHosts {
    let count: Int
    private let prefix = "plumb\(ProcessInfo.processInfo.processIdentifier)"

    /// Why there can be none here; nil when there can.
    static func obstacle() -> String? {
        if getuid() != 0 { return "only root may make network namespaces" }
        let name = "plumbtry\(ProcessInfo.processInfo.processIdentifier)"
        guard shell("ip netns add \(name)") == 0 else { return "ip netns add does not work here; install iproute2" }
        _ = shell("ip netns del \(name)")
        return nil
    }

    init(_ count: Int) throws {
        self.count = count
        var commands = ["ip netns add \(prefix)-sw", "ip -n \(prefix)-sw link add br0 type bridge forward_delay 0"]
        commands.append("ip -n \(prefix)-sw link set br0 up")
        for host in 1...count {
            let name = "\(prefix)-\(host)"
            commands += [
                "ip netns add \(name)", "ip -n \(name) link set lo up",
                "ip link add eth0 netns \(name) type veth peer name p\(host) netns \(prefix)-sw",
                "ip -n \(prefix)-sw link set p\(host) master br0 up", "ip -n \(name) addr add \(address(host))/24 dev eth0",
                "ip -n \(name) link set eth0 up",
            ]
        }
        for command in commands where Self.shell(command) != 0 {
            remove()
            throw Trouble(sentence: "\(command) has failed")
        }
    }

    struct Trouble: Error { var sentence: String }

    func address(_ host: Int) -> String { "10.77.0.\(host)" }

    /// What runs `plumb` on a host, in front of its arguments.
    func command(on host: Int) -> [String] { ["ip", "netns", "exec", "\(prefix)-\(host)"] }

    /// Nothing reaches the host or leaves it, until `rejoin`.
    func isolate(_ host: Int) { _ = Self.shell("ip -n \(prefix)-sw link set p\(host) down") }

    func rejoin(_ host: Int) { _ = Self.shell("ip -n \(prefix)-sw link set p\(host) up") }

    func remove() {
        for name in (1...count).map({ "\(prefix)-\($0)" }) + ["\(prefix)-sw"] { _ = Self.shell("ip netns del \(name)") }
    }

    private static func shell(_ command: String) -> Int32 {
        (try? ChaosTests.shell("\(command) > /dev/null 2>&1")) ?? -1
    }
}
