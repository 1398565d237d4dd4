use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::failure::Failure;

/// Writes the whole file or none of it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::unusable("output-path", format!("{} names no file", path.display())))?;
    let scratch = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = File::create(&scratch)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&scratch, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&scratch);
        Failure::io("output-not-written", format!("{}: {error}", path.display()))
    })
}
