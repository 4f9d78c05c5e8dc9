//! However the bytes arrive and however large the buffer is, the records are the same; whatever the bytes are, nothing panics.

use portcullis_connectors::file::sort::Sorter;
use portcullis_connectors::file::{Batch, FileReader, Options, Position, Raw};
use portcullis_connectors::formats::{Format, Input, decode};
use portcullis_core::time::Time;
use proptest::prelude::*;
use std::io::{self, Read};

/// Gives its bytes in pieces of the given sizes, again and again.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].max(1);
        self.turn += 1;
        let n = size.min(buf.len()).min(self.bytes.len() - self.at);
        buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

type Found = Vec<(Vec<u8>, Position, Option<String>)>;

fn read(bytes: &[u8], sizes: Vec<usize>, record_bytes_max: usize, batch_bytes: usize) -> Found {
    let pieces = Pieces { bytes: bytes.to_vec(), at: 0, sizes, turn: 0 };
    let mut reader = FileReader::from_bytes("test", pieces, Options { batch_bytes, record_bytes_max }).unwrap();
    let (mut batch, mut out) = (Batch::default(), Vec::new());
    while reader.next_batch(&mut batch).unwrap() {
        out.extend(batch.records().map(|raw| (raw.bytes.to_vec(), raw.position, raw.fault.map(str::to_owned))));
    }
    out
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf =
        prop_oneof![Just(serde_json::Value::Null), any::<i32>().prop_map(Into::into), "[ -~\\n\"{}\\[\\],]{0,12}".prop_map(Into::into)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-zR{\\[]{1,8}", inner, 0..4).prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
        ]
    })
}

fn object() -> impl Strategy<Value = serde_json::Value> {
    prop::collection::btree_map("[a-z]{1,4}", json(), 1..5).prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
}

/// The shapes of a file that holds `values`.
fn shapes(values: &[serde_json::Value]) -> Vec<String> {
    let compact: Vec<String> = values.iter().map(|v| v.to_string()).collect();
    let pretty: Vec<String> = values.iter().map(|v| serde_json::to_string_pretty(v).unwrap()).collect();
    let list = serde_json::Value::from(values.to_vec());
    vec![
        compact.join("\n"),
        compact.join("\r\n") + "\r\n",
        compact.join(" "),
        pretty.join("\n"),
        pretty.concat(),
        list.to_string(),
        serde_json::to_string_pretty(&list).unwrap(),
        format!("[\n{}\n]\n", compact.join(",\n")),
        format!("{{\"Records\": {list}, \"more\": [{{}}]}}\n"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_shape_gives_every_value(values in prop::collection::vec(object(), 1..6), sizes in prop::collection::vec(1usize..40, 1..6)) {
        for text in shapes(&values) {
            let found = read(text.as_bytes(), sizes.clone(), 4096, 64);
            let parsed: Vec<serde_json::Value> = found.iter().map(|(bytes, _, fault)| {
                assert_eq!(*fault, None, "{text}");
                serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e} in {text}"))
            }).collect();
            prop_assert_eq!(&parsed, &values, "{}", text);
            for (bytes, position, _) in &found {
                let at = position.offset as usize;
                prop_assert_eq!(&text.as_bytes()[at..at + bytes.len()], &bytes[..]);
                prop_assert_eq!(position.line as usize, 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count());
            }
        }
    }

    #[test]
    fn pieces_do_not_matter_even_when_broken(values in prop::collection::vec(object(), 1..6), cut in any::<prop::sample::Index>(), byte in any::<u8>(), shape in 0usize..9,
                                             sizes in prop::collection::vec(1usize..40, 1..6)) {
        let mut bytes = shapes(&values).swap_remove(shape).into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        let whole = read(&bytes, vec![1 << 20], 4096, 1 << 20);
        let pieces = read(&bytes, sizes, 4096, 64);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_bytes_are_read_to_the_end(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n \\a1".to_vec())], 0..400), max in 1usize..80) {
        let found = read(&bytes, vec![7, 1, 50], max, 64);
        prop_assert!(found.len() <= bytes.len() + 2);
        prop_assert!(found.iter().all(|(record, _, _)| record.len() <= max.max(256)));
    }

    #[test]
    fn sorting_is_stable_whatever_fits_in_memory(times in prop::collection::vec((0u8..3, prop::option::of(0i64..6)), 0..60), memory in 1usize..2_000) {
        let mut times = times;
        times.sort_by_key(|(input, _)| *input); // inputs come one after the other
        let mut sorter = Sorter::new(memory, std::env::temp_dir());
        let mut expected = Vec::new();
        let mut last = None;
        for (i, (input, time)) in times.iter().enumerate() {
            let name = i.to_string();
            let raw = Raw { bytes: name.as_bytes(), position: Position::default(), fault: None };
            sorter.push(time.map(Time), u32::from(*input), raw).unwrap();
            // A record without a time takes the time of the one before it in its input.
            let before = last.filter(|(of, _)| of == input).map_or(i64::MIN, |(_, t)| t);
            let time = time.unwrap_or(before);
            last = Some((*input, time));
            expected.push((time, i));
        }
        expected.sort();
        let mut sorted = sorter.finish().unwrap();
        for (_, i) in expected {
            let name = i.to_string();
            prop_assert_eq!(sorted.next().unwrap().unwrap().raw.bytes, name.as_bytes());
        }
        prop_assert!(sorted.next().unwrap().is_none());
    }

    #[test]
    fn no_bytes_panic_in_any_format(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n \\a1".to_vec())], 0..300)) {
        try_all(&bytes);
    }

    #[test]
    fn no_mutation_panics_in_any_format(which in 0usize..SEEDS.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6)) {
        let mut bytes = SEEDS[which].as_bytes().to_vec();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.truncate(at + 1); }
                _ => { let tail = bytes[at..].to_vec(); bytes.extend(tail); }
            }
        }
        try_all(&bytes);
    }

    #[test]
    fn no_swapped_value_panics_in_any_format(which in 0usize..SEEDS.len(), path in prop::collection::vec(any::<prop::sample::Index>(), 1..5), value in json()) {
        let mut seed: serde_json::Value = serde_json::from_str(SEEDS[which]).unwrap();
        let mut pointer = String::new();
        for step in &path {
            let Some(map) = seed.pointer(&pointer).and_then(|v| v.as_object()).filter(|m| !m.is_empty()) else { break };
            let key = map.keys().nth(step.index(map.len())).cloned().unwrap_or_default();
            pointer = format!("{pointer}/{key}");
        }
        *seed.pointer_mut(&pointer).unwrap() = value;
        try_all(seed.to_string().as_bytes());
    }
}

fn try_all(bytes: &[u8]) {
    let input = Input::operator("test");
    for format in Format::ALL {
        let mut items = 0;
        decode(*format, bytes, &input, &mut |index, _| {
            assert_eq!(index, items);
            items += 1;
        });
        assert!(items > 0, "nothing for {bytes:?}");
    }
}

const SEEDS: &[&str] = &[
    r#"{"id":"e","time":"2026-05-01T10:00:00Z","type":"auth.login","outcome":"failure","identity":{"id":"u"},"source":{"ip":"192.0.2.1","lat":1.5},"auth":{"method":"push","amr":["pwd"]}}"#,
    r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::1:assumed-role/Admin/s","accountId":"1","accessKeyId":"ASIA","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:role/Admin"},"attributes":{"creationDate":"2026-05-01T10:00:00Z"}}},"eventTime":"2026-05-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","sourceIPAddress":"192.0.2.1","requestParameters":{"userName":"b"},"responseElements":{"accessKey":{"accessKeyId":"AKIA","userName":"b"}},"eventID":"e","recipientAccountId":"1"}"#,
    r#"{"actor":{"id":"00u","type":"User","alternateId":"a@example.com"},"client":{"ipAddress":"192.0.2.1","geographicalContext":{"country":"France","geolocation":{"lat":1,"lon":2}}},"eventType":"user.session.start","outcome":{"result":"FAILURE","reason":"LOCKED_OUT"},"published":"2026-05-01T10:00:00Z","debugContext":{"debugData":{"risk":"{level=LOW}"}},"target":[{"id":"a","type":"User"}],"uuid":"e"}"#,
    r#"{"class_uid":3002,"activity_id":1,"time":1760000000000,"status_id":2,"actor":{"user":{"uid":"u"},"session":{"uid":"s"}},"user":{"uid":"v"},"metadata":{"uid":"e","product":{"name":"CloudTrail"}},"api":{"operation":"ConsoleLogin","service":{"name":"signin.amazonaws.com"},"request":{"data":"{\"a\":1}"}},"src_endpoint":{"ip":"192.0.2.1"}}"#,
    r#"{"Records":[{"eventName":"a","eventSource":"b","eventTime":"2026-05-01T10:00:00Z","userIdentity":{"type":"Root","accountId":"1"}},{}]}"#,
];
