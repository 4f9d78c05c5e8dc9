//! CloudEvents 1.0 in the binary mode of its Kafka binding: the attributes are headers, and the value stays what it was.

use portcullis_core::time::Time;

/// The attributes of one record.
#[derive(Clone, Copy, Debug)]
pub struct CloudEvent<'a> {
    /// Whose record it is, a URI reference: the issuer.
    pub source: &'a str,
    /// Together with the source: which record it is.
    pub id: &'a str,
    /// What it is: `verdict`, behind our name in the header.
    pub kind: &'a str,
    /// Log time.
    pub time: Time,
    /// Whom it is about.
    pub subject: Subject<'a>,
    pub content_type: &'a str,
}

/// A subject within its tenant.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub tenant: &'a str,
    pub kind: &'a str,
    pub id: &'a str,
}

impl CloudEvent<'_> {
    /// Gives each header, always in this order. The tenant is an extension attribute.
    pub fn headers(&self, each: &mut dyn FnMut(&str, &str)) {
        each("ce_specversion", "1.0");
        each("ce_id", self.id);
        each("ce_source", self.source);
        each("ce_type", &format!("portcullis.{}", self.kind));
        each("ce_time", &self.time.to_string());
        each("ce_subject", &format!("{}/{}", self.subject.kind, self.subject.id));
        each("ce_tenant", self.subject.tenant);
        each("content-type", self.content_type);
    }
}
