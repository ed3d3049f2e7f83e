import LinearAlgebra

/// D1–D7 of one matrix, or of a convolution's kernel, with a control beside its power law.
///
/// The control is the same fit on the same elements in a random order: what their distribution alone explains, heavy tails included,
/// once all structure is gone. A Gaussian matrix would be another null, and call the outliers of single elements structure.
/// Tier T1; twice the spectrum. Oracle: the parts' own.
public struct WeightSpectra: Sendable {
    public let spectrum: MatrixSpectrum
    /// D2.
    public let bracket: NormBracket
    /// D5.
    public let tail: PowerLawTail
    /// D6.
    public let bulk: NoiseBulk
    public let control: Control?

    /// Examines matrices of one shape, one of them unless they are a convolution's.
    ///
    /// - Parameters:
    ///   - control: the generator of the random order; nil for no control.
    ///   - precision: what the elements were stored in.
    ///   - offering: is shown the control's work while the matrix itself is solved, so that an idle thread may do it.
    public init(
        of matrices: consuming [Matrix], completeUpTo: Int = 1024, precision: ElementPrecision = .float32,
        control generator: CounterRNG?, offering: (any OfferedWork) -> Void = { _ in }
    ) {
        let slices = consume matrices
        guard let generator, slices.count == 1, min(slices[0].rows, slices[0].columns) <= completeUpTo,
            SingularValueSolver.suitsFloat32(slices[0])
        else {
            let spectrum = MatrixSpectrum(ofAll: slices, completeUpTo: completeUpTo, precision: precision)
            self.init(spectrum, of: slices, completeUpTo: completeUpTo, control: generator)
            return
        }
        let work = Self.shuffling(slices[0], generator, precision)
        offering(work)
        var (rough, rounding): ([Double]?, RoundingFloor) = (nil, RoundingFloor())
        let spectrum = MatrixSpectrum(ofAll: slices, completeUpTo: completeUpTo, precision: precision) {
            w throws(LAPACKError) in
            let (values, others) = try SingularValueSolver.values(w) {
                let shuffled = work.value()
                rounding = shuffled.rounding
                return shuffled.rough
            }
            rough = others
            return values
        }
        work.withdraw()
        self.init(spectrum, of: slices, bracket: nil) { spectrum in
            if let rough, let control = Self.roughControl(values: rough, rounding: rounding, like: spectrum) { return control }
            var again = slices
            Self.shuffle(&again, generator, rows: spectrum.rows, columns: spectrum.columns)
            return Self.fullControl(of: again, like: spectrum, completeUpTo: completeUpTo)
        }
    }

    /// Examines matrices whose spectrum is known, and perhaps the bracket of its norm.
    public init(
        _ spectrum: MatrixSpectrum, of matrices: consuming [Matrix], completeUpTo: Int = 1024, bracket: NormBracket? = nil,
        control generator: CounterRNG?
    ) {
        var slices = consume matrices
        self.init(spectrum, of: slices, bracket: bracket) { spectrum in
            guard let generator else { return nil }
            let (rows, columns) = (slices.first?.rows ?? 0, slices.first?.columns ?? 0)
            Self.shuffle(&slices, generator, rows: rows, columns: columns)
            return Self.control(of: slices, like: spectrum, completeUpTo: completeUpTo)
        }
    }

    private init(
        _ spectrum: MatrixSpectrum, of slices: [Matrix], bracket: NormBracket?, control: (MatrixSpectrum) -> Control?
    ) {
        self.spectrum = spectrum
        self.bracket = bracket ?? NormBracket(spectrum, of: slices)
        (tail, bulk) = Self.laws(spectrum)
        self.control = spectrum.isComplete && spectrum.spectralNorm.number ?? 0 > 0 ? control(spectrum) : nil
    }

    static func laws(_ spectrum: MatrixSpectrum) -> (PowerLawTail, NoiseBulk) {
        if !spectrum.isComplete {
            let reason = spectrum.effectiveRank.reason ?? "not all singular values are known"
            return (PowerLawTail(unavailable: reason), NoiseBulk(unavailable: reason))
        }
        return laws(
            spectrum.singularValues, rows: spectrum.rows, columns: spectrum.columns, slices: spectrum.slices,
            floor: spectrum.rounding.expected, spectrum.precision)
    }

    /// - Parameters:
    ///   - values: descending.
    ///   - floor: what rounding makes, of the elements or in solving, which is no tail.
    static func laws(
        _ values: [Double], rows: Int, columns: Int, slices: Int, floor: Double, _ elements: ElementPrecision
    ) -> (PowerLawTail, NoiseBulk) {
        let largest = values.first ?? 0
        let precision = largest > 0 ? floor / largest / Double(max(rows, columns)) : 0
        return (
            PowerLawTail(singularValues: values, rows: rows, columns: columns, precision: precision, elements: elements.name),
            NoiseBulk(
                singularValues: values, rows: rows, columns: columns, slices: slices, floor: floor, elements: elements.name)
        )
    }
}

extension WeightSpectra {
    /// What goes to a run's record, by diagnostic.
    public func rows(layer: Int?) -> [DiagnosticRow] {
        func row(_ diagnostic: String, _ quantity: String, _ value: Measured) -> DiagnosticRow {
            DiagnosticRow(diagnostic, layer: layer, quantity, value)
        }
        let absent = Measured.unavailable(
            spectrum.spectralNorm.reason
                ?? (!spectrum.isComplete
                    ? "no control without the whole spectrum"
                    : spectrum.spectralNorm.number == 0 ? "all elements are zero" : "no control was asked for"))
        return [
            row("D1", "spectral_norm", spectrum.spectralNorm), row("D1", "frobenius_norm", spectrum.frobeniusNorm),
            row("D2", "spectral_norm_lower", bracket.lower), row("D2", "spectral_norm_upper", bracket.upper),
            row("D3", "sigma_min", spectrum.smallestSingularValue), row("D3", "condition_number", spectrum.conditionNumber),
            row("D4", "stable_rank", spectrum.stableRank), row("D4", "effective_rank", spectrum.effectiveRank),
            row("D5", "alpha", tail.alpha), row("D5", "tail_start", tail.tailStart), row("D5", "tail_distance", tail.distance),
            row("D5", "tail_count", tail.tailCount), row("D5", "alpha_weighted", tail.alphaWeighted),
            row("D5", "log_alpha_norm", tail.logAlphaNorm), row("D5", "control_alpha", control?.tail.alpha ?? absent),
            row("D6", "noise_deviation", bulk.noiseDeviation), row("D6", "bulk_edge", bulk.bulkEdge),
            row("D6", "spikes", bulk.spikes), row("D6", "soft_rank", bulk.softRank),
            row("D6", "control_spikes", control?.bulk.spikes ?? absent),
            row("D6", "control_soft_rank", control?.bulk.softRank ?? absent),
            row("D7", "orthogonality_error", spectrum.orthogonalityError),
            row("D7", "orthogonality_norm", spectrum.orthogonalityNorm),
        ]
    }
}
