import Foundation
import LinearAlgebra

/// golden/jacobians.txt, made by Tests/Oracles/jacobians.py.
enum Oracle {
    /// The numbers of every line of a kind.
    static func lines(_ kind: String) throws -> [[Double]] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Oracles/golden/jacobians.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            return words[0] == kind ? words.dropFirst().compactMap { Double($0) } : nil
        }
    }

    /// The matrix that the generator calls by this name.
    static func lattice(_ rows: Int, _ columns: Int, _ salt: Int, scale: Float = 1) -> Matrix {
        var elements: [Float] = []
        for i in 0..<rows {
            for j in 0..<columns {
                let seed = 131 * i + 17 * j + 919 * salt + 1
                elements.append(Float(seed * seed * seed % 104_729 % 1021 - 510) / 256 * scale)
            }
        }
        return Matrix(rows: rows, columns: columns, elements: elements)
    }

    static func gaussian(_ rows: Int, _ columns: Int, seed: UInt64, deviation: Float = 1) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        var elements = matrix.mutableSpan
        CounterRNG(seed: seed, purpose: "oracle").fillNormal(&elements, standardDeviation: deviation)
        return matrix
    }

    static func product(_ a: Matrix, _ b: Matrix) -> Matrix {
        var result = Matrix(rows: a.rows, columns: b.columns)
        var view = result.mutableView
        BLAS.gemm(a.view, b.view, into: &view)
        return result
    }
}
