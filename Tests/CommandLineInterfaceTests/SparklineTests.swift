import Testing

@testable import CommandLineInterface

@Suite("Sparklines")
struct SparklineTests {
    @Test("heights follow the values, on decades where they span some")
    func heights() {
        #expect(Sparkline.draw([0, 1, 2, 3, 4, 5, 6, 7], width: 8) == "▁▂▃▄▅▆▇█")
        #expect(Sparkline.draw([7, 0], width: 8) == "█▁")
        #expect(Sparkline.draw([1, 10, 100, 1000], width: 8) == "▁▃▆█", "decades")
        #expect(Sparkline.draw([-1, 10, 100, 1000], width: 8) == "▁▁▁█", "no logarithm of what is negative")
        #expect(Sparkline.draw([0, 7], width: 8, isUnicode: false) == "_@")
    }

    @Test("what differs by less than is shown is flat, and rounding about one value draws no mountains")
    func flat() {
        #expect(Sparkline.draw([1, 1.00001, 1], width: 8) == "▄▄▄")
        #expect(Sparkline.draw([5], width: 8) == "▄" && Sparkline.draw([0, 0], width: 8) == "▄▄")
    }

    @Test("n/a and infinities are gaps, nothing at all is an empty line")
    func gaps() {
        #expect(Sparkline.draw([0, nil, 7, .infinity, .nan], width: 8) == "▁·█··")
        #expect(Sparkline.draw([nil, nil], width: 8) == "··" && Sparkline.draw([], width: 8) == "")
        #expect(Sparkline.draw([-.greatestFiniteMagnitude, .greatestFiniteMagnitude], width: 2) == "▁█")
    }

    @Test("more values than characters become means of equal shares")
    func shares() {
        #expect(Sparkline.draw([0, 0, 2, 2, 6, 8], width: 3) == "▁▃█")
        #expect(Sparkline.draw([nil, nil, 2, nil, 6, 8], width: 3) == "·▁█")
        #expect(Sparkline.draw((0..<1000).map(Double.init), width: 8) == "▁▂▃▄▅▆▇█")
    }
}
