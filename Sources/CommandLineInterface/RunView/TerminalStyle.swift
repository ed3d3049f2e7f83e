import Foundation

/// What a terminal can show.
struct TerminalStyle: Hashable {
    /// Characters in a line.
    var width: Int
    /// Whether it shows UTF-8; letters stand in for symbols otherwise.
    var isUnicode: Bool

    /// The terminal of this process: `COLUMNS` or the window's width, 80 to 120 (100 where there is no window), and the locale's encoding.
    static func ofThisTerminal(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> TerminalStyle {
        let width = environment["COLUMNS"].flatMap(Int.init) ?? windowWidth() ?? 100
        return TerminalStyle(width: min(120, max(80, width)), isUnicode: isUnicode(environment))
    }

    /// Whether the locale says UTF-8; the first of the three variables that is set counts.
    static func isUnicode(_ environment: [String: String]) -> Bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        return ["utf-8", "utf8"].contains { locale.lowercased().contains($0) }
    }

    private static func windowWidth() -> Int? {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// `text` in characters that the terminal has.
    func shown(_ text: String) -> String {
        if isUnicode { return text }
        let letters = [
            "σ": "sigma", "→": "->", "±": "+-", "…": "..", "²": "2", "–": "-", "α": "alpha", "λ": "lambda", "κ": "kappa",
        ]
        return text.map { letters[String($0)] ?? ($0.isASCII ? String($0) : "?") }.joined()
    }
}
