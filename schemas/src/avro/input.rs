//! Reading Avro's primitives from untrusted bytes.
//!
//! Every length is checked against what is left before anything is read or reserved, so a record costs at most a small multiple of its
//! own size in memory, whatever it claims. Nothing recurses except along the types of the nouns, which are finite.

use portcullis_core::text::Text;
use std::borrow::Cow;

/// What is wrong with the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    #[error("the record ends in the middle of a value")]
    Truncated,
    #[error("bytes are left over after the record")]
    Trailing,
    #[error("a variable-length integer has more than 64 bits")]
    LongVarint,
    #[error("a length is negative or greater than what is left of the record")]
    Length,
    #[error("text is not UTF-8")]
    Utf8,
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    #[error("a union names a branch that it does not have")]
    Branch,
    #[error("an enum names a symbol that it does not have")]
    Symbol,
    #[error("a number does not fit the range of its field")]
    Range,
    #[error("records within records, deeper than any that are read")]
    Depth,
    #[error("as JSON it is longer than any record that is read")]
    TooLong,
}

/// A flaw and where it was found. Small, so that results of hot functions stay in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed {
    /// Bytes from the start of the body.
    pub at: u32,
    pub flaw: Flaw,
}

pub(crate) type Read<T> = Result<T, Malformed>;

/// Where values are read from. `'a` is how long the text that is read may be borrowed.
pub(crate) trait Input<'a> {
    fn byte(&mut self) -> Read<u8>;
    fn chunk8(&mut self) -> Read<[u8; 8]>;
    fn long_tail(&mut self, first: u8) -> Read<i64>;
    fn text(&mut self) -> Read<Text<'a>>;
    fn remaining(&self) -> usize;
    fn fail<T>(&self, flaw: Flaw) -> Read<T>;

    /// Zigzag, variable length, 64 bits.
    #[inline(always)]
    fn long(&mut self) -> Read<i64> {
        match self.byte()? {
            first @ 0..=0x7f => Ok(zigzag(u64::from(first))),
            first => self.long_tail(first),
        }
    }

    /// The number of items in the next block of an array, 0 at its end. Every item of ours takes at least one byte.
    fn block(&mut self) -> Read<usize> {
        let mut count = self.long()?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes, for readers that skip.
            let size = self.long()?;
            if size < 0 || size as u64 > self.remaining() as u64 {
                return self.fail(Flaw::Length);
            }
            count = count.checked_neg().map_or_else(|| self.fail(Flaw::Length), Ok)?;
        }
        if count as u64 > self.remaining() as u64 {
            return self.fail(Flaw::Length);
        }
        Ok(count as usize)
    }
}

#[inline(always)]
fn zigzag(raw: u64) -> i64 {
    ((raw >> 1) as i64) ^ -((raw & 1) as i64)
}

/// `std::str::from_utf8`, quicker for the short ASCII texts that events are made of.
#[inline(always)]
fn utf8(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = |at: &[u8; 8]| u64::from_ne_bytes(*at);
    let ascii = match bytes.last_chunk::<8>() {
        // The last eight bytes may overlap those of the last whole chunk.
        Some(last) => (bytes.as_chunks::<8>().0.iter().fold(word(last), |seen, chunk| seen | word(chunk)) & HIGH) == 0,
        None => bytes.iter().fold(0, |seen, byte| seen | byte) < 0x80,
    };
    if ascii {
        // SAFETY: bytes below 0x80 are ASCII, and ASCII is UTF-8.
        Ok(unsafe { std::str::from_utf8_unchecked(bytes) })
    } else {
        std::str::from_utf8(bytes)
    }
}

/// Text is borrowed from the bytes.
pub(crate) struct Borrowing<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Borrowing<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Borrowing { rest: bytes, total: bytes.len() }
    }

    /// `flaw`, here.
    pub fn flaw(&self, flaw: Flaw) -> Malformed {
        Malformed { at: u32::try_from(self.total - self.rest.len()).unwrap_or(u32::MAX), flaw }
    }

    /// The next bytes, as many.
    #[inline(always)]
    pub fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => self.fail(Flaw::Length),
        }
    }

    pub fn chunk4(&mut self) -> Read<[u8; 4]> {
        match self.rest.split_first_chunk::<4>() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(*chunk)
            }
            None => self.fail(Flaw::Truncated),
        }
    }

    #[inline(always)]
    fn str(&mut self) -> Read<&'a str> {
        let length = self.long()?;
        if length as u64 > self.rest.len() as u64 {
            return self.fail(Flaw::Length);
        }
        let (head, rest) = self.rest.split_at(length as usize);
        match utf8(head) {
            Ok(text) => {
                self.rest = rest;
                Ok(text)
            }
            Err(_) => self.fail(Flaw::Utf8),
        }
    }
}

impl<'a> Input<'a> for Borrowing<'a> {
    #[inline(always)]
    fn byte(&mut self) -> Read<u8> {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                Ok(*first)
            }
            None => self.fail(Flaw::Truncated),
        }
    }

    #[inline(always)]
    fn chunk8(&mut self) -> Read<[u8; 8]> {
        match self.rest.split_first_chunk::<8>() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(*chunk)
            }
            None => self.fail(Flaw::Truncated),
        }
    }

    #[inline]
    fn long_tail(&mut self, first: u8) -> Read<i64> {
        let mut raw = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            // The tenth byte holds the 64th bit and nothing else.
            if shift == 63 && byte > 1 {
                return self.fail(Flaw::LongVarint);
            }
            raw |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(zigzag(raw));
            }
            shift += 7;
        }
    }

    #[inline(always)]
    fn text(&mut self) -> Read<Text<'a>> {
        self.str().map(Text::borrowed)
    }

    #[inline(always)]
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[cold]
    fn fail<T>(&self, flaw: Flaw) -> Read<T> {
        Err(self.flaw(flaw))
    }
}

/// Text is copied, so that the noun outlives the bytes.
pub(crate) struct Owning<'b>(pub Borrowing<'b>);

impl<'a> Input<'a> for Owning<'_> {
    fn byte(&mut self) -> Read<u8> {
        self.0.byte()
    }

    fn chunk8(&mut self) -> Read<[u8; 8]> {
        self.0.chunk8()
    }

    fn long_tail(&mut self, first: u8) -> Read<i64> {
        self.0.long_tail(first)
    }

    fn text(&mut self) -> Read<Text<'a>> {
        self.0.str().map(|text| Text(Cow::Owned(text.to_owned())))
    }

    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn fail<T>(&self, flaw: Flaw) -> Read<T> {
        self.0.fail(flaw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8]) -> Result<i64, Flaw> {
        Borrowing::new(bytes).long().map_err(|m| m.flaw)
    }

    /// The examples of the Avro specification, "Primitive types".
    #[test]
    fn longs_are_zigzag_varints() {
        for (value, bytes) in [(0, &[0x00][..]), (-1, &[0x01]), (1, &[0x02]), (-64, &[0x7f]), (64, &[0x80, 0x01])] {
            assert_eq!(long(bytes), Ok(value));
        }
        assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(i64::MIN));
        assert_eq!(long(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(i64::MAX));
        assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), Err(Flaw::LongVarint));
        assert_eq!(long(&[0xff; 32]), Err(Flaw::LongVarint));
        assert_eq!(long(&[0x80]), Err(Flaw::Truncated));
        assert_eq!(long(&[]), Err(Flaw::Truncated));
    }

    #[test]
    fn text_is_utf8_exactly_when_the_standard_library_says_so() {
        for length in 0..40 {
            for at in 0..length {
                for text in ["é", "漢", "🦀", "\u{7f}", "\u{80}"] {
                    let mut bytes = vec![b'a'; length];
                    bytes.splice(at..=at, text.bytes());
                    assert_eq!(utf8(&bytes), std::str::from_utf8(&bytes));
                    bytes.truncate(length);
                    assert_eq!(utf8(&bytes), std::str::from_utf8(&bytes));
                }
            }
            for byte in [0x80, 0xc0, 0xff] {
                let mut bytes = vec![b'a'; length];
                bytes.push(byte);
                assert!(utf8(&bytes).is_err());
            }
        }
    }

    #[test]
    fn lengths_are_believed_only_as_far_as_the_bytes_go() {
        let text = |bytes: &[u8]| Borrowing::new(bytes).text().map(|t| t.to_string()).map_err(|m| m.flaw);
        assert_eq!(text(&[0x06, b'f', b'o', b'o']), Ok("foo".to_owned()));
        assert_eq!(text(&[0x08, b'f', b'o', b'o']), Err(Flaw::Length));
        assert_eq!(text(&[0x01]), Err(Flaw::Length));
        assert_eq!(text(&[0x04, 0xc3, 0x28]), Err(Flaw::Utf8));
        let block = |bytes: &[u8]| Borrowing::new(bytes).block().map_err(|m| m.flaw);
        assert_eq!(block(&[0x02, 0x00]), Ok(1));
        assert_eq!(block(&[0x01, 0x02, 0x00]), Ok(1));
        assert_eq!(block(&[0x03, 0x02, 0x00]), Err(Flaw::Length));
        assert_eq!(block(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00]), Err(Flaw::Length));
        assert_eq!(block(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Err(Flaw::Length));
    }
}
