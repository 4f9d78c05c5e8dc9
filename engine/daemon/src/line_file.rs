//! Files of whole lines: a disk that fills up leaves no half line behind.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Lines held before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that is written line by line.
pub struct LineFile {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl LineFile {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> io::Result<LineFile> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(LineFile { path: path.to_owned(), file, buffer: Vec::with_capacity(BUFFER_BYTES + 4096) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line that `write` appends to the buffer, without its end.
    ///
    /// # Errors
    /// When the buffer is full and cannot be written.
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        write(&mut self.buffer);
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what is held. On an error the file is cut back to its last whole line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        if written.is_err() {
            // The first error is the one to tell; a file that cannot be cut either stays as it is.
            let _cut = self.cut_to_whole_lines();
        }
        written
    }

    fn cut_to_whole_lines(&mut self) -> io::Result<()> {
        let mut end = self.file.seek(SeekFrom::End(0))?;
        let mut chunk = [0u8; 4096];
        while end > 0 {
            let from = end.saturating_sub(chunk.len() as u64);
            let len = (end - from) as usize;
            self.file.seek(SeekFrom::Start(from))?;
            self.file.read_exact(&mut chunk[..len])?;
            if let Some(at) = chunk[..len].iter().rposition(|b| *b == b'\n') {
                end = from + at as u64 + 1;
                break;
            }
            end = from;
        }
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LineFile::create(&dir.path().join("lines")).unwrap();
        file.line(|b| b.extend_from_slice(b"one")).unwrap();
        file.flush().unwrap();
        file.file.write_all(&vec![b'x'; 10_000]).unwrap(); // what a full disk would leave
        file.cut_to_whole_lines().unwrap();
        file.line(|b| b.extend_from_slice(b"two")).unwrap();
        file.flush().unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("lines")).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_full_disk_is_an_error_and_leaves_whole_lines() {
        let Ok(file) = File::options().read(true).write(true).open("/dev/full") else { return };
        let mut full = LineFile { path: "/dev/full".into(), file, buffer: Vec::new() };
        full.line(|b| b.extend_from_slice(b"one")).unwrap();
        assert_eq!(full.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
