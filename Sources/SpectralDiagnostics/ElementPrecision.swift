/// What a matrix's elements were rounded to when they were stored, which bounds what its spectrum can tell.
///
/// All arithmetic here is on float32 elements. A file of bfloat16 gives each of them exactly, and yet the matrix that was stored differs
/// from the one that was meant by up to u in every element: of a matrix of rank 6 all other singular values are then rounding errors.
public struct ElementPrecision: Hashable, Sendable {
    /// As reasons name it.
    public let name: String
    /// u, half of the distance from 1 to the next number.
    public let unitRoundoff: Double
    /// s, the smallest number above 0: of elements near it the error is up to s/2, whatever their size.
    public let smallest: Double

    public static let float32 = ElementPrecision(name: "float32", unitRoundoff: 0x1p-24, smallest: 0x1p-149)
    public static let float16 = ElementPrecision(name: "float16", unitRoundoff: 0x1p-11, smallest: 0x1p-24)
    public static let bfloat16 = ElementPrecision(name: "bfloat16", unitRoundoff: 0x1p-8, smallest: 0x1p-133)
    public static let float8e4m3 = ElementPrecision(name: "float8 (E4M3)", unitRoundoff: 0x1p-4, smallest: 0x1p-9)
    public static let float8e5m2 = ElementPrecision(name: "float8 (E5M2)", unitRoundoff: 0x1p-3, smallest: 0x1p-16)
}
