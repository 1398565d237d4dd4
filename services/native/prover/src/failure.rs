use serde_json::json;

/// Why no proof was made: a stable code, words, and the exit status of the process.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub exit: u8,
}

impl Failure {
    /// The program, its input or the parameters cannot be used (exit 2).
    pub fn unusable(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), exit: 2 }
    }

    /// The program failed in the VM: a fact about the run (exit 3).
    pub fn run(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), exit: 3 }
    }

    /// A file could not be read or written (exit 4).
    pub fn io(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), exit: 4 }
    }

    /// The prover itself gave up on a run that it should be able to prove (exit 5).
    pub fn proving(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), exit: 5 }
    }

    /// One NDJSON line on stderr.
    pub fn report(&self) {
        eprintln!("{}", json!({"error": {"code": self.code, "message": self.message}}));
    }
}
