import LinearAlgebra
import SpectralDiagnostics

/// One tensor's D1–D7.
struct ExaminedTensor: Sendable {
    var name: String
    var element: String
    var shape: [Int]
    /// Matrices that the tensor is examined as.
    var matrices: Int
    var spectra: WeightSpectra
    /// Why there are no figures at all, where the file's numbers could not be had.
    var reason: String?

    /// Examines what was read of `item`.
    ///
    /// - Parameters:
    ///   - control: the generator of the random order; nil for no control.
    ///   - offering: as of `WeightSpectra`.
    init(
        _ item: TensorInventory.Item, _ loaded: consuming TensorInventory.Loaded, completeUpTo: Int, control: CounterRNG?,
        offering: (any OfferedWork) -> Void
    ) {
        (name, element, shape) = (item.name, item.element, item.shape)
        switch consume loaded {
        case .matrices(let all):
            (matrices, reason) = (all.count, nil)
            spectra = WeightSpectra(
                of: all, completeUpTo: completeUpTo, precision: item.precision, control: control, offering: offering)
        case .unusable(let text):
            (matrices, reason) = (item.slices, text)
            spectra = WeightSpectra(of: [], control: nil)
        }
    }

    var rows: [DiagnosticRow] {
        let rows = spectra.rows(layer: nil)
        guard let reason else { return rows }
        return rows.map { DiagnosticRow($0.diagnostic, $0.quantity, .unavailable(reason)) }
    }
}
