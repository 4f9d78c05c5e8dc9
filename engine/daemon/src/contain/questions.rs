//! What waits for a person, and what could be taken back: read out of the decisions that the gate published.

use crate::roles::Topics;
use crate::roles::outputs::value_of;
use portcullis_connectors::kafka::Reader;
use portcullis_core::containment::{Action, ContainmentDecision, DecisionEnd};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, decode_decision};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Decisions that were published since then, those of one subject in order.
///
/// # Errors
/// When the topic cannot be read.
pub fn decisions(reader: &mut Reader, topics: &Topics, encoding: Encoding, since: Time) -> anyhow::Result<Vec<ContainmentDecision>> {
    let mut found = Vec::new();
    reader.read_since(&topics.verdicts, since.0, |record| {
        if record.header("type") == Some(b"containment-decision") {
            match value_of(&record).map(|value| decode_decision(&value, encoding)) {
                Some(Ok(decision)) => found.push(decision),
                _ => tracing::warn!(partition = record.partition, offset = record.offset, "a decision that cannot be read is passed over"),
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The table of what waits, as it stands: the gate keeps it in the transactions of its decisions.
///
/// # Errors
/// When the topic cannot be read.
pub fn table(reader: &mut Reader, topics: &Topics, encoding: Encoding) -> anyhow::Result<Vec<ContainmentDecision>> {
    let mut table: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    reader.read_since(&topics.waiting, 0, |record| {
        let key = record.key.unwrap_or_default();
        match record.value {
            Some(value) => drop(table.insert(key.to_vec(), value.to_vec())),
            None => drop(table.remove(key)),
        }
        ControlFlow::Continue(())
    })?;
    let mut found = Vec::new();
    for (proposal, value) in table {
        match decode_decision(&value, encoding) {
            Ok(decision) => found.push(decision),
            Err(error) => {
                tracing::warn!(proposal = %proposal.escape_ascii(), %error, "a decision that cannot be read is passed over")
            }
        }
    }
    Ok(found)
}

/// The decisions by which something waits still, at that time. The next to expire first.
pub fn waiting(decisions: Vec<ContainmentDecision>, now: Time) -> Vec<ContainmentDecision> {
    let mut last: BTreeMap<String, ContainmentDecision> = BTreeMap::new();
    for decision in decisions {
        last.insert(decision.proposal.clone(), decision);
    }
    // Behind the breaker and after a grace it is judged again, whatever the time.
    let is_judged_again = |end| matches!(end, DecisionEnd::HeldBreaker | DecisionEnd::HeldGrace);
    let waits = |d: &ContainmentDecision| is_judged_again(d.end) || d.held_until.is_some_and(|until| until > now);
    let mut waiting: Vec<_> = last.into_values().filter(|d| d.held_until.is_some() && waits(d)).collect();
    waiting.sort_by(|a, b| (a.held_until, &a.proposal).cmp(&(b.held_until, &b.proposal)));
    waiting
}

/// The decisions by which something was sent that can be taken back and was not. The latest first.
pub fn open(decisions: Vec<ContainmentDecision>) -> Vec<ContainmentDecision> {
    let is_release = |d: &&ContainmentDecision| d.end == DecisionEnd::Sent && d.action == Action::Release;
    let released: BTreeSet<String> = decisions.iter().filter(is_release).filter_map(|d| Some(d.target.as_ref()?.id.clone())).collect();
    let mut open: Vec<_> = decisions
        .into_iter()
        .filter(|d| d.end == DecisionEnd::Sent && d.action.is_reversible())
        .filter(|d| d.request.as_ref().is_some_and(|request| !released.contains(request)))
        .collect();
    open.sort_by(|a, b| (b.time, &b.proposal).cmp(&(a.time, &a.proposal)));
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decision(proposal: &str, end: &str, action: &str, time: i64, until: Option<i64>) -> ContainmentDecision {
        let mut value = json!({
            "id": format!("d-{proposal}-{end}-{time}"), "proposal": proposal, "end": end, "why": "", "by": "gate", "time": time, "tenant": "acme",
            "subject": { "kind": "identity", "id": "ana" }, "action": action, "policy": { "version": "", "digest": "" },
            "target": { "kind": "account", "id": "ana" }
        });
        if end == "sent" {
            value["request"] = json!(format!("r-{proposal}"));
        }
        if let Some(until) = until {
            value["held_until"] = json!(until);
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_answered_expired_or_never_kept_does_not_wait() {
        let all = vec![
            decision("p-1", "held_approval", "step_up", 1, Some(100)),
            decision("p-2", "held_approval", "step_up", 2, Some(90)),
            decision("p-3", "held_budget", "step_up", 3, Some(50)),
            decision("p-4", "held_budget", "step_up", 3, None), // in shadow nobody is asked
            decision("p-5", "held_breaker", "step_up", 3, Some(40)),
            decision("p-1", "sent", "step_up", 4, None),
            decision("p-6", "held_breaker", "step_up", 3, Some(40)),
            decision("p-6", "held_approval", "step_up", 45, Some(70)),
            decision("p-7", "held_grace", "revoke_token", 3, Some(95)),
            decision("p-8", "held_grace", "revoke_token", 3, Some(95)),
            decision("p-8", "sent", "revoke_token", 95, None),
        ];
        let ids = |now| waiting(all.clone(), Time(now)).iter().map(|d| d.proposal.clone()).collect::<Vec<_>>();
        assert_eq!(ids(10), ["p-5", "p-3", "p-6", "p-2", "p-7"]);
        assert_eq!(ids(60), ["p-5", "p-6", "p-2", "p-7"]);
        assert_eq!(ids(95), ["p-5", "p-7"]);
    }

    #[test]
    fn what_was_released_is_not_open() {
        let mut release = decision("p-9", "sent", "release", 9, None);
        release.target.as_mut().unwrap().id = "r-p-1".to_owned();
        let all = vec![
            decision("p-1", "sent", "throttle", 1, None),
            decision("p-2", "sent", "throttle", 2, None),
            decision("p-3", "sent", "revoke_token", 3, None),
            decision("p-4", "expired", "throttle", 4, None),
            release,
        ];
        assert_eq!(open(all).iter().map(|d| d.proposal.as_str()).collect::<Vec<_>>(), ["p-2"]);
    }
}
