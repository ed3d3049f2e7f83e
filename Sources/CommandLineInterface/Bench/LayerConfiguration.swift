import StructuredLayers

/// A layer to measure: a family, its options, and what its map costs by the formula of its page.
struct LayerConfiguration: Sendable {
    var family: String
    /// For a width n.
    var options: @Sendable (Int) -> [String: OptionValue] = { _ in [:] }
    /// Operations of the path's forward map for one example, multiplications and additions, for a width n; nil where nobody has said.
    var operations: (@Sendable (Double) -> Double)?

    /// The path at a width.
    func path(width: Int) -> PathSpecification { PathSpecification(family: family, options: options(width)) }

    /// As `householder, reflectors 64`.
    func title(width: Int) -> String {
        ([family] + options(width).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }).joined(separator: ", ")
    }

    /// What is measured unless families are named: the configurations that the documentation's table shows.
    static let all: [LayerConfiguration] =
        [
            LayerConfiguration(family: "dense", operations: { 2 * $0 * $0 }),
            LayerConfiguration(family: "identity", operations: { _ in 0 }),
            .householder(reflectors: 64), .householder(reflectors: 128),
            LayerConfiguration(
                family: "monarch", options: { ["blocks": .integer(root($0))] }, operations: { 4 * $0 * $0.squareRoot() }),
            LayerConfiguration(
                family: "block-diagonal", options: { ["blocks": .integer(root($0))] }, operations: { 2 * $0 * $0.squareRoot() }),
            LayerConfiguration(
                family: "block-tensor-train",
                options: { ["inputBlocks": .integer(root($0)), "outputBlocks": .integer(root($0)), "rank": 2] },
                operations: { 8 * $0 * $0.squareRoot() }),
            LayerConfiguration(
                family: "kronecker", options: { ["rows": .integer(root($0))] }, operations: { 4 * $0 * $0.squareRoot() }),
            LayerConfiguration(family: "diagonal-low-rank", options: { _ in ["rank": 16] }, operations: { $0 + 4 * 16 * $0 }),
            LayerConfiguration(family: "spectral-norm", operations: { 2 * $0 * $0 }),
            LayerConfiguration(family: "cayley", operations: { 2 * $0 * $0 }),
            .boundedSVD(reflectors: 64), .boundedSVD(reflectors: 128),
            LayerConfiguration(family: "skew-euler", operations: { 2 * $0 * $0 }),
            LayerConfiguration(family: "gradient-flow", operations: { 4 * $0 * $0 }),
        ]

    private static func householder(reflectors k: Int) -> LayerConfiguration {
        LayerConfiguration(
            family: "householder", options: { ["reflectors": .integer(min(k, $0))] },
            operations: { 4 * $0 * min(Double(k), $0) + min(Double(k), $0) * min(Double(k), $0) })
    }

    private static func boundedSVD(reflectors k: Int) -> LayerConfiguration {
        LayerConfiguration(
            family: "bounded-svd", options: { ["reflectors": .integer(min(k, $0))] },
            operations: { $0 + 8 * $0 * min(Double(k), $0) + 2 * min(Double(k), $0) * min(Double(k), $0) })
    }

    /// The largest divisor of n up to √n: 32 for 1024.
    private static func root(_ n: Int) -> Int {
        (1...max(1, Int(Double(n).squareRoot()))).last { n % $0 == 0 } ?? 1
    }

    /// The configurations of the named families, or all of them and every other family of `families`; those whose family is not there are
    /// left out and named. A family that is not in the list is measured with its default options.
    static func chosen(_ names: [String], of families: LayerFamilies) -> (present: [LayerConfiguration], absent: [String]) {
        let listed = Set(all.map(\.family))
        let wanted =
            (names.isEmpty ? all : all.filter { names.contains($0.family) })
            + (names.isEmpty ? families.pathNames : names).filter { !listed.contains($0) }.map { LayerConfiguration(family: $0) }
        let known = Set(families.pathNames)
        var absent: [String] = []
        for family in wanted.map(\.family) where !known.contains(family) && !absent.contains(family) { absent.append(family) }
        return (wanted.filter { known.contains($0.family) }, absent)
    }
}
