//! `agent_runaway`: an agent does the same act again and again at machine speed, and mostly fails.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::SECOND_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 51,
    name: "agent_runaway",
    family: Family::Agent,
    on: &[Kind::Identity],
    weight_db: 33,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::API,
    params: &[
        Param { name: "repeats", default: 30, least: 3, most: 1000000, doc: "times the same act in a row" },
        Param { name: "full", default: 45, least: 4, most: 10000000, doc: "times at full strength" },
        Param { name: "failing_percent", default: 60, least: 1, most: 100, doc: "share of them that fail" },
        Param { name: "pause_seconds", default: 5, least: 1, most: 3600, doc: "mean pause between them up to which it is machine speed" },
    ],
    attack: &[],
    nhi: &["ASI10"],
    doc: Doc {
        sees: "An agent does the same act again and again at machine speed, and mostly fails.",
        why: "A loop that nobody stops costs money, locks accounts, and hides what started it.",
        silent: "For bursts that succeed, and for slow retries.",
        source: "OWASP Agentic Security, ASI10",
    },
    speak,
};

const REPEATS: usize = 0;
const FULL: usize = 1;
const FAILING_PERCENT: usize = 2;
const PAUSE_SECONDS: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (agent, p) = (look.row.agent, &settings.params);
    let (repeats, failed) = (i64::from(agent.repeats), i64::from(agent.failed));
    if repeats < p[REPEATS] || failed * 100 < repeats * p[FAILING_PERCENT] || agent.repeating_ms > repeats * p[PAUSE_SECONDS] * SECOND_MS {
        return None;
    }
    Some(Said {
        strength_permille: graded(repeats, p[REPEATS], p[FULL]),
        observed: format!("the same act {repeats} times in {} s, {failed} failed", agent.repeating_ms / SECOND_MS),
        expected: format!("fewer than {} times", p[REPEATS]),
        detail: format!("the agent repeats one act, {repeats} times so far, {failed} of them in vain"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::AgentUse;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_loops_that_fail() {
        let said = |repeats, failed, seconds: i64| {
            example(&SIGNAL, |_, row| row.agent = AgentUse { repeats, failed, repeating_ms: seconds * SECOND_MS, ..AgentUse::default() })
                .map(|s| s.strength_permille)
        };
        assert_eq!(said(120, 110, 60), Some(1_000));
        assert_eq!(said(30, 30, 60), Some(500));
        assert_eq!(said(120, 5, 60), None, "a burst that succeeds");
        assert_eq!(said(120, 110, 3_600), None, "slow retries");
    }
}
