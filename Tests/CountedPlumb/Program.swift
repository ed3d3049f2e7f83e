import CommandLineInterface

/// The whole of plumb, in a program whose allocations are counted: what tests run to count those of whole processes.
@main
enum Program {
    static func main() { PlumbProgram.main() }
}
