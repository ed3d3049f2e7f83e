extension Matrix {
    /// The first column `count` times over, [rows, count].
    public func repeated(_ count: Int) -> Matrix {
        precondition(columns >= 1, "a column to repeat")
        var result = Matrix(rows: rows, columns: count)
        let from = span
        var to = result.mutableSpan
        for row in 0..<rows { for column in 0..<count { to[row * count + column] = from[row * columns] } }
        return result
    }

    /// The columns of the given numbers, in their order, [rows, numbers.count].
    public func columns(_ numbers: some Collection<Int>) -> Matrix {
        precondition(numbers.allSatisfy { $0 >= 0 && $0 < columns }, "columns of the matrix")
        var result = Matrix(rows: rows, columns: numbers.count)
        let (from, width) = (span, result.columns)
        var to = result.mutableSpan
        for row in 0..<rows {
            for (place, column) in numbers.enumerated() { to[row * width + place] = from[row * columns + column] }
        }
        return result
    }

    /// Ones on the diagonal of [size, size].
    public static func identity(_ size: Int) -> Matrix {
        var result = Matrix(rows: size, columns: size)
        var to = result.mutableSpan
        for index in 0..<size { to[index * size + index] = 1 }
        return result
    }
}
