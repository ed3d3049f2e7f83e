import CommandLineInterface

/// The program with the built-in layer families.
@main
enum Program {
    static func main() { PlumbProgram.main() }
}
