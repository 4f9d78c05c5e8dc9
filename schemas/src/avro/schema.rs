//! The schemas in force, the schemas that ever were, and their fingerprints.

use crate::error::DecodeError;

/// One record type of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Record {
    Event,
    Control,
    Verdict,
    ContainmentRequest,
    ContainmentDecision,
    Proposal,
    Journal,
    ContainmentAnswer,
    SecurityEvent,
    LifecycleFinding,
}

impl Record {
    pub const ALL: [Record; 10] = [
        Record::Event,
        Record::Control,
        Record::Verdict,
        Record::ContainmentRequest,
        Record::ContainmentDecision,
        Record::Proposal,
        Record::Journal,
        Record::ContainmentAnswer,
        Record::SecurityEvent,
        Record::LifecycleFinding,
    ];

    /// The name of its schema file: `event` is `schemas/avro/event.avsc`.
    pub const fn name(self) -> &'static str {
        match self {
            Record::Event => "event",
            Record::Control => "control",
            Record::Verdict => "verdict",
            Record::ContainmentRequest => "containment_request",
            Record::ContainmentDecision => "containment_decision",
            Record::Proposal => "proposal",
            Record::Journal => "journal",
            Record::ContainmentAnswer => "containment_answer",
            Record::SecurityEvent => "security_event",
            Record::LifecycleFinding => "lifecycle_finding",
        }
    }

    /// The full name of its schema, by which a registry knows it.
    pub const fn full_name(self) -> &'static str {
        match self {
            Record::Event => "io.portcullis.v1.Event",
            Record::Control => "io.portcullis.v1.Control",
            Record::Verdict => "io.portcullis.v1.Verdict",
            Record::ContainmentRequest => "io.portcullis.v1.ContainmentRequest",
            Record::ContainmentDecision => "io.portcullis.v1.ContainmentDecision",
            Record::Proposal => "io.portcullis.v1.Proposal",
            Record::Journal => "io.portcullis.v1.JournalRecord",
            Record::ContainmentAnswer => "io.portcullis.v1.ContainmentAnswer",
            Record::SecurityEvent => "io.portcullis.v1.SecurityEvent",
            Record::LifecycleFinding => "io.portcullis.v1.LifecycleFinding",
        }
    }

    /// The schema in force, JSON: what a schema registry or another program is given.
    pub const fn schema(self) -> &'static str {
        match self {
            Record::Event => include_str!("../../avro/event.avsc"),
            Record::Control => include_str!("../../avro/control.avsc"),
            Record::Verdict => include_str!("../../avro/verdict.avsc"),
            Record::ContainmentRequest => include_str!("../../avro/containment_request.avsc"),
            Record::ContainmentDecision => include_str!("../../avro/containment_decision.avsc"),
            Record::Proposal => include_str!("../../avro/proposal.avsc"),
            Record::Journal => include_str!("../../avro/journal.avsc"),
            Record::ContainmentAnswer => include_str!("../../avro/containment_answer.avsc"),
            Record::SecurityEvent => include_str!("../../avro/security_event.avsc"),
            Record::LifecycleFinding => include_str!("../../avro/lifecycle_finding.avsc"),
        }
    }

    /// CRC-64-AVRO of the parsing canonical form of [`Record::schema`].
    pub const fn fingerprint(self) -> u64 {
        match self {
            Record::Event => EVENT_3,
            Record::Control => CONTROL_2,
            Record::Verdict => VERDICT_1,
            Record::ContainmentRequest => CONTAINMENT_REQUEST_2,
            Record::ContainmentDecision => CONTAINMENT_DECISION_3,
            Record::Proposal => PROPOSAL_2,
            Record::Journal => JOURNAL_2,
            Record::ContainmentAnswer => CONTAINMENT_ANSWER_1,
            Record::SecurityEvent => SECURITY_EVENT_1,
            Record::LifecycleFinding => LIFECYCLE_FINDING_1,
        }
    }

    /// What stands before the body: `C3 01` and the fingerprint, little-endian (Avro specification, "Single-object encoding").
    pub const fn header(self) -> [u8; HEADER_BYTES] {
        let f = self.fingerprint().to_le_bytes();
        [0xc3, 0x01, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]]
    }
}

/// Length of the header of the single-object encoding.
pub const HEADER_BYTES: usize = 10;

/// Splits single-object bytes into fingerprint and body.
pub fn split_header(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    match bytes.split_first_chunk::<HEADER_BYTES>() {
        Some(([0xc3, 0x01, fingerprint @ ..], body)) => Ok((u64::from_le_bytes(*fingerprint), body)),
        _ => Err(DecodeError::NotSingleObject { length: bytes.len() }),
    }
}

/// A schema that was in force once, or is now.
#[derive(Clone, Copy, Debug)]
pub struct Released {
    pub record: Record,
    /// Counts the schemas of a record type; the greatest is in force.
    pub version: u32,
    pub fingerprint: u64,
    /// The schema as it was released, `schemas/avro/history/NAME-VERSION.avsc`.
    pub schema: &'static str,
}

const EVENT_0: u64 = 0x9e4b_0beb_6228_58d8;
const EVENT_1: u64 = 0x4738_0128_9faa_0849;
const EVENT_2: u64 = 0x7eb4_8d47_493e_e0d1;
const EVENT_3: u64 = 0xcfcb_0adc_0cfa_94f1;
const CONTROL_1: u64 = 0x7eb3_8404_3ab4_c4a7;
const CONTROL_2: u64 = 0x0897_47e6_6127_ad1d;
const VERDICT_1: u64 = 0x8cbf_20fd_ac15_b2d0;
const CONTAINMENT_REQUEST_1: u64 = 0xaabe_b10a_7c7c_6cc3;
const CONTAINMENT_REQUEST_2: u64 = 0x2ec1_a563_c649_1427;
const CONTAINMENT_DECISION_1: u64 = 0x8ed9_f02c_7370_ad27;
const CONTAINMENT_DECISION_2: u64 = 0x7946_68d1_b7fe_74d8;
const CONTAINMENT_DECISION_3: u64 = 0x8aeb_97e5_b851_a9f7;
const CONTAINMENT_ANSWER_1: u64 = 0x1abb_e03b_d3aa_a641;
const SECURITY_EVENT_1: u64 = 0x238d_892e_dbc3_935e;
const LIFECYCLE_FINDING_1: u64 = 0xe2ec_9d0e_cb7e_ff7e;
const PROPOSAL_1: u64 = 0xa264_492b_c393_e3b8;
const PROPOSAL_2: u64 = 0xe773_875e_f90d_96bb;
const JOURNAL_1: u64 = 0x99f4_bd31_63be_ffe7;
const JOURNAL_2: u64 = 0x7d2b_4c41_8efb_6715;

macro_rules! released {
    ($record:ident, $version:literal, $fingerprint:ident, $file:literal) => {
        Released {
            record: Record::$record,
            version: $version,
            fingerprint: $fingerprint,
            schema: include_str!(concat!("../../avro/history/", $file)),
        }
    };
}

/// Every schema that bytes may have been written with, oldest first within a record type. Only ever appended to.
///
/// `event-0` predates the first release: it lacks what was added last and stands as the rule's permanent test case.
pub const RELEASED: [Released; 19] = [
    released!(Event, 0, EVENT_0, "event-0.avsc"),
    released!(Event, 1, EVENT_1, "event-1.avsc"),
    released!(Event, 2, EVENT_2, "event-2.avsc"),
    released!(Event, 3, EVENT_3, "event-3.avsc"),
    released!(Control, 1, CONTROL_1, "control-1.avsc"),
    released!(Control, 2, CONTROL_2, "control-2.avsc"),
    released!(Verdict, 1, VERDICT_1, "verdict-1.avsc"),
    released!(ContainmentRequest, 1, CONTAINMENT_REQUEST_1, "containment_request-1.avsc"),
    released!(ContainmentRequest, 2, CONTAINMENT_REQUEST_2, "containment_request-2.avsc"),
    released!(ContainmentDecision, 1, CONTAINMENT_DECISION_1, "containment_decision-1.avsc"),
    released!(ContainmentDecision, 2, CONTAINMENT_DECISION_2, "containment_decision-2.avsc"),
    released!(ContainmentDecision, 3, CONTAINMENT_DECISION_3, "containment_decision-3.avsc"),
    released!(ContainmentAnswer, 1, CONTAINMENT_ANSWER_1, "containment_answer-1.avsc"),
    released!(Proposal, 1, PROPOSAL_1, "proposal-1.avsc"),
    released!(Proposal, 2, PROPOSAL_2, "proposal-2.avsc"),
    released!(Journal, 1, JOURNAL_1, "journal-1.avsc"),
    released!(Journal, 2, JOURNAL_2, "journal-2.avsc"),
    released!(SecurityEvent, 1, SECURITY_EVENT_1, "security_event-1.avsc"),
    released!(LifecycleFinding, 1, LIFECYCLE_FINDING_1, "lifecycle_finding-1.avsc"),
];
