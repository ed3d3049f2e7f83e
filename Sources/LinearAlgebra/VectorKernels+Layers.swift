import CAllocator
import CVectorKernels

extension Activation {
    var code: plumb_activation {
        switch self {
        case .none: plumb_activation_none
        case .relu: plumb_activation_relu
        case .tanh: plumb_activation_tanh
        }
    }
}

extension VectorKernels {
    /// z[i, :] ← activation(z[i, :] + bias[i]), in one pass. `z: [rows, columns]`; `bias: [rows]`, or empty for none.
    public static func addBias(_ bias: Span<Float>, activation: Activation, to z: inout MutableMatrixView) {
        precondition(bias.isEmpty || bias.count == z.rows, "a bias a row, or none")
        if bias.isEmpty && activation == .none { return }
        let (rows, columns) = (z.rows, z.columns)
        unsafe bias.withUnsafeBufferPointer { bias in
            unsafe z.elements.withUnsafeMutableBufferPointer { z in
                guard let base = z.baseAddress else { return }
                unsafe kernels.add_bias(base, rows, columns, bias.isEmpty ? nil : bias.baseAddress, activation.code)
            }
        }
    }

    /// g ← g ⊙ activation′, written with the activation's output y: relu y > 0 ? g : 0; tanh g·(1 − y²). Both `[rows, columns]`.
    public static func multiplyByDerivative(of activation: Activation, output y: MatrixView, gradient g: inout MutableMatrixView) {
        precondition(y.rows == g.rows && y.columns == g.columns, "a gradient of the output's shape")
        if activation == .none { return }
        unsafe pair(y.elements, &g.elements) { unsafe kernels.multiply_by_derivative($1, $0, $2, activation.code) }
    }
}

extension VectorKernels {
    /// column b of `target` ← row `indices[b]` of `source`. `source: [any, n]`, `target: [n, indices.count]`. O(n · indices.count).
    ///
    /// Any thread; a few rows at a time, in memory that the thread keeps.
    public static func gatherColumns(of source: MatrixView, _ indices: Span<Int32>, into target: inout MutableMatrixView) {
        precondition(target.rows == source.columns && target.columns == indices.count, "a column for each index")
        let (width, batch, tile) = (source.columns, indices.count, 16)
        guard width > 0, let memory = unsafe plumb_thread_scratch(tile * width * MemoryLayout<Float>.stride) else {
            for b in 0..<batch {
                for i in 0..<width { target.elements[i * batch + b] = source.elements[Int(indices[b]) * width + i] }
            }
            return
        }
        let rows = unsafe memory.assumingMemoryBound(to: Float.self)
        unsafe source.elements.withUnsafeBufferPointer { source in
            unsafe target.elements.withUnsafeMutableBufferPointer { target in
                for first in stride(from: 0, to: batch, by: tile) {
                    let count = min(tile, batch - first)
                    for b in 0..<count {
                        let start = Int(indices[first + b]) * width
                        let row = unsafe UnsafeBufferPointer(rebasing: source[start..<start + width])
                        unsafe (rows + b * width).update(from: row.baseAddress!, count: width)
                    }
                    unsafe kernels.transpose(target.baseAddress! + first, batch, rows, width, count, width)
                }
            }
        }
    }
}
