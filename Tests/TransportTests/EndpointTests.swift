import Testing
import Transport

@Suite("Endpoints")
struct EndpointTests {
    @Test(
        "are read and printed",
        arguments: ["127.0.0.1:7700", "tcp://10.0.0.1:1", "*:0", "node-3.cluster_a.example:65535", "localhost:80"])
    func roundTrip(text: String) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.description == text.replacing("tcp://", with: ""))
        #expect(try Endpoint(parsing: endpoint.description) == endpoint)
    }

    @Test("that are none are refused with cause and remedy")
    func refused() {
        for text in ["", "127.0.0.1", "node"] { #expect(refusal(text) == .noPort(text)) }
        for (text, port) in [("h:", ""), ("h:-1", "-1"), ("h:+1", "+1"), ("h:65536", "65536"), ("h:http", "http"), ("h:٣", "٣")] {
            #expect(refusal(text) == .badPort(text, port: port))
        }
        for host in ["", "a b", "[::1", "::1", "a/b", "nöde", "**", "h\n", String(repeating: "x", count: 254)] {
            #expect(refusal(host + ":1") == .badHost(host))
        }
        #expect(refusal("h:x")?.description == "'h:x' has port 'x'; a port is a number from 0 to 65535, 0 to let the system choose")
        #expect(refusal("h")?.description == "'h' has no port; write host:port, for example 127.0.0.1:7700")
        #expect(
            refusal("a b:1")?.description
                == "'a b' is not a host; write an IPv4 address, a name, or * for every address of this machine")
    }

    @Test("know whether only this machine can reach them")
    func loopback() throws {
        for text in ["127.0.0.1:1", "127.9.9.9:1", "localhost:1"] { #expect(try Endpoint(parsing: text).isLoopback) }
        for text in ["*:1", "0.0.0.0:1", "10.0.0.1:1", "127.0.0.1.example:1", "127.example:1"] {
            #expect(try !Endpoint(parsing: text).isLoopback)
        }
        for text in ["*:1", "0.0.0.0:1"] { #expect(try Endpoint(parsing: text).isWildcard) }
        #expect(Endpoint.loopback(port: 7).description == "127.0.0.1:7")
    }

    private func refusal(_ text: String) -> EndpointError? {
        do throws(EndpointError) {
            _ = try Endpoint(parsing: text)
            return nil
        } catch {
            return error
        }
    }
}
