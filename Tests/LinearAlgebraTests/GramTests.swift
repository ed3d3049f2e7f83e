import Testing

@testable import LinearAlgebra

@Suite("Eigenvalues of Gram matrices")
struct GramTests {
    private static let shapes = [(1, 1), (1, 9), (7, 4), (64, 64), (300, 65), (65, 300), (200, 200), (520, 128)]

    @Test("are those of the matrix made in full, and in float32 the same to a millionth of the largest", arguments: shapes)
    func agree(rows: Int, columns: Int) throws {
        let a = LAPACKTests.random(rows, columns)
        let expected = try LAPACK.symmetricEigenvalues(DoubleMatrix(a.view).smallerGram())
        let (found, rough) = (
            try LAPACK.gramTridiagonal(of: a.view).eigenvalues(), try LAPACK.roughGramTridiagonal(of: a.view).eigenvalues()
        )
        #expect(found.count == expected.count && rough.count == expected.count)
        let largest = try #require(expected.last)
        for index in expected.indices {
            #expect(abs(found[index] - expected[index]) <= Double(max(rows, columns)) * Double.ulpOfOne * largest)
            #expect(abs(rough[index] - expected[index]) <= 1e-6 * largest)
        }
    }

    @Test("need no more than the shape to be empty, and finite elements")
    func edges() throws {
        for (rows, columns) in [(0, 0), (0, 3), (3, 0)] {
            let empty = Matrix(rows: rows, columns: columns)
            #expect(
                try LAPACK.gramTridiagonal(of: empty.view).diagonal.isEmpty
                    && LAPACK.roughGramTridiagonal(of: empty.view).diagonal.isEmpty)
        }
        let bad = Matrix(rows: 1, columns: 2, elements: [1, .infinity])
        #expect(throws: LAPACKError.notFinite(routine: "syrk")) { try LAPACK.gramTridiagonal(of: bad.view) }
        #expect(throws: LAPACKError.notFinite(routine: "syrk")) { try LAPACK.roughGramTridiagonal(of: bad.view) }
    }

    @Test("stand in rows that begin on a line of the cache and meet all of its sets", arguments: [0, 1, 8, 100, 1000, 1024, 4096])
    func rows(size: Int) {
        let wide = SymmetricStorage<Double>(size: size)
        let narrow = SymmetricStorage<Float>(size: size)
        for (stride, line) in [(wide.stride, 8), (narrow.stride, 16)] {
            #expect(stride >= size && stride < size + 2 * line + 1)
            #expect(stride.isMultiple(of: line) && !stride.isMultiple(of: 2 * line))
        }
        let places = unsafe (UInt(bitPattern: wide.elements), UInt(bitPattern: narrow.elements))
        #expect(places.0.isMultiple(of: 64) && places.1.isMultiple(of: 64))
    }
}
