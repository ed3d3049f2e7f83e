import CDigits
import LinearAlgebra

extension Dataset {
    /// The handwritten digits of E. Alpaydin and C. Kaynak (UCI Machine Learning Repository, CC BY 4.0): 1,797 images of 8 × 8 pixels,
    /// ten classes, pixels as 0…1. Part of the library; needs no file.
    public static func digits() throws(DatasetError) -> Dataset {
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: digitsStart, count: plumb_digits_gz_count))
        let table = try CSVTable(GzipFile.inflated(bytes, name: "digits"), path: "digits", hasHeader: false)
        return try Dataset(table, label: nil, name: "digits", scale: 1 / 16)
    }

    private static var digitsStart: UnsafePointer<UInt8> { unsafe plumb_digits() }

    /// Two interleaved spirals in the plane: `points` examples, alternately of class 0 and 1, radius growing from 0 to 1 over `turns`
    /// turns, Gaussian noise of deviation `noise`.
    public static func spirals(points: Int, turns: Double, noise: Double, seed: UInt64) -> Dataset {
        let generator = CounterRNG(seed: seed, purpose: "spirals")
        var features = Matrix(rows: points, columns: 2)
        var elements = features.mutableSpan
        var labels: [Int32] = []
        for index in 0..<points {
            let label = index % 2
            let radius = generator.uniform(UInt64(3 * index)).squareRoot()
            let angle = radius * turns + (label == 0 ? 0 : 0.5)
            let (cosine, sine) = ScalarMath.cosineAndSine(turns: angle)
            elements[2 * index] = Float(radius * cosine + noise * generator.normal(UInt64(3 * index + 1)))
            elements[2 * index + 1] = Float(radius * sine + noise * generator.normal(UInt64(3 * index + 2)))
            labels.append(Int32(label))
        }
        return Dataset(name: "spirals", features: features, labels: labels, classes: 2)
    }

    /// Gaussian features and random labels: work for benchmarks, nothing to learn.
    public static func synthetic(examples: Int, features width: Int, classes: Int, seed: UInt64) -> Dataset {
        let generator = CounterRNG(seed: seed, purpose: "synthetic")
        var features = Matrix(rows: examples, columns: width)
        var elements = features.mutableSpan
        generator.fillNormal(&elements, standardDeviation: 1)
        let choice = CounterRNG(seed: seed, purpose: "synthetic-labels")
        let labels = (0..<examples).map { Int32(choice.bits(UInt64($0)) % UInt64(classes)) }
        return Dataset(name: "synthetic", features: features, labels: labels, classes: classes)
    }
}
