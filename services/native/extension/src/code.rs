//! What the instructions of a program do to the call stack.

use cairo_vm::Felt252;

/// The effect of an instruction on the call stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Effect {
    None,
    Call,
    Return,
    /// A call to the entry of the function it stands in, directly followed by `ret`.
    Iterate,
}

const IMMEDIATE: u64 = 1 << 50;
const JUMP_RELATIVE: u64 = 1 << 56;

/// The effect of one instruction word, which alone cannot tell an iteration.
pub fn effect(word: u64) -> Effect {
    match (word >> 60) & 7 {
        1 => Effect::Call,
        2 => Effect::Return,
        _ => Effect::None,
    }
}

/// The effect of each word of a program; `functions` are the offsets of entries in ascending order. Also, for
/// each function, whether it iterates.
pub fn effects(words: &[Felt252], functions: &[usize]) -> (Vec<Effect>, Vec<bool>) {
    let mut effects: Vec<Effect> =
        words.iter().map(|word| instruction(word).map_or(Effect::None, effect)).collect();
    let mut iterates = vec![false; functions.len()];
    for (i, entry) in functions.iter().enumerate() {
        let end = functions.get(i + 1).copied().unwrap_or(words.len());
        let mut at = *entry;
        while at < end {
            let word = words.get(at).and_then(instruction).unwrap_or(0);
            if calls(words, at, word, *entry) && effects.get(at + 2) == Some(&Effect::Return) {
                effects[at] = Effect::Iterate;
                iterates[i] = true;
            }
            at += if word & IMMEDIATE == 0 { 1 } else { 2 };
        }
    }
    (effects, iterates)
}

fn calls(words: &[Felt252], at: usize, word: u64, entry: usize) -> bool {
    let relative = IMMEDIATE | JUMP_RELATIVE;
    effect(word) == Effect::Call
        && word & relative == relative
        && words.get(at + 1).is_some_and(|distance| Felt252::from(at) + *distance == Felt252::from(entry))
}

/// The word as an instruction; data between instructions may be larger.
fn instruction(word: &Felt252) -> Option<u64> {
    match word.to_le_digits() {
        [low, 0, 0, 0] => Some(low),
        // Instructions of the extended kinds have their number from bit 63 on.
        [low, high, 0, 0] if high < 4 => Some(low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL_REL: u64 = 0x1104800180018000;
    const RET: u64 = 0x208b7fff7fff7ffe;
    const ASSERT_IMM: u64 = 0x480680017fff8000;

    fn words(list: &[i128]) -> Vec<Felt252> {
        list.iter().map(|n| Felt252::from(*n)).collect()
    }

    #[test]
    fn only_a_self_call_before_ret_iterates() {
        let call = i128::from(CALL_REL);
        let ret = i128::from(RET);
        let assert = i128::from(ASSERT_IMM);
        // f: [ap] = 5; call f; ret.   g: call f; ret.   h: call h; [ap] = 1; ret
        let program = words(&[assert, 5, call, -2, ret, call, -5, ret, call, 0, assert, 1, ret]);
        let (effects, iterates) = effects(&program, &[0, 5, 8]);
        assert_eq!(vec![true, false, false], iterates);
        assert_eq!(Effect::Iterate, effects[2]);
        assert_eq!([Effect::Call, Effect::Call], [effects[5], effects[8]]);
        assert_eq!([Effect::Return; 3], [effects[4], effects[7], effects[12]]);
    }
}
