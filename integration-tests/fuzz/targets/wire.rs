//! Bytes of our own topics and files, by whoever wrote them: read or refused, and what is read is written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::record::Output;
use portcullis_schemas::*;

fn same(output: &Output, encoding: Encoding, read: impl Fn(&[u8]) -> Option<Output>) {
    let mut bytes = Vec::new();
    encode_output(output, encoding, &mut bytes);
    // NaN is no equal of itself, and no verdict of ours holds one.
    let again = read(&bytes);
    let json = |o: &Output| {
        let mut bytes = Vec::new();
        encode_output(o, Encoding::Json, &mut bytes);
        bytes
    };
    assert_eq!(again.as_ref().map(json), Some(json(output)));
}

fuzz_target!(|data: &[u8]| {
    if let Ok(event) = decode_event(data) {
        let mut bytes = Vec::new();
        encode_event(&event, &mut bytes);
        assert_eq!(decode_event(&bytes).as_ref(), Ok(&event));
    }
    let _ = (decode_event_record(data), decode_gate_record(data), decode_journal_record(data));
    // JSON cannot carry every number that Avro can: only what was read from JSON must come back from it.
    for encoding in [Encoding::Avro, Encoding::Json] {
        if let Ok(noun) = decode_verdict(data, encoding) {
            same(&Output::Verdict(Box::new(noun)), encoding, |b| decode_verdict(b, encoding).ok().map(|n| Output::Verdict(Box::new(n))));
        }
        if let Ok(noun) = decode_request(data, encoding) {
            same(&Output::Request(Box::new(noun)), encoding, |b| decode_request(b, encoding).ok().map(|n| Output::Request(Box::new(n))));
        }
        if let Ok(noun) = decode_decision(data, encoding) {
            same(&Output::Decision(Box::new(noun)), encoding, |b| decode_decision(b, encoding).ok().map(|n| Output::Decision(Box::new(n))));
        }
        if let Ok(noun) = decode_answer(data, encoding) {
            same(&Output::Answer(Box::new(noun)), encoding, |b| decode_answer(b, encoding).ok().map(|n| Output::Answer(Box::new(n))));
        }
        if let Ok(noun) = decode_fact(data, encoding) {
            same(&Output::Fact(Box::new(noun)), encoding, |b| decode_fact(b, encoding).ok().map(|n| Output::Fact(Box::new(n))));
        }
        if let Ok(noun) = decode_finding(data, encoding) {
            same(&Output::Finding(Box::new(noun)), encoding, |b| decode_finding(b, encoding).ok().map(|n| Output::Finding(Box::new(n))));
        }
        if let Ok(noun) = decode_proposal(data, encoding) {
            same(&Output::Proposal(Box::new(noun)), encoding, |b| decode_proposal(b, encoding).ok().map(|n| Output::Proposal(Box::new(n))));
        }
    }
});
