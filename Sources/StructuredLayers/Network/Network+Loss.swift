import LinearAlgebra

extension Network {
    /// The summed loss and the right answers; `workspace.logits` becomes its gradient.
    func loss(_ labels: [Int32], _ workspace: inout NetworkWorkspace) -> (lossSum: Double, correct: Int) {
        precondition(labels.count == workspace.batch, "a label an example")
        let correct = countCorrect(labels, workspace.logits)
        switch specification.loss {
        case .crossEntropy: return (Self.crossEntropy(labels, &workspace.logits, &workspace.exponentials), correct)
        case .squaredError: return (squaredError(labels, &workspace.logits), correct)
        }
    }

    private func countCorrect(_ labels: [Int32], _ logits: Matrix) -> Int {
        let (batch, z) = (logits.columns, logits.span)
        var correct = 0
        for b in 0..<batch {
            var best = 0
            for c in 1..<max(1, logits.rows) where z[c * batch + b] > z[best * batch + b] { best = c }
            // NaN is larger than nothing, so class 0 would win: a diverged run must not look like one that guesses it.
            let isNumber = !(0..<logits.rows).contains { z[$0 * batch + b].isNaN }
            if best == Int(labels[b]) && isNumber { correct += 1 }
        }
        return correct
    }

    /// Σ_b log Σ_c exp(z_c − m) − (z_label − m), m the column's largest; the gradient is softmax − one-hot.
    private static func crossEntropy(_ labels: [Int32], _ logits: inout Matrix, _ exponentials: inout Matrix) -> Double {
        let (batch, classes) = (logits.columns, logits.rows)
        var z = logits.mutableSpan
        shiftByMaximum(&z, classes: classes, batch: batch)
        var e = exponentials.mutableSpan
        VectorKernels.copy(z.span, into: &e)
        VectorKernels.exp(&e)
        var total = 0.0
        for b in 0..<batch {
            var sum = 0.0
            for c in 0..<classes { sum += Double(e[c * batch + b]) }
            let label = Int(labels[b])
            total += ScalarMath.log(sum) - Double(z[label * batch + b])
            let inverse = Float(1 / sum)
            for c in 0..<classes { z[c * batch + b] = e[c * batch + b] * inverse }
            z[label * batch + b] -= 1
        }
        return total
    }

    /// z ← z − max over each column.
    private static func shiftByMaximum(_ z: inout MutableSpan<Float>, classes: Int, batch: Int) {
        for b in 0..<batch {
            var largest = z[b]
            for c in 1..<classes where z[c * batch + b] > largest { largest = z[c * batch + b] }
            for c in 0..<classes { z[c * batch + b] -= largest }
        }
    }

    /// Σ_b ½‖z − e_label‖²; the gradient is z − e_label.
    private func squaredError(_ labels: [Int32], _ logits: inout Matrix) -> Double {
        let batch = logits.columns
        var z = logits.mutableSpan
        for b in 0..<batch { z[Int(labels[b]) * batch + b] -= 1 }
        return 0.5 * VectorKernels.sumOfSquares(z.span)
    }
}
