import LinearAlgebra

extension WeightwatcherColumns {
    /// The columns of `analyze(randomize=True)`: the spectrum of the same elements in a random order, each place's its own.
    ///
    /// Below 100 eigenvalues five orders are taken together, as weightwatcher does, but for the distances that compare one with one.
    /// Large matrices are solved in float32 where their median allows it, as `WeightSpectra.Control` is.
    static func randomised(
        _ slices: inout [Matrix], _ isKernel: Bool, _ eigenvalues: [Double], _ first: FirstOrder, _ control: (Int) -> CounterRNG,
        small: Int, large: Int
    ) -> [(name: String, value: Measured)] {
        let replicas = eigenvalues.count < 100 ? 5 : 1
        var (all, last): ([Double], [Double]) = ([], [])
        for replica in 0..<replicas {
            let known = replica == 0 ? first.values : nil
            let start = replica * slices.count
            guard let next = known ?? shuffled(&slices, isKernel, control, from: start, exactly: first == .unresolved) else {
                return [("max_rand_eval", .unavailable("the singular value decomposition did not converge"))]
            }
            last = next.map { $0 * $0 }
            all += last
        }
        let (largest, top) = (eigenvalues[eigenvalues.count - 1], last.max() ?? 0)
        let fit = WeightwatcherNoiseFit(eigenvalues: all, small: small, large: large)
        return [
            ("max_rand_eval", .value(all.max() ?? 0)),
            ("rand_distance", .value(jensenShannonDistance(eigenvalues, last.sorted()))),
            ("ww_softrank", .value(top / largest)), ("ww_maxdist", .value(largest - top)), ("num_traps", fit.spikes),
            ("rand_num_spikes", fit.spikes), ("rand_sigma_mp", fit.deviation), ("rand_mp_softrank", fit.softRank),
            ("rand_W_scale", fit.scale), ("rand_bulk_max", fit.bulkUpper), ("rand_bulk_min", fit.bulkLower),
        ]
    }

    /// What is known of the first order's singular values.
    enum FirstOrder: Equatable {
        case unknown
        /// Float32 does not do.
        case unresolved
        case resolved([Double])

        var values: [Double]? {
            if case .resolved(let values) = self { values } else { nil }
        }
    }

    /// What float32 makes of one matrix in a random order, as work that is not yet done.
    static func shuffling(_ w: Matrix, _ generator: CounterRNG) -> WorkOffer<SymmetricTridiagonal?> {
        WorkOffer {
            var shuffled = w
            do {
                var elements = shuffled.mutableSpan
                generator.shuffle(&elements)
            }
            return SingularValueSolver.roughMatrix(shuffled)
        }
    }

    private static func shuffled(
        _ slices: inout [Matrix], _ isKernel: Bool, _ control: (Int) -> CounterRNG, from first: Int, exactly: Bool
    ) -> [Double]? {
        var values: [Double] = []
        for index in slices.indices {
            do {
                var elements = slices[index].mutableSpan
                control(first + index).shuffle(&elements)
            }
            let slice = slices[index]
            if !exactly, let found = SingularValueSolver.roughValues(slice), SingularValueSolver.isResolved(found) {
                values += scaled(found, isKernel)
            } else {
                guard let found = try? solve(slice, isKernel: isKernel) else { return nil }
                values += found
            }
        }
        return values
    }

    /// √ of the Jensen–Shannon divergence of the two lists as distributions over their places.
    private static func jensenShannonDistance(_ p: [Double], _ q: [Double]) -> Double {
        let m = zip(p, q).map { ($0 + $1) / 2 }
        return max(0, (relativeEntropy(p, m) + relativeEntropy(q, m)) / 2).squareRoot()
    }

    private static func relativeEntropy(_ p: [Double], _ m: [Double]) -> Double {
        let (sumP, sumM) = (p.reduce(0, +), m.reduce(0, +))
        return zip(p, m).reduce(0) { sum, pair in
            let (a, b) = (pair.0 / sumP, pair.1 / sumM)
            return a > 0 ? sum + a * ScalarMath.log(a / b) : sum
        }
    }
}
