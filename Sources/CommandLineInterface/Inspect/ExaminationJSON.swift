import Foundation
import SpectralDiagnostics

/// The examination as one object: every figure by the name it has in a run's record, and why others are missing.
struct ExaminationJSON: Encodable {
    private var file: String
    private var tensors: [Tensor]
    private var skipped: [TensorInventory.Skipped]

    private struct Tensor: Encodable {
        var name: String
        var element: String
        var shape: [Int]
        /// Matrices that the singular values are of.
        var matrices: Int
        var singularValues: [Double]
        /// Within which each is known.
        var residuals: [Double]
        var isComplete: Bool
        var histogram: Histogram
        var quantities: Quantities
        var controlSingularValues: [Double]?
    }

    private struct Histogram: Encodable {
        var edges: [Double]
        var counts: [Int]
        var below: Int
    }

    init(file: String, examined: [ExaminedTensor], skipped: [TensorInventory.Skipped]) {
        (self.file, self.skipped) = (file, skipped)
        tensors = examined.map { tensor in
            let spectrum = tensor.spectra.spectrum
            let histogram = SpectrumHistogram(spectrum.singularValues)
            return Tensor(
                name: tensor.name, element: tensor.element, shape: tensor.shape, matrices: tensor.matrices,
                singularValues: spectrum.singularValues, residuals: spectrum.residuals, isComplete: spectrum.isComplete,
                histogram: Histogram(edges: histogram.edges, counts: histogram.counts, below: histogram.below),
                quantities: Quantities(tensor.rows), controlSingularValues: tensor.spectra.control?.singularValues)
        }
    }

    func text() throws -> String { try SortedJSON.text(self) }
}

/// Diagnostics by quantity: values, the half widths of their intervals, and reasons for those that have no value.
struct Quantities: Encodable {
    var values: [String: Double] = [:]
    var uncertainties: [String: Double] = [:]
    var reasons: [String: String] = [:]

    init(_ rows: [DiagnosticRow]) {
        for row in rows {
            values[row.quantity] = row.value.number
            uncertainties[row.quantity] = row.value.uncertainty
            reasons[row.quantity] = row.value.reason
        }
    }
}
