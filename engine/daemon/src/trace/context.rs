//! W3C Trace Context (level 2) in the headers of a Kafka record, under the names that OpenTelemetry gives them there.

use portcullis_connectors::kafka::RecordRef;

/// Which trace a record is part of, and by whose doing.
const TRACEPARENT: &str = "traceparent";
/// What the vendors of a trace say to themselves.
const TRACESTATE: &str = "tracestate";

/// `00-` trace `-` span `-` flags.
const TRACEPARENT_BYTES: usize = 55;
/// What must be passed on at least; what is longer is not.
const TRACESTATE_BYTES_MAX: usize = 512;

const SAMPLED: u8 = 0x01;
/// Level 2 knows these two; all others are to be sent as zero.
const FLAGS_KNOWN: u8 = SAMPLED | 0x02;

/// Where in a trace a record stands. Whatever is not well-formed is passed over: a header of a stranger is never an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context<'r> {
    pub trace: [u8; 16],
    /// The span that wrote the record.
    pub span: [u8; 8],
    /// Those that level 2 knows.
    pub flags: u8,
    pub state: Option<&'r str>,
}

impl<'r> Context<'r> {
    /// The context of a record; of headers of one name the last, as OpenTelemetry reads them.
    pub fn of(record: RecordRef<'r>) -> Option<Context<'r>> {
        let (mut parent, mut state) = (None, None);
        for (name, value) in record.headers() {
            match name {
                TRACEPARENT => parent = value,
                TRACESTATE => state = value,
                _ => {}
            }
        }
        Context::parse(parent?, state)
    }

    fn parse(parent: &[u8], state: Option<&'r [u8]>) -> Option<Context<'r>> {
        let (fields, rest) = parent.split_at_checked(TRACEPARENT_BYTES)?;
        let ([v0, v1, b'-', ..], b'-', b'-') = (fields, fields[35], fields[52]) else { return None };
        let [version] = hex(&[*v0, *v1])?;
        // A later version begins like this one, and may go on behind a dash.
        let is_known = if version == 0 { rest.is_empty() } else { version != 0xff && rest.first().is_none_or(|b| *b == b'-') };
        let (trace, span, [flags]) = (hex(&fields[3..35])?, hex(&fields[36..52])?, hex(&fields[53..55])?);
        if !is_known || trace == [0; 16] || span == [0; 8] {
            return None;
        }
        let is_fit = |s: &&[u8]| (1..=TRACESTATE_BYTES_MAX).contains(&s.len()) && s.iter().all(|b| (b' '..=b'~').contains(b));
        let state = state.filter(is_fit).and_then(|s| std::str::from_utf8(s).ok());
        Some(Context { trace, span, flags: flags & FLAGS_KNOWN, state })
    }

    /// Whether whoever began the trace wants it kept.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The context of what a span of ours writes.
    pub fn within(self, span: [u8; 8]) -> Context<'r> {
        Context { span, ..self }
    }

    /// Names and values of its headers.
    pub fn headers(&self, each: &mut dyn FnMut(&str, &[u8])) {
        let mut parent = *b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-00";
        write_hex(&self.trace, &mut parent[3..35]);
        write_hex(&self.span, &mut parent[36..52]);
        write_hex(&[self.flags], &mut parent[53..55]);
        each(TRACEPARENT, &parent);
        if let Some(state) = self.state {
            each(TRACESTATE, state.as_bytes());
        }
    }
}

/// Lower-case only, as the recommendation wants it.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair.copy_from_slice(&[b"0123456789abcdef"[usize::from(byte >> 4)], b"0123456789abcdef"[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn written(context: &Context<'_>) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        context.headers(&mut |name, value| headers.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap())));
        headers
    }

    #[test]
    fn what_comes_is_passed_on_unchanged() {
        let context = Context::parse(PARENT.as_bytes(), Some(b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")).unwrap();
        assert!(context.is_sampled());
        let headers = [("traceparent", PARENT), ("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")];
        assert_eq!(written(&context), headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let ours = written(&context.within([0xab; 8]));
        assert_eq!(ours[0].1, "00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-01");
    }

    #[test]
    fn a_later_version_is_read_as_ours() {
        let later = format!("cc{}-what-the-future-will-be-like", &PARENT[2..]);
        assert_eq!(written(&Context::parse(later.as_bytes(), None).unwrap())[0].1, PARENT);
        let reserved = format!("{}ff", &PARENT[..53]);
        assert_eq!(written(&Context::parse(reserved.as_bytes(), None).unwrap())[0].1, format!("{}03", &PARENT[..53]));
    }

    #[test]
    fn what_is_not_well_formed_is_none() {
        let upper = PARENT.replace('f', "F");
        let no_trace = PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let no_span = PARENT.replace("00f067aa0ba902b7", &"0".repeat(16));
        let longer = format!("{PARENT}-00");
        let last = format!("ff{}", &PARENT[2..]);
        let runs_on = format!("cc{}.x", &PARENT[2..]);
        let spaced = format!(" {}", &PARENT[..54]);
        for wrong in ["", "00", &PARENT[..54], &upper, &no_trace, &no_span, &longer, &last, &runs_on, &spaced] {
            assert_eq!(Context::parse(wrong.as_bytes(), None), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_that_is_not_fit_is_left_out_alone() {
        let long = "a".repeat(TRACESTATE_BYTES_MAX + 1);
        for state in [&b""[..], b"a=\n", b"a=\xff", long.as_bytes()] {
            let context = Context::parse(PARENT.as_bytes(), Some(state)).unwrap();
            assert_eq!(context.state, None, "{state:?}");
        }
        assert!(Context::parse(PARENT.as_bytes(), Some(&long.as_bytes()[1..])).unwrap().state.is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_context_or_none(parent in proptest::collection::vec(any::<u8>(), 0..80), state in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(Context::parse(&parent, Some(&state)).is_none_or(|c| c.trace != [0; 16]));
        }

        #[test]
        fn nearly_right_bytes_give_a_context_that_reads_back(at in 0usize..60, byte in any::<u8>()) {
            let mut parent = PARENT.as_bytes().to_vec();
            parent.resize(parent.len().max(at + 1), b'-');
            parent[at] = byte;
            if let Some(context) = Context::parse(&parent, None) {
                let text = written(&context).remove(0).1;
                prop_assert_eq!(Context::parse(text.as_bytes(), None), Some(context));
            }
        }
    }
}
