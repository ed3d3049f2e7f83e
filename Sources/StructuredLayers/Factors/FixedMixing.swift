import LinearAlgebra

/// A fixed signed permutation P of the units: x ↦ P·x costs a copy, and lets layers mix all dimensions whose trained maps move few.
struct FixedMixing: Sendable {
    /// Row i of P·x is sign[i]·x[source[i]].
    let source: [Int32]
    let sign: [Float]

    /// Reads the option `mixing` of a family on `width` units: a permutation drawn for the family and the layer's place, or the
    /// identity.
    init(options: inout OptionReader, family: String, width: Int, context: LayerContext) throws(SpecificationError) {
        if try options.flag("mixing", default: true) {
            let index = UInt64(context.index)
            source = CounterRNG(seed: 0, purpose: "\(family)-permutation", index: index).permutation(count: width)
            let coins = CounterRNG(seed: 0, purpose: "\(family)-signs", index: index)
            sign = (0..<width).map { coins.bits(UInt64($0)) & 1 == 0 ? 1 : -1 }
        } else {
            source = (0..<Int32(width)).map { $0 }
            sign = Array(repeating: 1, count: width)
        }
    }

    /// y ← P·x. `x`, `y`: [width, batch].
    func apply(_ x: MatrixView, into y: inout MutableMatrixView) {
        let batch = x.columns
        for row in source.indices {
            let from = Int(source[row]) * batch
            var target = y.elements.part(row * batch..<(row + 1) * batch)
            VectorKernels.copy(x.elements.extracting(from..<from + batch), into: &target)
            if sign[row] < 0 { VectorKernels.scale(&target, by: -1) }
        }
    }

    /// x ← Pᵀ·y. `x`, `y`: [width, batch].
    func applyTransposed(_ y: MatrixView, into x: inout MutableMatrixView) {
        let batch = y.columns
        for row in source.indices {
            let to = Int(source[row]) * batch
            var target = x.elements.part(to..<to + batch)
            VectorKernels.copy(y.elements.extracting(row * batch..<(row + 1) * batch), into: &target)
            if sign[row] < 0 { VectorKernels.scale(&target, by: -1) }
        }
    }
}
