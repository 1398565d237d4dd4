use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

pyo3::create_exception!(
    proofrail._native,
    NativeError,
    pyo3::exceptions::PyException,
    "An error of the native part; `args` = (code, message), the code stable and kebab-case."
);

/// What went wrong, before it becomes a Python exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: Cow<'static, str>,
    pub message: String,
}

impl Fault {
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        NativeError::new_err((fault.code.into_owned(), fault.message))
    }
}

/// Runs `work` without the GIL and turns a panic into an error: a `BaseException` would end the process.
pub fn guarded<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Fault> + Send) -> PyResult<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic))))
        .map_err(PyErr::from)
}

fn panicked(panic: &(dyn Any + Send)) -> Fault {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Fault::new("native-panic", format!("a defect of the native part: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_keeps_its_message() {
        let panic = catch_unwind(|| panic!("cell {}", 7)).unwrap_err();
        assert_eq!(panicked(&*panic).message, "a defect of the native part: cell 7");
    }
}
