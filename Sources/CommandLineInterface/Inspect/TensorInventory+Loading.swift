import LinearAlgebra
import RunStore

extension TensorInventory {
    /// Reads a tensor of two to four dimensions. Blocking; any thread.
    ///
    /// - Throws: `SafetensorsError`.
    static func load(_ tensor: TensorDescription, of file: SafetensorsFile) throws -> Loaded {
        if tensor.count == 0 { return .matrices([]) }
        if let reason = try reason(against: tensor, in: file) { return .unusable(reason) }
        return .matrices(try matrices(of: tensor, in: file))
    }

    /// Matrices are examined in float32: beyond its range elements would be infinities, or zeros, that the file does not hold.
    private static func reason(against tensor: TensorDescription, in file: SafetensorsFile) throws -> String? {
        guard tensor.element == .f64, let largest = try file.largestMagnitude(ofDoubles: tensor), largest > 0 else { return nil }
        if Double(Float.leastNormalMagnitude)...Double(Float.greatestFiniteMagnitude) ~= largest { return nil }
        return "outside float32's range, as the largest element is \(largest); scale the tensor by a power of two"
    }

    /// A matrix, or the kernel [outputs, inputs, places…] as one matrix [outputs, inputs] for each place.
    private static func matrices(of tensor: TensorDescription, in file: SafetensorsFile) throws -> [Matrix] {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        if tensor.shape.count == 2 {
            var matrix = Matrix(rows: rows, columns: columns)
            var elements = matrix.mutableSpan
            try file.read(tensor, into: &elements)
            return [matrix]
        }
        let places = tensor.shape.dropFirst(2).reduce(1, *)
        var kernel = AlignedVector(count: tensor.count)
        do {
            var elements = kernel.mutableSpan
            try file.read(tensor, into: &elements)
        }
        return (0..<places).map { place in
            var matrix = Matrix(rows: rows, columns: columns)
            var elements = matrix.mutableSpan
            for index in 0..<rows * columns { elements[index] = kernel.span[index * places + place] }
            return matrix
        }
    }
}
