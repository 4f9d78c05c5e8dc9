//! The headers of the records that others read: `type`, and the attributes of CloudEvents where that is switched on.

use crate::worker::Outbox;
use portcullis_connectors::outputs::cloudevents::{CloudEvent, Subject};
use portcullis_core::record::Output;
use portcullis_core::time::Time;
use portcullis_schemas::Encoding;
use std::sync::Arc;

pub const JSON: &str = "application/json";

/// Writes headers.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// `ce_source`. None: `type` alone.
    source: Option<Arc<str>>,
}

impl Headers {
    pub fn new(source: Option<&str>) -> Headers {
        Headers { source: source.map(Arc::from) }
    }

    /// Adds them to the last record of the outbox. `kind`: what it is; `id`: the record's own where it is none of what it was made of.
    pub fn add(&self, outbox: &mut Outbox, kind: &str, of: &Output, id: Option<&str>, content_type: &str) {
        outbox.header("type", kind.as_bytes());
        if let (Some(source), Some((own, time, subject))) = (&self.source, about(of)) {
            let event = CloudEvent { source, id: id.unwrap_or(own), kind, time, subject, content_type };
            event.headers(&mut |name, value| outbox.header(name, value.as_bytes()));
        }
    }
}

/// The media type of an output as it is encoded.
pub const fn content_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => JSON,
        Encoding::Avro => "application/avro",
    }
}

/// Id, log time and subject of what goes to the verdicts topic.
fn about(output: &Output) -> Option<(&str, Time, Subject<'_>)> {
    let (id, time, tenant, subject) = match output {
        Output::Verdict(v) => (&v.id, v.appended_at, &v.tenant, &v.subject),
        Output::Finding(f) => (&f.id, f.time, &f.tenant, &f.subject),
        Output::Request(r) => (&r.id, r.time, &r.tenant, &r.subject),
        Output::Decision(d) => (&d.id, d.time, &d.tenant, &d.subject),
        Output::Fact(f) => (&f.id, f.time, &f.tenant, &f.subject),
        Output::Answer(a) => return Some((&a.id, a.time, Subject { tenant: &a.tenant, kind: "tenant", id: &a.tenant })),
        Output::Proposal(_) | Output::ToGate(_) => return None,
    };
    Some((id, time, Subject { tenant, kind: &subject.kind, id: &subject.id }))
}
