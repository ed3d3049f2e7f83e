import Foundation
import LinearAlgebra

/// Holds OpenBLAS to one set of kernels, so that machines of different kinds compute the same bits.
///
/// OpenBLAS chooses its kernels when it is loaded, so the process starts itself again with the choice in its environment.
public enum BLASCore {
    private static let variable = "OPENBLAS_CORETYPE"

    /// Returns at once when `core` is nil or in use already; else starts the process again, and does not return.
    ///
    /// - Throws: `ClusterError` when this OpenBLAS or this machine does not have these kernels.
    public static func pin(_ core: String?) throws(ClusterError) {
        guard let core, core.lowercased() != NumericFingerprint.currentCore.lowercased() else { return }
        if ProcessInfo.processInfo.environment[variable] == core {
            throw .unusable(
                "cluster.blasCore is \(core), but OpenBLAS uses its \(NumericFingerprint.currentCore) kernels here; choose kernels that it has"
            )
        }
        unsafe setenv(variable, core, 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe CommandLine.arguments.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        unsafe execv("/proc/self/exe", arguments)
        throw .unusable("the process could not start itself again with \(variable)=\(core); set it in the environment instead")
    }
}
