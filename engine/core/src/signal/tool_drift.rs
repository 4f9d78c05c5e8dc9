//! `tool_drift`: an agent uses a tool outside its delegation or its habit.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 49,
    name: "tool_drift",
    family: Family::Agent,
    on: &[Kind::Identity],
    weight_db: 32,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[Param {
        name: "habit_percent",
        default: 60,
        least: 0,
        most: 100,
        doc: "strength of a tool that is merely new, against one outside the delegation",
    }],
    attack: &[],
    nhi: &["ASI02"],
    doc: Doc {
        sees: "An agent uses a tool outside its delegation or its habit.",
        why: "A prompt that was injected asks for tools that the task does not need.",
        silent: "For tools that the delegation names, and for new ones while the agent is being learned.",
        source: "OWASP Agentic Security, ASI02",
    },
    speak,
};

const HABIT_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, agent) = (look.row, look.row.agent);
    let (percent, what) = if agent.tool_outside {
        (100, "outside its delegation")
    } else if agent.tool_new && !agent.tool_delegated && !row.learning {
        (settings.params[HABIT_PERCENT], "that it never used")
    } else {
        return None;
    };
    let tool = look.event.agent.as_ref().and_then(|a| a.tool.as_deref()).unwrap_or("?");
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("tool {tool}"),
        expected: "the tools of its delegation, or those that it has used".to_owned(),
        detail: format!("the agent used {tool}, a tool {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::AgentUse;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_tools_that_the_task_does_not_need() {
        let said = |tool_outside, tool_new, tool_delegated, learning| {
            example(&SIGNAL, |_, row| {
                row.learning = learning;
                row.agent = AgentUse { tool_outside, tool_new, tool_delegated, ..AgentUse::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(true, true, false, true), Some(1_000));
        assert_eq!(said(false, true, false, false), Some(600));
        assert_eq!(said(false, true, true, false), None, "delegated, and used for the first time");
        assert_eq!(said(false, true, false, true), None);
    }
}
