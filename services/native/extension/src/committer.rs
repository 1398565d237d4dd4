//! The commitment of raw NDJSON lines: the fast twin of `proofrail.commitment.blocks.Committer`.

use memchr::memchr;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::canonical::push_item;
use crate::commitment::{Commitment, MAX_LINE};
use crate::digest::sha256;
use crate::error::{Fault, guarded};
use crate::spelling::Spelling;

#[pyclass(module = "proofrail._native")]
pub struct Committer {
    state: State,
}

struct State {
    commitment: Commitment,
    /// The line read so far whose line feed has not come yet.
    rest: Vec<u8>,
    lines: u64,
    item: Vec<u8>,
    spelling: Spelling,
    over: bool,
}

#[pymethods]
impl Committer {
    #[new]
    #[pyo3(signature = (run_id, bits=16, block_items=256))]
    fn new(run_id: &str, bits: u32, block_items: u64) -> PyResult<Self> {
        let commitment = Commitment::new(run_id, bits, block_items)?;
        let state = State {
            commitment,
            rest: Vec::new(),
            lines: 0,
            item: Vec::new(),
            spelling: Spelling::default(),
            over: false,
        };
        Ok(Self { state })
    }

    /// Takes the next piece of the stream, cut anywhere; the lines of the blocks it completes.
    fn feed<'py>(&mut self, py: Python<'py>, ndjson: PyBackedBytes) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let state = &mut self.state;
        let blocks = guarded(py, || state.feed(&ndjson))?;
        Ok(blocks.iter().map(|line| PyBytes::new(py, line)).collect())
    }

    /// Ends the stream: the last block where it is a partial one, then the seal's core.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let state = &mut self.state;
        let lines = guarded(py, || state.finish())?;
        Ok(lines.iter().map(|line| PyBytes::new(py, line)).collect())
    }
}

impl State {
    fn feed(&mut self, ndjson: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        self.refuse_if_over()?;
        let result = self.lines_of(ndjson);
        self.over = result.is_err();
        result
    }

    fn lines_of(&mut self, mut ndjson: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut blocks = Vec::new();
        while let Some(end) = memchr(b'\n', ndjson) {
            let (head, tail) = ndjson.split_at(end);
            ndjson = &tail[1..];
            let block = if self.rest.is_empty() {
                self.line(head)?
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(head);
                self.line(&line)?
            };
            blocks.extend(block);
        }
        if self.rest.len() + ndjson.len() > MAX_LINE {
            return Err(self.at_line(too_long()));
        }
        self.rest.extend_from_slice(ndjson);
        Ok(blocks)
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if line.len() > MAX_LINE {
            return Err(self.at_line(too_long()));
        }
        self.item.clear();
        self.item.push(0);
        push_item(line, &mut self.spelling, &mut self.item).map_err(|fault| self.at_line(fault))?;
        self.lines += 1;
        Ok(self.commitment.append(sha256(&self.item)))
    }

    fn finish(&mut self) -> Result<Vec<Vec<u8>>, Fault> {
        self.refuse_if_over()?;
        self.over = true;
        let mut lines = Vec::new();
        if !self.rest.is_empty() {
            let line = std::mem::take(&mut self.rest);
            lines.extend(self.line(&line)?);
        }
        let (last, seal) = self.commitment.finish();
        lines.extend(last);
        lines.push(seal);
        Ok(lines)
    }

    fn refuse_if_over(&self) -> Result<(), Fault> {
        if self.over {
            return Err(Fault::new("committer-over", "the stream has ended, or failed at a line"));
        }
        Ok(())
    }

    fn at_line(&self, fault: Fault) -> Fault {
        Fault::new(fault.code, format!("line {}: {}", self.lines + 1, fault.message))
    }
}

fn too_long() -> Fault {
    Fault::new("line-too-long", format!("it is longer than {MAX_LINE} bytes, the most a line may have"))
}
