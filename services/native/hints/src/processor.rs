use std::any::Any;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use cairo_vm::hint_processor::builtin_hint_processor::builtin_hint_processor_definition::{
    BuiltinHintProcessor, HintProcessorData,
};
use cairo_vm::hint_processor::builtin_hint_processor::hint_utils::{
    get_ptr_from_var_name, insert_value_from_var_name,
};
use cairo_vm::hint_processor::hint_processor_definition::{HintProcessorLogic, HintReference};
use cairo_vm::serde::deserialize_program::ApTracking;
use cairo_vm::types::exec_scope::ExecutionScopes;
use cairo_vm::types::relocatable::{MaybeRelocatable, Relocatable};
use cairo_vm::vm::errors::hint_errors::HintError;
use cairo_vm::vm::errors::vm_errors::VirtualMachineError;
use cairo_vm::vm::runners::cairo_runner::{ResourceTracker, RunResources};
use cairo_vm::vm::vm_core::VirtualMachine;
use cairo_vm::Felt252;

use crate::input::{ProgramInput, Value};
use crate::statement::{parse, Statement};

/// The VM's hint library plus the hints that read the program's input.
pub struct InputHints {
    input: Rc<ProgramInput>,
    library: BuiltinHintProcessor,
}

impl InputHints {
    /// `max_steps`: the run ends with an error once it has made that many; `None`: no limit.
    pub fn new(input: ProgramInput, max_steps: Option<usize>) -> Self {
        let resources = max_steps.map_or_else(RunResources::default, RunResources::new);
        Self { input: Rc::new(input), library: BuiltinHintProcessor::new(HashMap::new(), resources) }
    }
}

/// A hint of ours, parsed once when the program is loaded and not at every execution.
struct InputHint {
    statements: Vec<Statement>,
    data: HintProcessorData,
}

impl HintProcessorLogic for InputHints {
    fn compile_hint(
        &self,
        hint_code: &str,
        ap_tracking_data: &ApTracking,
        reference_ids: &HashMap<String, usize>,
        references: &[HintReference],
        accessible_scopes: &[String],
        constants: Arc<HashMap<String, Felt252>>,
    ) -> Result<Box<dyn Any>, VirtualMachineError> {
        let compiled = self.library.compile_hint(
            hint_code,
            ap_tracking_data,
            reference_ids,
            references,
            accessible_scopes,
            constants,
        )?;
        let Some(statements) = parse(hint_code) else {
            return Ok(compiled);
        };
        let data = compiled.downcast::<HintProcessorData>().map_err(|_| VirtualMachineError::Unexpected)?;
        Ok(Box::new(InputHint { statements, data: *data }))
    }

    fn execute_hint(
        &mut self,
        vm: &mut VirtualMachine,
        exec_scopes: &mut ExecutionScopes,
        hint_data: &Box<dyn Any>,
    ) -> Result<(), HintError> {
        let Some(hint) = hint_data.downcast_ref::<InputHint>() else {
            return self.library.execute_hint(vm, exec_scopes, hint_data);
        };
        hint.statements.iter().try_for_each(|statement| execute(statement, &self.input, vm, &hint.data))
    }
}

impl ResourceTracker for InputHints {
    fn consume_step(&mut self) {
        self.library.consume_step();
    }

    fn consumed(&self) -> bool {
        self.library.consumed()
    }

    fn get_n_steps(&self) -> Option<usize> {
        self.library.get_n_steps()
    }

    fn run_resources(&self) -> &RunResources {
        self.library.run_resources()
    }
}

fn execute(
    statement: &Statement,
    input: &ProgramInput,
    vm: &mut VirtualMachine,
    data: &HintProcessorData,
) -> Result<(), HintError> {
    match statement {
        Statement::Assign { name, key } => match lookup(input, key)? {
            Value::Felt(felt) => {
                insert_value_from_var_name(name, *felt, vm, &data.ids_data, &data.ap_tracking)
            }
            Value::List(_) => {
                Err(custom(format!("program_input[{key:?}] is a list where ids.{name} takes an integer")))
            }
        },
        Statement::WriteArg { name, key } => match lookup(input, key)? {
            Value::List(items) => {
                let base = get_ptr_from_var_name(name, vm, &data.ids_data, &data.ap_tracking)?;
                write(items, base, vm)
            }
            Value::Felt(_) => Err(custom(format!(
                "program_input[{key:?}] is an integer where segments.write_arg takes a list"
            ))),
        },
    }
}

fn lookup<'a>(input: &'a ProgramInput, key: &str) -> Result<&'a Value, HintError> {
    input.get(key).ok_or_else(|| custom(format!("the program input has no member {key:?}")))
}

/// Nested lists get segments of their own, in the order in which the reference VM makes them.
fn write(items: &[Value], base: Relocatable, vm: &mut VirtualMachine) -> Result<(), HintError> {
    let mut cells = Vec::with_capacity(items.len());
    for item in items {
        cells.push(match item {
            Value::Felt(felt) => MaybeRelocatable::Int(*felt),
            Value::List(inner) => {
                let segment = vm.add_memory_segment();
                write(inner, segment, vm)?;
                MaybeRelocatable::RelocatableValue(segment)
            }
        });
    }
    vm.load_data(base, &cells).map_err(HintError::Memory)?;
    Ok(())
}

fn custom(message: String) -> HintError {
    HintError::CustomHint(message.into_boxed_str())
}
