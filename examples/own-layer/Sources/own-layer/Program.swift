import CommandLineInterface
import GivensLayers
import StructuredLayers

/// The whole of plumb, and one family more.
@main
enum Program {
    static func main() { PlumbProgram.main(families: .withGivens) }
}
