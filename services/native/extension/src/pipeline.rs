//! Lines into chunks: the commitment of a stream, beside the writing of its lines.
//!
//! Hashing costs about as much as writing, so a long stream does it in a thread of its own.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use crate::commitment::Commitment;
use crate::digest::sha256;
use crate::error::Fault;
use crate::events::Lines;

/// Chunks between the two threads: enough to keep both busy, few enough to bound memory.
const IN_FLIGHT: usize = 3;

pub struct Chunk {
    pub lines: Lines,
    pub blocks: Vec<Vec<u8>>,
    /// With the last chunk.
    pub seal: Option<Vec<u8>>,
}

pub struct Pipeline {
    hasher: Hasher,
    in_flight: usize,
}

enum Hasher {
    Inline(Box<Committing>, VecDeque<Chunk>),
    Thread(SyncSender<(Lines, bool)>, Mutex<Receiver<Result<Chunk, Fault>>>),
}

impl Pipeline {
    pub fn inline(commitment: Commitment) -> Self {
        let committing = Committing { commitment, item: Vec::new() };
        Self { hasher: Hasher::Inline(Box::new(committing), VecDeque::new()), in_flight: 0 }
    }

    /// Falls back to hashing inline where no thread can be had.
    pub fn threaded(commitment: Commitment) -> Self {
        let (to_thread, lines) = sync_channel::<(Lines, bool)>(IN_FLIGHT);
        let (chunks, from_thread) = sync_channel(IN_FLIGHT);
        let mut committing = Committing { commitment: commitment.clone(), item: Vec::new() };
        let work = move || {
            for (lines, last) in lines {
                if chunks.send(committing.chunk(lines, last)).is_err() {
                    break;
                }
            }
        };
        // Ends by itself when the stream is dropped: both channels close.
        match thread::Builder::new().name("proofrail-commit".to_owned()).spawn(work) {
            Ok(_) => Self { hasher: Hasher::Thread(to_thread, Mutex::new(from_thread)), in_flight: 0 },
            Err(_) => Self::inline(commitment),
        }
    }

    /// Nothing more will be taken.
    pub fn abandon(&mut self) {
        self.in_flight = 0;
    }

    /// Hands lines over; `last` with the last ones. There must be room, see `take`.
    pub fn give(&mut self, lines: Lines, last: bool) -> Result<(), Fault> {
        match &mut self.hasher {
            Hasher::Inline(committing, done) => done.push_back(committing.chunk(lines, last)?),
            Hasher::Thread(to_thread, _) => to_thread.send((lines, last)).map_err(|_| died())?,
        }
        self.in_flight += 1;
        Ok(())
    }

    /// The next chunk if it is done; waits for it if there is no room for more, or if `wait`.
    pub fn take(&mut self, wait: bool) -> Result<Option<Chunk>, Fault> {
        if self.in_flight == 0 {
            return Ok(None);
        }
        let wait = wait || self.in_flight >= IN_FLIGHT;
        let chunk = match &mut self.hasher {
            Hasher::Inline(_, done) => done.pop_front(),
            Hasher::Thread(_, from_thread) => {
                let from_thread = from_thread.get_mut().map_err(|_| died())?;
                if wait {
                    Some(from_thread.recv().map_err(|_| died())??)
                } else {
                    match from_thread.try_recv() {
                        Ok(chunk) => Some(chunk?),
                        Err(TryRecvError::Empty) => None,
                        Err(TryRecvError::Disconnected) => return Err(died()),
                    }
                }
            }
        };
        self.in_flight -= usize::from(chunk.is_some());
        Ok(chunk)
    }
}

struct Committing {
    commitment: Commitment,
    item: Vec<u8>,
}

impl Committing {
    fn chunk(&mut self, lines: Lines, last: bool) -> Result<Chunk, Fault> {
        let mut blocks = Vec::new();
        for mark in &lines.marks {
            self.item.clear();
            self.item.push(0);
            lines.push_item(mark, &mut self.item)?;
            blocks.extend(self.commitment.append(sha256(&self.item)));
        }
        let mut seal = None;
        if last {
            let (block, core) = self.commitment.finish();
            blocks.extend(block);
            seal = Some(core);
        }
        Ok(Chunk { lines, blocks, seal })
    }
}

fn died() -> Fault {
    Fault::new("native-panic", "a defect of the native part: the thread that commits has died")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Clock, Writer};

    fn chunks(mut pipeline: Pipeline) -> Vec<(Vec<u8>, Vec<Vec<u8>>, Option<Vec<u8>>)> {
        let mut writer = Writer::new("r", "0x1", Clock::new(0, 10, 5), 500);
        let mut out = Vec::new();
        for block in 0..50 {
            writer.step_block(block, 0, 1, &[7; 32]).unwrap();
            while let Some(lines) = writer.take_ready() {
                out.extend(pipeline.take(false).unwrap());
                pipeline.give(lines, false).unwrap();
            }
        }
        out.extend(pipeline.take(false).unwrap());
        pipeline.give(writer.take_rest(), true).unwrap();
        while let Some(chunk) = pipeline.take(true).unwrap() {
            out.push(chunk);
        }
        out.into_iter().map(|chunk| (chunk.lines.bytes, chunk.blocks, chunk.seal)).collect()
    }

    #[test]
    fn a_thread_changes_nothing() {
        let commitment = Commitment::new("r", 16, 3).unwrap();
        let inline = chunks(Pipeline::inline(commitment.clone()));
        assert_eq!(inline, chunks(Pipeline::threaded(commitment)));
        assert!(inline.len() > 10);
        assert!(inline.iter().all(|(lines, _, _)| lines.len() <= 500));
        assert!(inline.last().is_some_and(|(_, _, seal)| seal.is_some()));
    }
}
