//! Whatever the bytes, reading them ends in a value or an error.

use crate::avro::{RELEASED, Record};
use crate::testing::nouns;
use crate::*;
use portcullis_core::event::Event;
use proptest::prelude::*;

/// Everything that reads bytes from outside.
fn read_all(bytes: &[u8]) {
    let _ = decode_event(bytes);
    let _ = decode_event_record(bytes);
    let _ = decode_gate_record(bytes);
    let _ = decode_journal_record(bytes);
    let _ = json::decode_event(bytes);
    let _ = json::decode_logged_event(bytes);
    for encoding in [Encoding::Json, Encoding::Avro] {
        let _ = decode_verdict(bytes, encoding);
        let _ = decode_request(bytes, encoding);
        let _ = decode_decision(bytes, encoding);
        let _ = decode_proposal(bytes, encoding);
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn random_bodies(which in 0..RELEASED.len(), body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = vec![0xc3, 0x01];
        bytes.extend(RELEASED[which].fingerprint.to_le_bytes());
        bytes.extend(body);
        read_all(&bytes);
    }

    #[test]
    fn flipped_bits(event in nouns::<Event>(), flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..4)) {
        for mut bytes in [super::encoded(&event), serde_json::to_vec(&event).unwrap()] {
            for (at, bit) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            read_all(&bytes);
        }
    }

    #[test]
    fn a_cut_record_is_an_error(event in nouns::<Event>(), cut in any::<prop::sample::Index>()) {
        let bytes = super::encoded(&event);
        prop_assert!(decode_event(&bytes[..cut.index(bytes.len())]).is_err());
        let json = serde_json::to_vec(&event).unwrap();
        prop_assert!(json::decode_logged_event(&json[..cut.index(json.len())]).is_err());
    }

    #[test]
    fn a_longer_record_is_an_error(event in nouns::<Event>(), more in any::<u8>()) {
        let mut bytes = super::encoded(&event);
        bytes.push(more);
        let malformed = matches!(decode_event(&bytes), Err(DecodeError::Malformed { flaw: crate::avro::Flaw::Trailing, .. }));
        prop_assert!(malformed);
    }
}

/// A few bytes that promise a great deal: 2^40 items, 2^62 bytes of text.
#[test]
fn claims_reserve_nothing() {
    for released in RELEASED {
        for claim in [&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..], &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            let mut bytes = vec![0xc3, 0x01];
            bytes.extend(released.fingerprint.to_le_bytes());
            bytes.extend_from_slice(claim);
            read_all(&bytes);
        }
    }
    let mut bytes = Record::Event.header().to_vec();
    bytes.extend([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    let error = decode_event(&bytes).unwrap_err().to_string();
    assert_eq!(error, "event record, byte 20: a length is negative or greater than what is left of the record");
}

#[test]
fn bytes_that_are_not_ours_say_so() {
    assert_eq!(decode_event(b"{}").unwrap_err(), DecodeError::NotSingleObject { length: 2 });
    let newer = [0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(decode_event_record(&newer).unwrap_err(), DecodeError::UnknownSchema { fingerprint: 0x0807_0605_0403_0201 });
}
