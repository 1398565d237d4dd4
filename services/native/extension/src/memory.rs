//! A run's memory and trace in the form they are written to files, readable in place.

use std::ffi::c_int;
use std::sync::Arc;

use cairo_vm::Felt252;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// ap, fp, pc: 24 bytes of trace.bin.
pub type Step = [u64; 3];

/// Address and value, least significant word first: 40 bytes of memory.bin.
pub type Cell = [u64; 5];

/// Cells by ascending address, with an index of less than two bits an address.
pub struct Memory {
    cells: Vec<Cell>,
    present: Vec<u64>,
    /// Cells before each word of `present`.
    before: Vec<u32>,
}

impl Memory {
    /// Takes the VM's relocated memory; the cells are written into its own allocation.
    pub fn new(relocated: Vec<Option<Felt252>>) -> Self {
        let mut present = vec![0u64; relocated.len().div_ceil(64)];
        let cells: Vec<Cell> = relocated
            .into_iter()
            .enumerate()
            .filter_map(|(address, value)| {
                let [a, b, c, d] = value?.to_le_digits();
                present[address / 64] |= 1 << (address % 64);
                Some([address as u64, a, b, c, d])
            })
            .collect();
        let before = present
            .iter()
            .scan(0u32, |sum, word| {
                let before = *sum;
                *sum += word.count_ones();
                Some(before)
            })
            .collect();
        Self { cells, present, before }
    }

    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The value at an address, least significant word first; `None` for a hole.
    pub fn get(&self, address: u64) -> Option<[u64; 4]> {
        let (word, bit) = (usize::try_from(address / 64).ok()?, address % 64);
        let present = *self.present.get(word)?;
        if present >> bit & 1 == 0 {
            return None;
        }
        let lower = (present & ((1 << bit) - 1)).count_ones();
        let [_, a, b, c, d] = *self.cells.get((self.before[word] + lower) as usize)?;
        Some([a, b, c, d])
    }
}

pub trait Bytes: Send + Sync {
    fn bytes(&self) -> &[u8];
}

/// Bytes of a run that Python reads in place, through the buffer protocol.
#[pyclass(frozen, module = "proofrail._native")]
pub struct Buffer {
    owner: Arc<dyn Bytes>,
}

impl Buffer {
    pub fn new(owner: Arc<dyn Bytes>) -> Self {
        Self { owner }
    }
}

#[pymethods]
impl Buffer {
    fn __len__(&self) -> usize {
        self.owner.bytes().len()
    }

    /// # Safety
    /// Called by Python alone, with a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = slf.get().owner.bytes();
        let length = isize::try_from(bytes.len()).map_err(|_| PyBufferError::new_err("too large"))?;
        // SAFETY: the view keeps a reference to this object, which is frozen and keeps the bytes.
        let failed = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), bytes.as_ptr().cast_mut().cast(), length, 1, flags)
        };
        if failed == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_across_holes() {
        let relocated: Vec<Option<Felt252>> = (0..500u64)
            .map(|i| (i % 3 != 0 && !(64..192).contains(&i)).then(|| Felt252::from(i * i)))
            .collect();
        let memory = Memory::new(relocated.clone());
        for (address, value) in relocated.iter().enumerate() {
            assert_eq!(value.map(|felt| felt.to_le_digits()), memory.get(address as u64), "{address}");
        }
        assert_eq!(None, memory.get(500));
        assert_eq!(None, memory.get(u64::MAX));
        assert!(memory.cells().is_sorted());
    }
}
