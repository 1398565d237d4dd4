use std::collections::HashMap;
use std::sync::Arc;

use cairo_vm::serde::deserialize_program::Location;
use cairo_vm::types::layout_name::LayoutName;
use cairo_vm::types::program::Program as VmProgram;
use proofrail_hints::ProgramInput;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::{Fault, guarded};
use crate::functions::{Functions, PROGRAM_BASE, words};
use crate::quiet;
use crate::run::{Run, execute};

/// A compiled program, parsed once.
pub struct Code {
    pub program: VmProgram,
    pub functions: Functions,
    files: Vec<String>,
    /// File and line of the instruction at a pc.
    lines: HashMap<u64, (u32, u32)>,
}

impl Code {
    fn parse(compiled: &[u8]) -> Result<Self, Fault> {
        let unusable = |why: String| {
            Fault::new("program-unusable", format!("this is no compiled Cairo 0 program: {why}"))
        };
        // The VM's reader asserts what a file may break, such as the form of a word.
        let program = quiet::catch(|| VmProgram::from_bytes(compiled, None))
            .map_err(unusable)?
            .map_err(|error| unusable(error.to_string()))?;
        for label in ["__main__.__start__", "__main__.__end__"] {
            if program.get_identifier(label).and_then(|identifier| identifier.pc).is_none() {
                let message =
                    format!("{label} is missing: compile the program with cairo-compile --proof_mode");
                return Err(Fault::new("program-not-provable", message));
            }
        }
        let functions = Functions::of(&program)?;
        let (files, lines) = source_lines(&program);
        Ok(Self { program, functions, files, lines })
    }

    /// File and line of the instruction at `pc`, where the program has debug info.
    pub fn location(&self, pc: u64) -> Option<(&str, u32)> {
        let (file, line) = self.lines.get(&pc)?;
        Some((&self.files[*file as usize], *line))
    }
}

fn source_lines(program: &VmProgram) -> (Vec<String>, HashMap<u64, (u32, u32)>) {
    let mut files: Vec<String> = Vec::new();
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let located = program.get_relocated_instruction_locations(&[PROGRAM_BASE]).unwrap_or_default();
    let lines = located
        .into_iter()
        .map(|(pc, location)| {
            let source = outermost(&location.inst);
            let file = &source.input_file.filename;
            let number = *numbers.entry(file.clone()).or_insert_with(|| {
                files.push(file.clone());
                files.len() as u32 - 1
            });
            (pc as u64, (number, source.start_line))
        })
        .collect();
    (files, lines)
}

/// Where an expanded expression was used, not where it was defined.
fn outermost(location: &Location) -> &Location {
    let mut location = location;
    while let Some(parent) = &location.parent_location {
        location = &parent.0;
    }
    location
}

#[pyclass(frozen, module = "proofrail._native")]
pub struct Program {
    code: Arc<Code>,
}

#[pymethods]
impl Program {
    #[new]
    fn new(py: Python<'_>, compiled: PyBackedBytes) -> PyResult<Self> {
        let code = guarded(py, || Code::parse(&compiled))?;
        Ok(Self { code: Arc::new(code) })
    }

    #[getter]
    fn builtins(&self) -> Vec<&'static str> {
        self.code.program.iter_builtins().map(|builtin| builtin.to_str()).collect()
    }

    /// The program's words as felts "0x…".
    fn words(&self) -> PyResult<Vec<String>> {
        Ok(words(&self.code.program)?.iter().map(|word| format!("{word:#x}")).collect())
    }

    /// Full name, pc of the entry, felts of explicit arguments and return values, and whether it iterates.
    fn functions(&self) -> Vec<(&str, u64, u64, u64, bool)> {
        let row = |f: &'_ crate::functions::Function| (f.entry, f.arguments, f.returns, f.iterates);
        self.code
            .functions
            .iter()
            .map(|function| {
                let (entry, arguments, returns, iterates) = row(function);
                (function.full_name.as_str(), entry, arguments, returns, iterates)
            })
            .collect()
    }

    /// File, line (from 1) and full function name of the instruction at a pc of the trace.
    fn location(&self, pc: u64) -> Option<(&str, u32, &str)> {
        let (file, line) = self.code.location(pc)?;
        let function = self.code.functions.around(pc);
        Some((file, line, function.map_or("", |function| function.full_name.as_str())))
    }

    /// Runs the program in proof mode on a JSON object of inputs.
    #[pyo3(signature = (program_input, layout, max_steps=None, *, private_input=true))]
    fn run(
        &self,
        py: Python<'_>,
        program_input: PyBackedBytes,
        layout: &str,
        max_steps: Option<usize>,
        private_input: bool,
    ) -> PyResult<Run> {
        let layout = parse_layout(layout)?;
        let code = Arc::clone(&self.code);
        let data = guarded(py, move || {
            let input = ProgramInput::parse(&program_input)
                .map_err(|error| Fault::new("input-malformed", format!("the program input: {error}")))?;
            execute(code, input, layout, max_steps, private_input)
        })?;
        Ok(Run::new(data))
    }
}

fn parse_layout(name: &str) -> Result<LayoutName, Fault> {
    let known = [
        LayoutName::plain,
        LayoutName::small,
        LayoutName::dex,
        LayoutName::recursive,
        LayoutName::starknet,
        LayoutName::starknet_with_keccak,
        LayoutName::recursive_large_output,
        LayoutName::recursive_with_poseidon,
        LayoutName::all_solidity,
        LayoutName::all_cairo,
        LayoutName::all_cairo_stwo,
    ];
    known.into_iter().find(|layout| layout.to_str() == name).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|layout| layout.to_str()).collect();
        Fault::new("layout-unknown", format!("there is no layout {name:?}; there are {}", names.join(", ")))
    })
}
