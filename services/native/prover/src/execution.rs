//! From a compiled program and its input to a run that the prover can take.

use cairo_vm::cairo_run::{cairo_run_program, CairoRunConfig};
use cairo_vm::types::builtin_name::BuiltinName;
use cairo_vm::types::layout_name::LayoutName;
use cairo_vm::types::program::Program;
use cairo_vm::vm::errors::cairo_run_errors::CairoRunError;
use cairo_vm::vm::errors::runner_errors::RunnerError;
use cairo_vm::vm::errors::vm_errors::VirtualMachineError;
use cairo_vm::vm::runners::cairo_runner::CairoRunner;
use proofrail_hints::{InputHints, ProgramInput};
use stwo_cairo_adapter::adapter::adapt;
use stwo_cairo_adapter::{ProverInput, PublicSegmentContext};

use crate::failure::Failure;

/// Builtins that the proving system has no component for.
const NOT_PROVABLE: [BuiltinName; 3] = [BuiltinName::ecdsa, BuiltinName::keccak, BuiltinName::segment_arena];

pub fn load_program(compiled: &[u8]) -> Result<Program, Failure> {
    let program = Program::from_bytes(compiled, Some("main"))
        .map_err(|e| Failure::unusable("program-unreadable", e.to_string()))?;
    if program.iter_builtins().next() != Some(&BuiltinName::output) {
        return Err(Failure::unusable(
            "program-without-output",
            "output must be the program's first builtin: without it a proof states nothing",
        ));
    }
    Ok(program)
}

/// Runs the program as stwo takes it: not padded, holes filled, addresses not relocated.
pub fn run(program: &Program, input: ProgramInput, max_steps: Option<usize>) -> Result<CairoRunner, Failure> {
    let config = CairoRunConfig {
        trace_enabled: true,
        relocate_mem: false,
        relocate_trace: false,
        layout: LayoutName::all_cairo_stwo,
        proof_mode: true,
        fill_holes: true,
        disable_trace_padding: true,
        ..CairoRunConfig::default()
    };
    let mut hints = InputHints::new(input, max_steps);
    let runner = cairo_run_program(program, &config, &mut hints).map_err(run_failure)?;
    used_builtins_are_provable(&runner)?;
    Ok(runner)
}

fn run_failure(error: CairoRunError) -> Failure {
    match &error {
        CairoRunError::Runner(RunnerError::NoProgramStart | RunnerError::NoProgramEnd) => {
            Failure::unusable("program-not-proof-mode", "the program was not compiled with --proof_mode")
        }
        CairoRunError::Runner(RunnerError::NoBuiltinForInstance(builtins)) => Failure::unusable(
            "builtin-not-provable",
            format!("the program needs builtins that stwo has not: {:?}", builtins.0),
        ),
        CairoRunError::VmException(exception)
            if matches!(exception.inner_exc, VirtualMachineError::UnfinishedExecution) =>
        {
            Failure::run("step-limit", "the program was not done after the given number of steps")
        }
        CairoRunError::Program(_) | CairoRunError::Runner(_) => {
            Failure::unusable("program-not-runnable", error.to_string())
        }
        _ => Failure::run("vm-failed", error.to_string()),
    }
}

fn used_builtins_are_provable(runner: &CairoRunner) -> Result<(), Failure> {
    for builtin in runner.vm.get_builtin_runners() {
        let name = builtin.name();
        if !NOT_PROVABLE.contains(&name) {
            continue;
        }
        let used = runner.vm.segments.get_segment_used_size(builtin.base()).unwrap_or_default();
        if used > 0 {
            return Err(Failure::unusable(
                "builtin-not-provable",
                format!("the run uses the builtin {name}, which stwo cannot prove"),
            ));
        }
    }
    Ok(())
}

/// The run in the prover's own form.
pub fn prover_input(runner: &CairoRunner, program: &Program) -> Result<ProverInput, Failure> {
    let mut input = adapt(runner).map_err(|e| Failure::proving("run-not-adaptable", format!("{e:#}")))?;
    // adapt() assumes a bootloader with all builtins; with that context the proof of a plain
    // program would state an empty output.
    let builtins: Vec<BuiltinName> = program.iter_builtins().copied().collect();
    input.public_segment_context = PublicSegmentContext::new(&builtins);
    Ok(input)
}
