/// The ways to cut a number of units into equal blocks.
enum Divisors {
    /// Ascending. O(√n).
    static func of(_ n: Int) -> [Int] {
        var (small, large) = ([Int](), [Int]())
        var candidate = 1
        while candidate * candidate <= n {
            if n % candidate == 0 {
                small.append(candidate)
                if candidate != n / candidate { large.append(n / candidate) }
            }
            candidate += 1
        }
        return small + large.reversed()
    }

    /// The largest divisor up to √n: the first number of the most balanced factorisation.
    static func balanced(_ n: Int) -> Int { of(n).last { $0 * $0 <= n } ?? 1 }
}
