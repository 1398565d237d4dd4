//! Why a run failed, in words that depend on the program alone.

use cairo_vm::vm::errors::hint_errors::HintError;
use cairo_vm::vm::errors::memory_errors::MemoryError;
use cairo_vm::vm::errors::runner_errors::RunnerError;
use cairo_vm::vm::errors::vm_errors::VirtualMachineError;
use cairo_vm::vm::errors::vm_exception::VmException;
use cairo_vm::vm::runners::cairo_runner::CairoRunner;

use crate::error::Fault;
use crate::functions::PROGRAM_BASE;
use crate::program::Code;

/// The VM's own text is cut here, so that it leaves room on its line.
const MAX_DETAIL: usize = 8 * 1024;

#[derive(Debug, Clone)]
pub struct Failure {
    pub code: &'static str,
    /// Built from code, function and location.
    pub message: String,
    pub function: Option<String>,
    pub location: String,
    /// The VM's own text; it may name files of this machine.
    pub detail: String,
    /// True if the program ran to its end and its memory was found wanting afterwards.
    pub after_end: bool,
}

impl Failure {
    /// A VM error as a fact about the run, or as a fault where it says nothing about the run.
    pub fn of(
        error: VirtualMachineError,
        after_end: bool,
        runner: &CairoRunner,
        code: &Code,
    ) -> Result<Self, Fault> {
        let at = runner.vm.get_pc();
        let pc = (at.segment_index == 0).then_some((at.offset + PROGRAM_BASE) as u64);
        let kind = kind(&error).map_err(|fault| {
            let source = pc.and_then(|pc| code.location(pc)).map(|(file, line)| format!(" ({file}:{line})"));
            Fault::new(fault.code, fault.message + &source.unwrap_or_default())
        })?;
        let text = VmException::from_vm_error(runner, error).to_string();
        let source = pc.filter(|_| !after_end).and_then(|pc| code.location(pc));
        let function = pc.filter(|_| !after_end).and_then(|pc| code.functions.around(pc));
        let function = function.map(|function| function.full_name.clone());
        let location = match (after_end, source, pc) {
            (true, _, _) => "the end of the run".to_owned(),
            (_, Some((file, line)), _) => format!("{file}:{line}"),
            (_, None, Some(pc)) => format!("pc {pc}"),
            (_, None, None) => "a pc outside the program".to_owned(),
        };
        let place = function.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
        let message = format!("{kind}{place} at {location}");
        Ok(Self { code: kind, message, function, location, detail: cut(text), after_end })
    }
}

fn kind(error: &VirtualMachineError) -> Result<&'static str, Fault> {
    Ok(match error {
        VirtualMachineError::DiffAssertValues(_) => "assert-failed",
        VirtualMachineError::UnfinishedExecution => "step-limit",
        VirtualMachineError::Memory(error) => memory_kind(error)?,
        VirtualMachineError::RunnerError(
            RunnerError::Memory(error)
            | RunnerError::MemoryValidationError(error)
            | RunnerError::MemoryInitializationError(error)
            | RunnerError::FinalizeSegements(error),
        ) => memory_kind(error)?,
        VirtualMachineError::FailedToComputeOperands(_)
        | VirtualMachineError::NoDst
        | VirtualMachineError::UnknownOp0 => "memory-unknown",
        VirtualMachineError::InconsistentAutoDeduction(_) => "builtin-inconsistent",
        VirtualMachineError::Hint(hint) => hint_kind(&hint.1)?,
        VirtualMachineError::CompileHintFail(text) => return Err(unknown_hint(text)),
        _ => "vm-error",
    })
}

fn memory_kind(error: &MemoryError) -> Result<&'static str, Fault> {
    Ok(match error {
        MemoryError::RangeCheckNumOutOfBounds(_) | MemoryError::RangeCheckFoundNonInt(_) => "out-of-range",
        MemoryError::InconsistentMemory(_) => "memory-inconsistent",
        MemoryError::UnknownMemoryCell(_) => "memory-unknown",
        MemoryError::VecCapacityExceeded => {
            return Err(Fault::new("memory-exhausted", "the run needs more memory than there is"));
        }
        _ => "vm-error",
    })
}

fn hint_kind(error: &HintError) -> Result<&'static str, Fault> {
    match error {
        HintError::UnknownHint(text) => Err(unknown_hint(text)),
        // The texts of proofrail-hints, which a test of this module pins.
        HintError::CustomHint(text) if text.starts_with("the program input has no member ") => {
            Err(Fault::new("input-missing", text.to_string()))
        }
        HintError::CustomHint(text) if text.starts_with("program_input[") => {
            Err(Fault::new("input-type", text.to_string()))
        }
        HintError::Memory(error) => memory_kind(error),
        HintError::Internal(error) => kind(error),
        _ => Ok("hint-failed"),
    }
}

fn unknown_hint(text: &str) -> Fault {
    let first: String = text.lines().next().unwrap_or_default().chars().take(80).collect();
    Fault::new("unknown-hint", format!("the program has a hint that this VM does not know: {first}"))
}

fn cut(mut text: String) -> String {
    let end = (0..=MAX_DETAIL.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}
