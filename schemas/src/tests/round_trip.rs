//! Every noun reads back as it was written, in both encodings, and the same noun gives the same bytes.

use crate::testing::{Draw, Entropy, events, nouns};
use crate::*;
use portcullis_core::containment::{ContainmentAnswer, ContainmentDecision, ContainmentRequest, Proposal, SecurityEvent};
use portcullis_core::event::Event;
use portcullis_core::lifecycle::LifecycleFinding;
use portcullis_core::record::{Control, EventRecord, GateRecord, JournalRecord, Output};
use portcullis_core::verdict::Verdict;
use proptest::prelude::*;
use std::borrow::Cow;

fn bytes_of(output: &Output, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_output(output, encoding, &mut bytes);
    let mut again = Vec::new();
    encode_output(&output.clone(), encoding, &mut again);
    assert_eq!(bytes, again);
    bytes
}

proptest! {
    #[test]
    fn events_in_the_log(event in nouns::<Event>()) {
        let mut bytes = Vec::new();
        encode_event(&event, &mut bytes);
        prop_assert_eq!(&decode_event(&bytes).unwrap(), &event);
        prop_assert_eq!(decode_event_record(&bytes).unwrap(), EventRecord::Event(Box::new(event.clone())));
        prop_assert_eq!(decode_gate_record(&bytes).unwrap(), GateRecord::Event(Box::new(event)));
    }

    #[test]
    fn events_as_json(event in nouns::<Event>()) {
        let mut bytes = Vec::new();
        json::encode_event(&event, &mut bytes);
        prop_assert!(!bytes.contains(&b'\n'));
        prop_assert_eq!(json::decode_logged_event(&bytes).unwrap(), event);
    }

    #[test]
    fn events_that_an_input_may_carry(event in events()) {
        let mut bytes = Vec::new();
        json::encode_event(&event, &mut bytes);
        prop_assert_eq!(json::decode_event(&bytes).unwrap(), event);
    }

    #[test]
    fn control_records(control in nouns::<Control>()) {
        let mut bytes = Vec::new();
        encode_event_record(&EventRecord::Control(control.clone()), &mut bytes);
        prop_assert_eq!(decode_event_record(&bytes).unwrap(), EventRecord::Control(control.clone()));
        prop_assert_eq!(decode_gate_record(&bytes).unwrap(), GateRecord::Control(control.clone()));
        let json = bytes_of(&Output::ToGate(control.clone()), Encoding::Json);
        prop_assert_eq!(serde_json::from_slice::<Control>(&json).unwrap(), control);
    }

    #[test]
    fn proposals(proposal in nouns::<Proposal>()) {
        let mut bytes = Vec::new();
        encode_gate_record(&GateRecord::Proposal(Box::new(proposal.clone())), &mut bytes);
        prop_assert_eq!(decode_gate_record(&bytes).unwrap(), GateRecord::Proposal(Box::new(proposal.clone())));
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Proposal(Box::new(proposal.clone())), encoding);
            prop_assert_eq!(&decode_proposal(&bytes, encoding).unwrap(), &proposal);
        }
    }

    #[test]
    fn journal_records(record in nouns::<JournalRecord>()) {
        let mut bytes = Vec::new();
        encode_journal_record(&record, &mut bytes);
        prop_assert_eq!(&decode_journal_record(&bytes).unwrap(), &record);
        prop_assert_eq!(serde_json::from_slice::<JournalRecord>(&serde_json::to_vec(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn verdicts(verdict in nouns::<Verdict>()) {
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Verdict(Box::new(verdict.clone())), encoding);
            prop_assert_eq!(&decode_verdict(&bytes, encoding).unwrap(), &verdict);
        }
    }

    #[test]
    fn requests(request in nouns::<ContainmentRequest>()) {
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Request(Box::new(request.clone())), encoding);
            prop_assert_eq!(&decode_request(&bytes, encoding).unwrap(), &request);
        }
    }

    #[test]
    fn decisions(decision in nouns::<ContainmentDecision>()) {
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Decision(Box::new(decision.clone())), encoding);
            prop_assert_eq!(&decode_decision(&bytes, encoding).unwrap(), &decision);
        }
    }

    #[test]
    fn security_events(fact in nouns::<SecurityEvent>()) {
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Fact(Box::new(fact.clone())), encoding);
            prop_assert_eq!(&decode_fact(&bytes, encoding).unwrap(), &fact);
        }
    }

    #[test]
    fn findings(finding in nouns::<LifecycleFinding>()) {
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Finding(Box::new(finding.clone())), encoding);
            prop_assert_eq!(&decode_finding(&bytes, encoding).unwrap(), &finding);
        }
    }

    #[test]
    fn answers(answer in nouns::<ContainmentAnswer>()) {
        for encoding in [Encoding::Json, Encoding::Avro] {
            let bytes = bytes_of(&Output::Answer(Box::new(answer.clone())), encoding);
            prop_assert_eq!(&decode_answer(&bytes, encoding).unwrap(), &answer);
        }
    }
}

#[test]
fn text_of_an_event_is_borrowed_from_its_record() {
    let event: Event = serde_json::from_str(r#"{"time":1795000000000,"type":"auth.login","identity":{"id":"u-13"}}"#).unwrap();
    let mut bytes = Vec::new();
    encode_event(&event, &mut bytes);
    let read = decode_event(&bytes).unwrap();
    assert!(matches!(read.identity.unwrap().id.0, Cow::Borrowed("u-13")));
}

#[test]
fn a_record_in_the_wrong_log_is_named() {
    let mut journal = Vec::new();
    encode_journal_record(&JournalRecord::default(), &mut journal);
    assert_eq!(decode_event_record(&journal), Err(DecodeError::WrongRecord { found: "journal", expected: "event or control" }));
    assert_eq!(decode_gate_record(&journal), Err(DecodeError::WrongRecord { found: "journal", expected: "proposal, event or control" }));
    assert_eq!(decode_event(&journal), Err(DecodeError::WrongRecord { found: "journal", expected: "event" }));
}

#[test]
fn outputs_are_told_apart_by_their_type() {
    let mut entropy = Entropy::new(Vec::new());
    let e = &mut entropy;
    let types = [
        Output::Verdict(Draw::draw(e)),
        Output::Request(Draw::draw(e)),
        Output::Decision(Draw::draw(e)),
        Output::Answer(Draw::draw(e)),
        Output::Fact(Draw::draw(e)),
        Output::Proposal(Draw::draw(e)),
        Output::ToGate(Draw::draw(e)),
    ]
    .map(|output| output_type(&output));
    assert_eq!(
        types,
        ["verdict", "containment-request", "containment-decision", "containment-answer", "security-event", "proposal", "control"]
    );
}
