extension RunRecord {
    /// Makes the tables that are missing.
    static let schema = """
        CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS steps(step INTEGER PRIMARY KEY, train_loss REAL, train_accuracy REAL NOT NULL,
          gradient_norm REAL, clip_scale REAL NOT NULL, learning_rate REAL NOT NULL);
        CREATE TABLE IF NOT EXISTS step_timings(step INTEGER PRIMARY KEY, wall_seconds REAL NOT NULL,
          samples_per_second REAL NOT NULL, workers INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS worker_timings(step INTEGER NOT NULL, worker TEXT NOT NULL, compute_seconds REAL NOT NULL,
          exposed_seconds REAL NOT NULL, wait_seconds REAL NOT NULL, waited_for TEXT, optimizer_seconds REAL NOT NULL,
          PRIMARY KEY(step, worker));
        CREATE TABLE IF NOT EXISTS contributions(step INTEGER NOT NULL, worker TEXT NOT NULL, microbatches INTEGER NOT NULL,
          PRIMARY KEY(step, worker));
        CREATE TABLE IF NOT EXISTS validations(step INTEGER NOT NULL, split TEXT NOT NULL, loss REAL, accuracy REAL NOT NULL,
          count INTEGER NOT NULL, is_best INTEGER NOT NULL, PRIMARY KEY(step, split));
        CREATE TABLE IF NOT EXISTS layer_diagnostics(step INTEGER NOT NULL, layer INTEGER, diagnostic TEXT NOT NULL,
          quantity TEXT NOT NULL, value REAL, uncertainty REAL, reason TEXT);
        CREATE INDEX IF NOT EXISTS layer_diagnostics_by_quantity ON layer_diagnostics(diagnostic, quantity, step, layer);
        CREATE TABLE IF NOT EXISTS measurements(step INTEGER NOT NULL, name TEXT NOT NULL, seconds REAL NOT NULL,
          skipped INTEGER NOT NULL, PRIMARY KEY(step, name));
        CREATE TABLE IF NOT EXISTS spectra(step INTEGER NOT NULL, layer INTEGER NOT NULL, tensor TEXT NOT NULL, count INTEGER NOT NULL,
          singular_values BLOB NOT NULL, total INTEGER, residual REAL, PRIMARY KEY(step, tensor));
        CREATE TABLE IF NOT EXISTS events(id INTEGER PRIMARY KEY AUTOINCREMENT, at_unix_ms INTEGER NOT NULL, step INTEGER NOT NULL,
          kind TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS membership(generation INTEGER NOT NULL, step INTEGER NOT NULL, worker TEXT NOT NULL,
          host TEXT NOT NULL, change TEXT NOT NULL, members INTEGER NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS checkpoints(step INTEGER NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, kind TEXT NOT NULL);
        """
}
