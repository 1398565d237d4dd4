//! Items to blocks to seal (design section 5, Commitment).

use crate::canonical::{push_number, push_string};
use crate::digest::{Digest, Tree, link, push_hex, sha256};
use crate::error::Fault;

/// The longest line, without its line feed.
pub const MAX_LINE: usize = 64 * 1024;

/// The commitment of a growing list of items, in memory of one block and log2(items) nodes.
#[derive(Clone)]
pub struct Commitment {
    run_id: Vec<u8>,
    bits: u32,
    block_items: u64,
    items: u64,
    blocks: u64,
    chain: Digest,
    tree: Tree,
    packed: Packer,
}

impl Commitment {
    /// `run_id` is any string; `bits` 1..=64; `block_items` at least 1.
    pub fn new(run_id: &str, bits: u32, block_items: u64) -> Result<Self, Fault> {
        if !(1..=64).contains(&bits) {
            return Err(Fault::new("commitment-bits", format!("bits is {bits}; it must lie in 1 … 64")));
        }
        if !(1..1 << 53).contains(&block_items) {
            let message = format!("block_items is {block_items}; it must lie in 1 … 2^53-1");
            return Err(Fault::new("commitment-block-items", message));
        }
        let mut quoted = Vec::new();
        push_string(run_id, &mut quoted);
        let mut seed = b"proofrail/commitment/v1\n".to_vec();
        Line::open(&mut seed)
            .number("bits", u64::from(bits))
            .number("block_items", block_items)
            .raw("run_id", &quoted)
            .close();
        Ok(Self {
            run_id: quoted,
            bits,
            block_items,
            items: 0,
            blocks: 0,
            chain: sha256(&seed),
            tree: Tree::default(),
            packed: Packer::default(),
        })
    }

    /// Takes the next item by its leaf hash; the line of the block that it completes, if any.
    pub fn append(&mut self, leaf: Digest) -> Option<Vec<u8>> {
        self.chain = link(&self.chain, &leaf);
        self.tree.append(leaf);
        let mut low = [0; 8];
        low.copy_from_slice(&self.chain[..8]);
        self.packed.push(u64::from_le_bytes(low), self.bits);
        self.items += 1;
        self.items.is_multiple_of(self.block_items).then(|| self.block())
    }

    /// The line of the last block, if it is a partial one, and that of the seal's core.
    pub fn finish(&mut self) -> (Option<Vec<u8>>, Vec<u8>) {
        let partial = !self.items.is_multiple_of(self.block_items);
        let last = partial.then(|| self.block());
        let mut seal = Vec::new();
        Line::open(&mut seal)
            .number("bits", u64::from(self.bits))
            .number("block_items", self.block_items)
            .number("blocks", self.blocks)
            .hex("chain", &self.chain)
            .number("items", self.items)
            .hex("root", &self.tree.root())
            .raw("run_id", &self.run_id)
            .raw("type", b"\"CommitmentSeal\"")
            .number("v", 1)
            .close();
        (last, seal)
    }

    fn block(&mut self) -> Vec<u8> {
        let first_item = self.blocks * self.block_items;
        let packed = self.packed.take();
        let mut line = Vec::with_capacity(512 + 2 * packed.len());
        Line::open(&mut line)
            .number("bits", u64::from(self.bits))
            .number("block", self.blocks)
            .hex("chain", &self.chain)
            .number("first_item", first_item)
            .number("items", self.items - first_item)
            .hex("packed", &packed)
            .raw("run_id", &self.run_id)
            .raw("type", b"\"CommitmentBlock\"")
            .number("v", 1)
            .close();
        self.blocks += 1;
        line
    }
}

/// Writes an object member by member; the caller gives the names in canonical order.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Line<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        push_string(name, self.out);
        self.out.push(b':');
    }

    fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        push_number(value, self.out);
        self
    }

    fn hex(mut self, name: &str, bytes: &[u8]) -> Self {
        self.name(name);
        self.out.push(b'"');
        push_hex(self.out, bytes);
        self.out.push(b'"');
        self
    }

    fn raw(mut self, name: &str, json: &[u8]) -> Self {
        self.name(name);
        self.out.extend_from_slice(json);
        self
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

/// A string of bits whose bit b is bit (b mod 8) of byte (b div 8).
#[derive(Clone, Default)]
struct Packer {
    bytes: Vec<u8>,
    pending: u128,
    count: u32,
}

impl Packer {
    fn push(&mut self, value: u64, bits: u32) {
        let low = u128::from(value) & ((1 << bits) - 1);
        self.pending |= low << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn take(&mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
        (self.pending, self.count) = (0, 0);
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_bytes_from_the_low_end() {
        let mut packer = Packer::default();
        for value in [0b101, 0b1_1111_0011, 0b010] {
            packer.push(value, 3);
        }
        assert_eq!(vec![0b1001_1101, 0], packer.take());
        packer.push(u64::MAX, 64);
        packer.push(1, 64);
        assert_eq!([&[255u8; 8][..], &[1, 0, 0, 0, 0, 0, 0, 0]].concat(), packer.take());
    }

    #[test]
    fn no_items_have_the_empty_root() {
        let (last, seal) = Commitment::new("r", 16, 256).unwrap().finish();
        let text = String::from_utf8(seal).unwrap();
        assert_eq!(None, last);
        assert!(text.contains("\"root\":\"e3b0c44298fc1c149afbf4c8996fb924"), "{text}");
        assert!(text.contains("\"blocks\":0,"), "{text}");
    }
}
