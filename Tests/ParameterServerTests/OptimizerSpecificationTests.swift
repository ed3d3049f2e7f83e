import Foundation
import ParameterServer
import Testing

@Suite("Learning-rate schedules")
struct LearningRateScheduleTests {
    @Test("climb linearly through the warm-up")
    func warmUp() {
        let schedule = LearningRateSchedule(shape: .constant, warmUp: 4)
        #expect((0..<6).map { schedule.factor(at: $0) } == [0.25, 0.5, 0.75, 1, 1, 1])
    }

    @Test("follow half a cosine, to a few ulp of libm's")
    func cosine() {
        let schedule = LearningRateSchedule(shape: .cosine(steps: 1000, final: 0.1), warmUp: 10)
        for step: Step in 10..<1000 {
            let progress = Double(step - 10) / 990
            let expected = 0.1 + 0.9 * 0.5 * (1 + cos(Double.pi * progress))
            #expect(abs(schedule.factor(at: step) - expected) <= 4 * Double.ulpOfOne)
        }
        #expect(schedule.factor(at: 1000) == 0.1)
        #expect(schedule.factor(at: 5000) == 0.1)
    }

    @Test("powers by squaring agree with libm's pow", arguments: [0.9, 0.999, 0.5, 0])
    func powers(base: Double) {
        for exponent: UInt64 in [0, 1, 2, 3, 17, 600, 100_000] {
            let expected = pow(base, Double(exponent))
            // Squaring doubles the relative error of what it squares, so n factors carry about n roundings.
            #expect(abs(power(base, exponent) - expected) <= Double(exponent + 1) * Double.ulpOfOne * expected)
        }
    }
}
