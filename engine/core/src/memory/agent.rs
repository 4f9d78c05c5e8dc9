//! An AI agent: its tools, for whom it acts, and what it does again and again. Made on first use.

use super::identity::Declared;
use crate::event::{Event, EventType};
use crate::hash::{Of, hash, hash_parts};
use crate::row::{Delegation, Row};
use crate::seen::Seen;
use crate::time::Time;
use serde::{Deserialize, Serialize};

const TOOLS_MAX: usize = 24;
const PRINCIPALS_MAX: usize = 16;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct AgentMemory {
    tools: Seen,
    principals: Seen,
    /// The act that is being repeated, how often, how often it failed, and since when.
    act: u64,
    repeats: u32,
    failed: u32,
    since: Time,
}

/// A principal that the inventory says delegated to the agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Delegated {
    principal: u64,
    /// Tools and scopes; empty: whatever the principal may do.
    scopes: Vec<u64>,
    until: Option<Time>,
}

impl Delegated {
    const SCOPES_MAX: usize = 32;

    pub fn from_inventory(delegation: &crate::event::Delegation<'_>) -> Delegated {
        Delegated {
            principal: hash(Of::Identity, delegation.principal.as_bytes()),
            scopes: delegation.scopes.iter().take(Self::SCOPES_MAX).map(|s| hash(Of::Tool, s.as_bytes())).collect(),
            until: delegation.until,
        }
    }
}

impl AgentMemory {
    pub fn observe(&mut self, event: &Event<'_>, declared: Option<&Declared>, accepted: bool, t: Time, row: &mut Row) {
        let principal = event.identity.as_ref().and_then(|i| i.on_behalf_of.as_deref()).map(|p| hash(Of::Identity, p.as_bytes()));
        let agent = event.agent.as_deref();
        let delegations = declared.map_or(&[][..], |d| &d.delegations);
        let given = principal.and_then(|p| delegations.iter().find(|d| d.principal == p));
        if let Some(principal) = principal {
            row.agent.delegation = Some(match given {
                _ if event.stamp.as_ref().is_some_and(|s| s.principal_gone) => Delegation::Gone,
                Some(d) if d.until.is_some_and(|until| t > until) => Delegation::Ended,
                Some(_) => Delegation::Fits,
                None if !delegations.is_empty() => Delegation::NotGiven,
                None if self.principals.contains(principal) || self.principals.is_empty() => Delegation::Fits,
                None => Delegation::New,
            });
        }
        if let Some(tool) = agent.and_then(|a| a.tool.as_deref()) {
            let value = hash(Of::Tool, tool.as_bytes());
            // A delegation names tools, or the scopes that they are used with.
            let scope = event.request.as_ref().and_then(|r| r.scope.as_deref()).map(|s| hash(Of::Tool, s.as_bytes()));
            let names = |d: &Delegated| d.scopes.contains(&value) || scope.is_some_and(|s| d.scopes.contains(&s));
            row.agent.tool_outside = given.is_some_and(|d| !d.scopes.is_empty() && !names(d));
            row.agent.tool_delegated = given.is_some_and(names);
            row.agent.tool_new = !self.tools.is_empty() && !self.tools.contains(value);
            if accepted {
                self.tools.learn(TOOLS_MAX, value, t);
            }
        }
        if let Some(principal) = principal.filter(|_| accepted) {
            self.principals.learn(PRINCIPALS_MAX, principal, t);
        }
        if event.kind == EventType::ApiRequest {
            self.repeat(event, t);
            (row.agent.repeats, row.agent.failed, row.agent.repeating_ms) = (self.repeats, self.failed, t.since(self.since).max(0));
        }
    }

    fn repeat(&mut self, event: &Event<'_>, t: Time) {
        let request = event.request.as_ref();
        let parts = [
            event.agent.as_ref().and_then(|a| a.tool.as_deref()),
            request.and_then(|r| r.method.as_deref()),
            request.and_then(|r| r.route.as_deref()),
            request.and_then(|r| r.object.as_deref()),
        ];
        let act = hash_parts(Of::Act, &parts.map(|part| part.unwrap_or("").as_bytes()));
        if act != self.act {
            (self.act, self.repeats, self.failed, self.since) = (act, 0, 0, t);
        }
        self.repeats = self.repeats.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(event.failed()));
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<AgentMemory>() + self.tools.heap_bytes() + self.principals.heap_bytes()
    }

    pub fn entries(&self) -> usize {
        self.tools.len() + self.principals.len()
    }

    pub const ENTRIES_MAX: usize = TOOLS_MAX + PRINCIPALS_MAX;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Class;
    use crate::subject::Kind;

    #[test]
    fn a_delegation_names_tools_or_the_scopes_that_they_are_used_with() {
        let outside = |given: &str, tool: &str, scope: &str| {
            let delegation = format!(r#"{{"principal":"ann","scopes":["{given}"]}}"#);
            let mut declared = Declared::default();
            declared.delegations.push(Delegated::from_inventory(&serde_json::from_str(&delegation).unwrap()));
            let text = format!(
                r#"{{"time":1760000000000,"type":"api.request","outcome":"success","identity":{{"id":"bot","class":"agent","on_behalf_of":"ann"}},"agent":{{"tool":"{tool}"}},"request":{{"scope":"{scope}"}}}}"#
            );
            let event: Event = serde_json::from_str(&text).unwrap();
            let mut row = Row::new(Kind::Identity, Class::Agent, event.time);
            AgentMemory::default().observe(&event, Some(&declared), true, event.time, &mut row);
            (row.agent.tool_outside, row.agent.tool_delegated)
        };
        assert_eq!(outside("crm:read", "search", "crm:read"), (false, true));
        assert_eq!(outside("search", "search", "crm:read"), (false, true));
        assert_eq!(outside("crm:read", "run_shell", "shell:execute"), (true, false));
    }
}
