/// When a Lanczos vector is orthogonalised against the whole basis, and when against its last two vectors alone: partial
/// reorthogonalisation (Simon, 1984).
///
/// While no two vectors overlap by more than about √ε, T is the projection of the matrix to rounding, as with full reorthogonalisation. The
/// basis is read where the recurrence of the overlaps says that this may end, where cancellation leaves little of a product, and now and
/// then to hold the recurrence against what is so. What is found is subtracted from the vector at hand and, since the vectors that
/// follow inherit the overlaps of two, from the basis' last one in the same reading. Where the recurrence fails, the basis is read at
/// every step from there on.
struct Reorthogonalisation: Hashable, Sendable {
    /// What two vectors may overlap by: T errs by its square, which is about what a product errs by.
    private static let overlapMax = 0x1p-10
    /// A basis is read this often at least.
    private static let intervalMax = 16
    /// Overlaps up to this are rounding's, and are left.
    private static let negligible = 8 * OrthogonalityEstimate.rounding

    private var estimate = OrthogonalityEstimate()
    /// ω of the vector at hand.
    private var overlaps: [Double] = []
    /// Steps since the basis was read.
    private var interval = 0
    /// Readings of the whole basis.
    private var readings = 0
    private var isDistrusted = false
    /// What products err by along one vector, lately.
    private var noise = 0.0
    /// Whether little is left of the product at hand.
    private var cancels = false
    /// Whether the vector at hand, and the last one, are held against the whole basis.
    private(set) var takesAll = true
    /// Whether the last two vectors are orthogonal to all before them but for rounding.
    private(set) var followsReading = false

    /// A product has been projected on the last two vectors. `square` is its ‖w‖², `beta` what is estimated of its length once these are
    /// subtracted, `error` a sample of its error.
    mutating func decide(alphas: [Double], betas: [Double], square: Double, beta: Double, error: Double) {
        noise = max(noise / 2, error, OrthogonalityEstimate.rounding * square.squareRoot())
        interval += 1
        overlaps = estimate.next(alphas: alphas, betas: betas, beta: beta, noise: noise)
        cancels = beta * beta <= 1e-2 * square
        followsReading = interval == 1
        // The first reading is followed by another, which shows how symmetric products are.
        let isChecked = readings == 1 && followsReading
        takesAll =
            cancels || isChecked || isDistrusted || interval >= Self.intervalMax || Self.largest(overlaps) > Self.overlapMax
    }

    /// Whether what was `found` is to be subtracted: products of the vector at hand with the last vectors, all of them if `takesAll`, over
    /// its length; and then products of the `last` vector with those before it.
    mutating func corrects(_ found: [Double], last: [Double]) -> Bool {
        let size = Self.largest(found)
        let corrects = max(size, Self.largest(last)) > Self.negligible
        if takesAll {
            if size > 4 * max(Self.largest(overlaps), Self.overlapMax) && !cancels { isDistrusted = true }
            (interval, readings) = (0, readings + 1)
            if corrects { estimate.clear() }
        }
        let kept = corrects ? found.map { _ in OrthogonalityEstimate.rounding } : found
        overlaps.replaceSubrange(overlaps.count - found.count..<overlaps.count, with: kept)
        return corrects
    }

    /// The vector at hand has joined the basis.
    mutating func append() { estimate.append(overlaps) }

    private static func largest(_ values: [Double]) -> Double { values.reduce(0) { max($0, abs($1)) } }
}
