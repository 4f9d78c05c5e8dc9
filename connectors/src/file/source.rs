//! Opens a file or standard input and takes its compression off, told by its first bytes (RFC 1952 for gzip, RFC 8878 for zstd).

use super::FileFault;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const COMPRESSED_BUFFER_BYTES: usize = 256 << 10;

/// Bytes to read records from.
pub struct Source {
    pub bytes: Box<dyn Read + Send>,
    /// `gzip`, `zstd`, or nothing.
    pub compression: Option<&'static str>,
    /// Records are wanted as soon as they arrive: a pipe that somebody else fills.
    pub eager: bool,
}

/// `-` is standard input.
pub fn open(name: &str) -> Result<Source, FileFault> {
    if name == "-" {
        return unpack(name, io::stdin(), true);
    }
    let path = Path::new(name);
    if path.is_dir() {
        return Err(FileFault::Folder { name: name.to_owned() });
    }
    match File::open(path) {
        Ok(file) => {
            let eager = !file.metadata().is_ok_and(|m| m.is_file());
            unpack(name, file, eager)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileFault::Missing { name: name.to_owned() }),
        Err(source) => Err(FileFault::Open { name: name.to_owned(), source }),
    }
}

/// Recognises the compression of what comes out of `bytes`.
pub fn unpack(name: &str, bytes: impl Read + Send + 'static, eager: bool) -> Result<Source, FileFault> {
    let fault = |source| FileFault::Read { name: name.to_owned(), offset: 0, source };
    let mut bytes = bytes;
    let mut head = [0; 4];
    let mut filled = 0;
    // A pipe may give its first bytes one by one.
    while filled < head.len() {
        match bytes.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(error)),
        }
    }
    let whole = io::Cursor::new(head[..filled].to_vec()).chain(bytes);
    let compression = match head {
        _ if head[..filled].starts_with(&GZIP_MAGIC) => Some("gzip"),
        _ if head[..filled] == ZSTD_MAGIC => Some("zstd"),
        _ => None,
    };
    let bytes: Box<dyn Read + Send> = match compression {
        Some("gzip") => Box::new(MultiGzDecoder::new(buffered(whole))),
        Some(_) => Box::new(zstd::Decoder::with_buffer(buffered(whole)).map_err(fault)?),
        None => Box::new(whole),
    };
    Ok(Source { bytes, compression, eager })
}

fn buffered(bytes: impl Read + Send + 'static) -> impl BufRead + Send + 'static {
    BufReader::with_capacity(COMPRESSED_BUFFER_BYTES, bytes)
}
