import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures speed, each ratio interleaved in one run.",
        subcommands: [
            BenchStep.self, BenchLayers.self, BenchCurvature.self, BenchPushPull.self, BenchGEMM.self, BenchLink.self,
            BenchPeers.self,
        ])
}
