//! How each type of the nouns stands in an Avro body.
//!
//! | noun | Avro |
//! |---|---|
//! | `Text`, `String` | `string` |
//! | `Time` | `long`, `timestamp-millis` |
//! | `Span` | `long`, milliseconds |
//! | `u8`, `u16`, `i32` | `int`, checked |
//! | `u32`, `u64`, `i64` | `long`, checked; a `u64` above `i64::MAX` is written as `i64::MAX` ([`crate::validate`] refuses it before) |
//! | `Option<T>` | `["null", T]` |
//! | `Vec<T>` | `array`, in one block |
//! | an enumeration | `enum`, symbols in the order of `ALL` |

use super::input::{Flaw, Input, Read};
use portcullis_core::containment::{Action, AnswerEnd, ApprovalState, DecisionEnd};
use portcullis_core::event::{
    AgentClass, AuthFailure, AuthMethod, CheckoutResult, Class, CredentialKind, EventType, IdentityStatus, Label, Network, Outcome,
    OutcomeStatus, Posture, WorkloadProof,
};
use portcullis_core::lifecycle::FindingKind;
use portcullis_core::record::JournalKind;
use portcullis_core::text::Text;
use portcullis_core::time::{Span, Time};
use portcullis_core::verdict::{Family, Level, Mode, Probability};

/// A type that stands in Avro bodies. `'a` is how long its text may be borrowed.
pub(crate) trait Wire<'a>: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self>;
}

/// A record: its fields in the order of the schema. A noun that gains a field stops compiling here until the field is listed.
macro_rules! record {
    ($type:ident { $($field:ident),+ $(,)? }) => { record!(@ [] [$type] $type { $($field),+ }); };
    ($type:ident <'a> { $($field:ident),+ $(,)? }) => { record!(@ ['a] [$type<'a>] $type { $($field),+ }); };
    (@ [$($life:lifetime)?] [$full:ty] $type:ident { $($field:ident),+ }) => {
        impl<'a> $crate::avro::wire::Wire<'a> for $full {
            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                let $type { $($field),+ } = self;
                $($crate::avro::wire::Wire::write($field, out);)+
            }
            // Inlined, so that a section is built where it will stand and not copied there.
            #[inline(always)]
            fn read<I: $crate::avro::input::Input<'a>>(input: &mut I) -> $crate::avro::input::Read<Self> {
                Ok($type { $($field: $crate::avro::wire::Wire::read(input)?),+ })
            }
        }

        #[cfg(any(test, feature = "testing"))]
        impl<$($life)?> $crate::testing::Draw for $full {
            fn draw(entropy: &mut $crate::testing::Entropy) -> Self {
                $type { $($field: $crate::testing::Draw::draw(entropy)),+ }
            }
        }
    };
}
pub(crate) use record;

#[inline(always)]
pub(crate) fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    if raw < 0x80 {
        out.push(raw as u8);
        return;
    }
    let mut bytes = [0u8; 10];
    let mut length = 0;
    while raw >= 0x80 {
        bytes[length] = raw as u8 | 0x80;
        raw >>= 7;
        length += 1;
    }
    bytes[length] = raw as u8;
    out.extend_from_slice(&bytes[..=length]);
}

#[inline(always)]
fn write_str(text: &str, out: &mut Vec<u8>) {
    write_long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

impl<'a> Wire<'a> for Text<'a> {
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        write_str(self, out);
    }
    #[inline(always)]
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        input.text()
    }
}

impl<'a> Wire<'a> for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_str(self, out);
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        input.text().map(|text| text.0.into_owned())
    }
}

impl<'a> Wire<'a> for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => input.fail(Flaw::Boolean),
        }
    }
}

impl<'a> Wire<'a> for f64 {
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    #[inline(always)]
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        input.chunk8().map(f64::from_le_bytes)
    }
}

impl<'a> Wire<'a> for i64 {
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        write_long(*self, out);
    }
    #[inline(always)]
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        input.long()
    }
}

macro_rules! narrow {
    ($($type:ty),+) => {$(
        impl<'a> Wire<'a> for $type {
            #[inline(always)]
            fn write(&self, out: &mut Vec<u8>) {
                write_long(i64::try_from(*self).unwrap_or(i64::MAX), out);
            }
            #[inline(always)]
            fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
                <$type>::try_from(input.long()?).or_else(|_| input.fail(Flaw::Range))
            }
        }
    )+};
}
narrow!(u8, u16, u32, u64, i32);

impl<'a> Wire<'a> for Time {
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        write_long(self.0, out);
    }
    #[inline(always)]
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        input.long().map(Time)
    }
}

impl<'a> Wire<'a> for Span {
    fn write(&self, out: &mut Vec<u8>) {
        write_long(self.0, out);
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        input.long().map(Span)
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Option<T> {
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(2);
                value.write(out);
            }
        }
    }
    #[inline(always)]
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        match input.long()? {
            0 => Ok(None),
            1 => T::read(input).map(Some),
            _ => input.fail(Flaw::Branch),
        }
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        T::read(input).map(Box::new)
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            write_long(self.len() as i64, out);
            for item in self {
                item.write(out);
            }
        }
        out.push(0);
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        let mut items = Vec::new();
        loop {
            let count = input.block()?;
            if count == 0 {
                return Ok(items);
            }
            // An item in memory is larger than its least encoding, so the claim is believed only in small steps.
            items.reserve(count.min(64));
            for _ in 0..count {
                items.push(T::read(input)?);
            }
        }
    }
}

/// `["null", "double"]`: null is uncalibrated.
impl<'a> Wire<'a> for Probability {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Probability::Uncalibrated => None,
            Probability::Calibrated(p) => Some(*p),
        }
        .write(out);
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        Ok(Option::<f64>::read(input)?.map_or(Probability::Uncalibrated, Probability::Calibrated))
    }
}

macro_rules! symbols {
    ($($type:ty),+ $(,)?) => {$(
        #[cfg(any(test, feature = "testing"))]
        impl crate::testing::Draw for $type {
            fn draw(entropy: &mut crate::testing::Entropy) -> Self {
                <$type>::ALL[usize::from(entropy.byte()) % <$type>::ALL.len()]
            }
        }

        impl<'a> Wire<'a> for $type {
            #[inline(always)]
            fn write(&self, out: &mut Vec<u8>) {
                write_long(*self as i64, out);
            }
            #[inline(always)]
            fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
                let index = input.long()?;
                match usize::try_from(index).ok().and_then(|i| <$type>::ALL.get(i)) {
                    Some(value) => Ok(*value),
                    None => input.fail(Flaw::Symbol),
                }
            }
        }
    )+};
}
symbols!(
    EventType,
    Outcome,
    Class,
    CredentialKind,
    Network,
    WorkloadProof,
    Posture,
    AuthMethod,
    AuthFailure,
    CheckoutResult,
    AgentClass,
    IdentityStatus,
    OutcomeStatus,
    Label,
    Level,
    Mode,
    Family,
    FindingKind,
    Action,
    ApprovalState,
    DecisionEnd,
    AnswerEnd,
    JournalKind,
);
