//! One proposal or request of the service as a report: what was asked and why, the verdict and its events, who agreed, what became of it, and
//! the policy that it was decided by.

use super::{disarm, one};
use crate::contain::case::Case;
use crate::live::fit;
use crate::say::harmless;
use portcullis_core::containment::{ApprovalState, Proposal};
use serde_json::Value;
use std::fmt::Write;

/// The longest value of a line, columns.
const VALUE_MAX: usize = 400;

/// # Errors
/// None but of the formatter.
pub fn report(case: &Case) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut harmless_case: Value = serde_json::to_value(Case { policy: None, ..case.clone() })?;
    disarm(&mut harmless_case);
    write(&mut text, &serde_json::from_value(harmless_case)?)?;
    if let Some(policy) = &case.policy {
        let (version, author) = (harmless(&policy.version), harmless(&policy.author));
        writeln!(
            text,
            "\nPolicy {version}, {}, applied {} by {author}, {} signatures",
            policy.digest,
            policy.applied_at,
            policy.signatures.len()
        )?;
        policy.text.lines().try_for_each(|line| writeln!(text, "  | {}", harmless(line)))?;
    }
    Ok(text)
}

fn line(text: &mut String, name: &str, value: impl AsRef<str>) -> std::fmt::Result {
    match value.as_ref() {
        "" => Ok(()),
        value => writeln!(text, "  {name:<12}{}", fit(value, VALUE_MAX)),
    }
}

fn write(text: &mut String, case: &Case) -> std::fmt::Result {
    if let Some(last) = case.decisions.last() {
        let target = last.target.as_ref();
        let on = target.map_or(String::new(), |t| fit(&format!(" on {} {}", t.kind, t.id), 100));
        writeln!(text, "{}  {}{on}", case.proposal_id, last.action)?;
        line(text, "request", if case.request.is_some() { case.request_id.as_str() } else { "" })?;
        line(text, "subject", format!("{} {} of {}", last.subject.kind, last.subject.id, last.tenant))?;
        line(text, "class", last.class.map_or(String::new(), |c| c.to_string()))?;
        line(text, "level", last.level.map_or(String::new(), |l| l.to_string()))?;
        line(text, "cause", &last.cause)?;
        line(text, "reason", &last.reason)?;
        line(text, "provider", target.and_then(|t| t.provider.as_deref()).unwrap_or_default())?;
        line(text, "native id", target.and_then(|t| t.native_id.as_deref()).unwrap_or_default())?;
    }
    if let Some(p) = &case.proposal {
        proposed(text, p, case.verdict.is_none())?;
    }
    for d in &case.decisions {
        let until = d.held_until.map_or(String::new(), |until| format!(", until {until}, {} to agree", d.needs));
        line(text, "decided", format!("{} {}: {}{until}", d.time, d.end, d.why))?;
    }
    for a in &case.answers {
        let (by, verb) = (a.by.as_deref().unwrap_or("nobody that is known"), a.verb.as_deref().unwrap_or("-"));
        line(text, "answered", format!("{} {verb} by {by}, {}: {}{}", a.time, a.end, a.why, reason(a.reason.as_deref())))?;
    }
    if let Some(request) = &case.request {
        line(
            text,
            "sent",
            format!("{}, not to be carried out after {}, {}", request.time, request.not_after, signed(request.jws.as_deref())),
        )?;
        if request.approval.state == ApprovalState::Granted {
            for by in &request.approval.by {
                line(text, "agreed", format!("{} {}{}", by.at, by.by, reason(Some(&by.reason))))?;
            }
        }
        line(text, "undone", request.revert_after.map_or(String::new(), |at| format!("to be, at {at}")))?;
    }
    for outcome in &case.outcomes {
        let said = &outcome["containment"];
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let signed = if said["jws"].is_string() { "signed" } else { "not signed, from an input that is trusted with it" };
        line(
            text,
            "outcome",
            format!("{} {} by {}: {} ({signed})", word(&outcome["time"]), word(&said["status"]), word(&said["by"]), word(&said["detail"])),
        )?;
    }
    for fact in &case.facts {
        line(text, "fact", format!("{} {}", fact.time, fact.event))?;
    }
    for release in &case.releases {
        line(text, "released", format!("{} {}: {}", release.time, release.id, release.reason))?;
    }
    if let Some(verdict) = &case.verdict {
        writeln!(text)?;
        one(text, verdict)?;
    }
    if !case.events.is_empty() {
        writeln!(text, "\nEvents")?;
        case.events.iter().try_for_each(|event| writeln!(text, "  {event}"))?;
    }
    Ok(())
}

fn proposed(text: &mut String, p: &Proposal, with_evidence: bool) -> std::fmt::Result {
    line(text, "playbook", &p.playbook)?;
    line(text, "incident", format!("{} since {}", p.incident.id, p.incident.opened_at))?;
    line(text, "verdict", &p.verdict_id)?;
    line(text, "owner", p.owner.as_deref().unwrap_or_default())?;
    line(text, "breaks", p.dependents.as_ref().map_or("unknown who depends on it".to_owned(), |d| d.join(", ")))?;
    let used = p.seen_from.iter().map(|s| format!("{} {} ({} to {})", s.kind, s.id, s.first, s.last));
    line(text, "used from", used.collect::<Vec<_>>().join(", "))?;
    line(text, "siblings", p.siblings.iter().map(|t| format!("{} {}", t.kind, t.id)).collect::<Vec<_>>().join(", "))?;
    line(text, "grace", p.params.grace.map_or(String::new(), |grace| format!("{grace}, then the old secret is revoked")))?;
    line(text, "planted", p.planted.iter().map(|n| format!("{} {}", n.kind, n.id)).collect::<Vec<_>>().join(", "))?;
    // The verdict says the same, and more.
    for reason in p.evidence.iter().filter(|_| with_evidence) {
        line(text, "evidence", format!("{:+.1} dB {}: {}", reason.db, reason.signal, reason.detail))?;
    }
    Ok(())
}

fn reason(given: Option<&str>) -> String {
    given.map_or(String::new(), |reason| format!(" ({reason})"))
}

fn signed(jws: Option<&str>) -> &'static str {
    if jws.is_some() { "signed" } else { "not signed" }
}
