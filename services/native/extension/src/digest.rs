//! SHA-256 in the forms the commitment needs (design section 5; RFC 6962, section 2.1).

use sha2::compress256;
use sha2::digest::generic_array::GenericArray;
use sha2::{Digest as _, Sha256};

pub type Digest = [u8; 32];

const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

pub fn sha256(data: &[u8]) -> Digest {
    Sha256::digest(data).into()
}

/// `H(0x00 ‖ data)`
pub fn leaf(data: &[u8]) -> Digest {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// `H(0x01 ‖ left ‖ right)`
pub fn node(left: &Digest, right: &Digest) -> Digest {
    tagged_pair(1, left, right)
}

/// `H(0x02 ‖ chain ‖ leaf)`
pub fn link(chain: &Digest, leaf: &Digest) -> Digest {
    tagged_pair(2, chain, leaf)
}

/// SHA-256 of exactly 65 bytes: two compressions and no buffering, as there are two of these an item.
fn tagged_pair(tag: u8, left: &Digest, right: &Digest) -> Digest {
    let mut blocks = [GenericArray::from([0u8; 64]); 2];
    blocks[0][0] = tag;
    blocks[0][1..33].copy_from_slice(left);
    blocks[0][33..].copy_from_slice(&right[..31]);
    blocks[1][0] = right[31];
    blocks[1][1] = 0x80;
    blocks[1][56..].copy_from_slice(&(65u64 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    let mut out = [0; 32];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// The RFC 6962 tree hash of a growing list of leaves, in memory of log2(size) nodes.
#[derive(Clone, Default)]
pub struct Tree {
    size: u64,
    /// Roots of the complete subtrees, the largest first; their sizes are the bits of `size`.
    roots: Vec<Digest>,
}

impl Tree {
    pub fn append(&mut self, leaf: Digest) {
        let mut root = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                root = node(&left, &root);
            }
        }
        self.roots.push(root);
        self.size += 1;
    }

    pub fn root(&self) -> Digest {
        let mut right_to_left = self.roots.iter().rev();
        match right_to_left.next() {
            None => sha256(b""),
            Some(last) => right_to_left.fold(*last, |right, left| node(left, &right)),
        }
    }
}

/// The RFC 6962 root over `data` cut into chunks of `chunk` bytes, the last one possibly shorter.
pub fn chunk_root(data: &[u8], chunk: usize) -> Digest {
    let mut tree = Tree::default();
    data.chunks(chunk).for_each(|piece| tree.append(leaf(piece)));
    tree.root()
}

pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_pair_is_sha256_of_65_bytes() {
        let (left, right) = (sha256(b"left"), sha256(b"right"));
        let whole = [&[1][..], &left, &right].concat();
        assert_eq!(sha256(&whole), node(&left, &right));
    }

    #[test]
    fn the_tree_has_the_roots_of_rfc_6962() {
        fn root(leaves: &[Digest]) -> Digest {
            match leaves {
                [] => sha256(b""),
                [one] => *one,
                _ => {
                    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                    node(&root(left), &root(right))
                }
            }
        }
        let leaves: Vec<Digest> = (0..70u8).map(|i| leaf(&[i])).collect();
        let mut tree = Tree::default();
        for (i, one) in leaves.iter().enumerate() {
            assert_eq!(root(&leaves[..i]), tree.root());
            tree.append(*one);
        }
        assert_eq!(root(&leaves), tree.root());
    }
}
