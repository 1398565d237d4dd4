//! The invariants of the raw blocks and of the end of a run, as in `proofrail.audit.invariants.ending`.

use crate::check::event::Event;
use crate::check::spans::Spans;
use crate::check::{At, Checked, NO_OUTPUT};
use crate::digest::{push_hex, sha256};

/// Steps or cells in a block that is not the last.
const SIZE: u64 = 4096;

#[derive(Default)]
pub struct RawBlocks {
    blocks: u64,
    /// The line of the last block, and how much is in it.
    last: Option<(u64, u64)>,
    pub total: u128,
}

impl RawBlocks {
    pub fn take(&mut self, line: u64, event: &Event<'_>) -> Checked {
        if let Some((line, count)) = self.last {
            At(line).holds(count == SIZE, "block-short")?;
        }
        At(line).holds(event.block == self.blocks, "block-wrong")?;
        At(line).holds(event.first == SIZE * event.block, "block-first-wrong")?;
        self.blocks += 1;
        self.last = Some((line, event.count));
        self.total += u128::from(event.count);
        Ok(())
    }

    fn any(&self) -> bool {
        self.last.is_some()
    }
}

#[derive(Default)]
pub struct Ending {
    pub steps: RawBlocks,
    pub cells: RawBlocks,
}

impl Ending {
    pub fn end(&self, line: u64, event: &Event<'_>, spans: &Spans) -> Checked {
        let here = At(line);
        let (cairo, native, failed) = (spans.cairo, spans.native, event.failed);
        here.holds(!cairo || failed || !spans.any_failed, "outcome-wrong")?;
        here.holds(!native || spans.failed.is_none_or(|span| span == failed), "outcome-wrong")?;
        let nothing = event.output_sha256 == NO_OUTPUT;
        let output =
            if failed && event.output_count != 0 { false } else { nothing == (event.output_count == 0) };
        here.holds(output, "output-wrong")?;
        here.holds(!native || failed || is_output(event, spans.output.as_deref()), "output-wrong")?;
        let n_steps = u128::from(event.n_steps);
        if failed {
            here.holds(!self.steps.any() && !self.cells.any(), "blocks-in-failed-run")?;
        } else if cairo || spans.own || self.steps.any() {
            here.holds(n_steps == self.steps.total, "steps-wrong")?;
        }
        here.holds(!cairo || failed || self.cells.any(), "cells-missing")?;
        here.holds(!cairo || n_steps >= spans.least_steps, "n-steps-too-few")
    }
}

/// Whether the output of a native run is that of its outermost span.
fn is_output(event: &Event<'_>, output: Option<&str>) -> bool {
    let output = output.filter(|output| !output.is_empty());
    let array = output.map_or_else(|| "[]".to_owned(), |output| format!("[\"{output}\"]"));
    let mut hex = Vec::new();
    push_hex(&mut hex, &sha256(array.as_bytes()));
    event.output_count <= 1 && event.output_sha256.as_bytes() == hex
}
