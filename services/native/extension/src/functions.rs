//! The functions of a program: where they start, what they take and return, and whether they iterate.

use std::collections::BTreeMap;

use cairo_vm::Felt252;
use cairo_vm::types::program::Program;
use cairo_vm::types::relocatable::MaybeRelocatable;

use crate::canonical::push_string;
use crate::code::{Effect, effect, effects};
use crate::error::Fault;
use crate::types::Types;

/// The program's own module, and what the names of its functions lose in spans "own".
const OWN: &str = "__main__.";

/// Where the VM puts the first word of a program.
pub const PROGRAM_BASE: usize = 1;

const NO_FUNCTION: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Own,
    All,
}

pub struct Function {
    pub full_name: String,
    pub entry: u64,
    /// Felts of the explicit arguments and of the explicit return values.
    pub arguments: u64,
    pub returns: u64,
    pub iterates: bool,
    own_from: usize,
}

impl Function {
    pub fn is_own(&self) -> bool {
        self.own_from > 0
    }

    pub fn name(&self, recorded: Recorded) -> &str {
        match recorded {
            Recorded::Own => &self.full_name[self.own_from..],
            Recorded::All => &self.full_name,
        }
    }

    /// The name as JSON writes it, without the quotes.
    pub fn escaped_name(&self, recorded: Recorded) -> Vec<u8> {
        let mut quoted = Vec::new();
        push_string(self.name(recorded), &mut quoted);
        quoted[1..quoted.len() - 1].to_vec()
    }
}

pub struct Functions {
    /// By ascending entry.
    list: Vec<Function>,
    /// Index of the function that starts at a pc.
    at_entry: Vec<u32>,
    effects: Vec<Effect>,
}

impl Functions {
    pub fn of(program: &Program) -> Result<Self, Fault> {
        let words: Vec<Felt252> = words(program)?;
        let types = Types::new(program.iter_identifiers());
        let mut entries: BTreeMap<usize, &str> = BTreeMap::new();
        for (name, identifier) in program.iter_identifiers() {
            if let (Some("function"), Some(pc)) = (identifier.type_.as_deref(), identifier.pc) {
                // Two names for one entry: the first in order, so that it does not depend on a hash map.
                let kept = entries.entry(pc).or_insert(name);
                *kept = name.min(kept);
            }
        }
        let offsets: Vec<usize> = entries.keys().copied().collect();
        let (mut effects, iterates) = effects(&words, &offsets);
        let mut list = Vec::with_capacity(offsets.len());
        for ((offset, name), iterates) in entries.into_iter().zip(iterates) {
            list.push(Function {
                full_name: name.to_owned(),
                entry: (offset + PROGRAM_BASE) as u64,
                arguments: types.size_of_identifier(&format!("{name}.Args"))? as u64,
                returns: types.size_of_identifier(&format!("{name}.Return"))? as u64,
                iterates,
                own_from: if name.starts_with(OWN) { OWN.len() } else { 0 },
            });
        }
        let mut at_entry = vec![NO_FUNCTION; words.len() + PROGRAM_BASE];
        for (i, function) in list.iter().enumerate() {
            if let Some(slot) = at_entry.get_mut(function.entry as usize) {
                *slot = i as u32;
            }
        }
        effects.splice(0..0, [Effect::None; PROGRAM_BASE]);
        Ok(Self { list, at_entry, effects })
    }

    pub fn get(&self, index: u32) -> &Function {
        &self.list[index as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.list.iter()
    }

    /// The function that starts at `pc`, where spans of this kind record it.
    pub fn recorded_at(&self, pc: u64, recorded: Recorded) -> Option<u32> {
        let index = *self.at_entry.get(usize::try_from(pc).ok()?)?;
        let function = self.list.get(index as usize)?;
        (recorded == Recorded::All || function.is_own()).then_some(index)
    }

    /// The function whose code `pc` lies in.
    pub fn around(&self, pc: u64) -> Option<&Function> {
        if pc as usize >= self.effects.len() {
            return None;
        }
        let after = self.list.partition_point(|function| function.entry <= pc);
        self.list.get(after.checked_sub(1)?)
    }

    /// The effect of the instruction at `pc`; `word` gives it where it lies outside the program.
    pub fn effect_at(&self, pc: u64, word: impl FnOnce() -> u64) -> Effect {
        match self.effects.get(pc as usize) {
            Some(effect) => *effect,
            None => effect(word()),
        }
    }
}

pub fn words(program: &Program) -> Result<Vec<Felt252>, Fault> {
    let integer = |word: &MaybeRelocatable| match word {
        MaybeRelocatable::Int(felt) => Ok(*felt),
        MaybeRelocatable::RelocatableValue(_) => {
            Err(Fault::new("program-unusable", "the program's data holds a pointer"))
        }
    };
    program.iter_data().map(integer).collect()
}
