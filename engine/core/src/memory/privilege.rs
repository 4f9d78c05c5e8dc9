//! Privileged acts: grants, secrets read, privileged sessions, consents, and who administers whom. Made on first use.

use crate::event::{Class, Event, EventType};
use crate::hash::{Of, hash};
use crate::row::{Consent, Grant, Row};
use crate::sample::TenantSample;
use crate::seen::Seen;
use crate::time::{HOUR_MS, Time};
use crate::usual::DailyMost;
use crate::variety::Variety;
use serde::{Deserialize, Serialize};

const ADMINS_MAX: usize = 8;
const GRANTS_MAX: usize = 4;
const CONSENTS_MAX: usize = 4;
const SECRETS_MAX: usize = 32;
const TARGETS_MAX: usize = 32;
const ASSISTED_MAX: usize = 32;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The bit of `kinds` that says that it checks out accounts itself.
const CHECKS_OUT: u32 = 1 << EventType::PrivilegedCheckout as u32;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Privilege {
    /// Privileged acts ever, and bits of their kinds.
    acts: u32,
    kinds: u32,
    /// Who has acted upon this identity.
    admins: Seen,
    grants: Vec<GrantGiven>,
    /// Clients that were given wide scopes, and when.
    consents: Vec<(u64, Time)>,
    secrets: Variety,
    usual_secrets: DailyMost,
    targets: Variety,
    usual_targets: DailyMost,
    /// Privileged sessions begun, and those with a ticket.
    sessions: u32,
    ticketed: u32,
    /// Checkouts of this account at a PAM, or by this person, and the latest.
    checkouts: u32,
    checkout_at: Option<Time>,
    /// Identities whose factor or password this one reset, for support.
    assisted: Variety,
    usual_assisted: DailyMost,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct GrantGiven {
    at: Time,
    /// What the grant opens: a secret, a scope, a role; 0 where the log names nothing.
    opens: u64,
    /// By the identity to itself, or by somebody new to it.
    own: bool,
}

/// The event is a privileged act, done or suffered, or a secret read.
pub fn concerns(event: &Event<'_>) -> bool {
    use EventType::*;
    match event.kind {
        PrivilegeGrant | PrivilegeRevoke | SecretRead | PrivilegedCheckout | PrivilegedSessionStart | PrivilegedCommand | ConsentGrant => {
            true
        }
        AccountCreate | AccountUpdate | AccountDisable | AccountEnable | AccountDelete | AuthRecovery | CredentialCreate
        | CredentialRotate | CredentialRevoke => event.acts_upon().is_some(),
        _ => false,
    }
}

/// Scopes that open more than their asker's own things.
fn is_wide(scopes: &str) -> bool {
    let wide = ["*", ".all", "full", "admin", "readwrite", "offline_access", "mail.", "files.", "directory."];
    let lower = scopes.to_ascii_lowercase();
    wide.iter().any(|w| lower.contains(w)) || scopes.split([' ', ',']).filter(|s| !s.is_empty()).count() >= 5
}

/// The client that is consented to, and whether its scopes are wide.
pub fn consented(event: &Event<'_>) -> Option<(u64, bool)> {
    if event.kind != EventType::ConsentGrant {
        return None;
    }
    let change = event.change.as_deref();
    let scopes = change.and_then(|c| c.scope.as_deref()).or(event.request.as_ref().and_then(|r| r.scope.as_deref()));
    let client = event.credential.as_ref().and_then(|c| c.client_id.as_deref());
    let client = client.or(change.and_then(|c| c.target.as_deref().or(c.value.as_deref())))?;
    Some((hash(Of::Client, client.as_bytes()), scopes.is_some_and(is_wide)))
}

/// A name of something that holds secrets.
fn names_a_store(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["secret", "vault", "kms", "password", "keys"].iter().any(|w| lower.contains(w))
}

impl Privilege {
    /// Sees what the identity did.
    pub fn observe(&mut self, sample: &mut TenantSample, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        use EventType::*;
        let change = event.change.as_deref();
        let privileged = event.privileged.as_deref();
        let upon_other = event.acts_upon().is_some();
        let is_act = match event.kind {
            PrivilegeGrant | PrivilegeRevoke => true,
            // A session is an administrator's daily work.
            PrivilegedSessionStart => row.class != Class::Admin && !row.privileged,
            AccountCreate | AccountDisable | AccountEnable | AccountDelete | CredentialCreate | CredentialRotate | CredentialRevoke => {
                upon_other
            }
            _ => false,
        };
        if is_act {
            let bit = 1u32 << event.kind as u32;
            row.privilege.act = true;
            row.privilege.acts_before = self.acts;
            row.privilege.new_kind = self.kinds & bit == 0;
            self.acts = self.acts.saturating_add(1);
            self.kinds |= bit;
        }
        match event.kind {
            PrivilegeGrant if !upon_other || change.is_some_and(opens_secrets) => self.grant(event, t, true),
            SecretRead => {
                if let Some(secret) = change.and_then(|c| c.secret.as_deref()) {
                    let secret = hash(Of::Secret, secret.as_bytes());
                    self.secrets.see(SECRETS_MAX, HOUR_MS, now, t, secret);
                    row.privilege.secrets_1h = self.secrets.count(now, HOUR_MS);
                    row.privilege.usual_secrets_1h = self.usual_secrets.observe(now, row.privilege.secrets_1h.into()) as u32;
                }
                row.privilege.grant = self.grants.iter().rev().map(|g| Grant { ms: t.since(g.at), own: g.own }).find(|g| g.ms >= 0);
            }
            PrivilegedSessionStart | PrivilegedCommand | PrivilegedCheckout => {
                if event.kind == PrivilegedCheckout {
                    self.kinds |= CHECKS_OUT;
                    self.checkouts = self.checkouts.saturating_add(1);
                    self.checkout_at = self.checkout_at.max(Some(t));
                }
                if let Some(target) = privileged.and_then(|p| p.target.as_deref()) {
                    self.targets.see(TARGETS_MAX, HOUR_MS, now, t, hash(Of::Target, target.as_bytes()));
                    row.privilege.targets_1h = self.targets.count(now, HOUR_MS);
                    row.privilege.usual_targets_1h = self.usual_targets.observe(now, row.privilege.targets_1h.into()) as u32;
                }
                if event.kind != PrivilegedCommand {
                    let ticket = privileged.is_some_and(|p| p.ticket.is_some());
                    row.privilege.ticket = Some(ticket);
                    (row.privilege.sessions_before, row.privilege.ticketed_before) = (self.sessions, self.ticketed);
                    let (with_sessions, with_tickets) = (hash(Of::Fact, b"privileged session"), hash(Of::Fact, b"ticket"));
                    row.privilege.tickets_usual =
                        sample.having(with_sessions) >= 3 && sample.having(with_tickets) * 2 >= sample.having(with_sessions);
                    if self.sessions == 0 {
                        sample.learned(with_sessions);
                    }
                    if self.ticketed == 0 && ticket {
                        sample.learned(with_tickets);
                    }
                    self.sessions = self.sessions.saturating_add(1);
                    self.ticketed = self.ticketed.saturating_add(u32::from(ticket));
                }
            }
            ConsentGrant => {
                if let Some((client, true)) = consented(event) {
                    self.consents.retain(|(c, _)| *c != client);
                    push(&mut self.consents, CONSENTS_MAX, (client, t));
                }
            }
            AccountUpdate | AuthRecovery => {
                if let Some(other) = event.acts_upon() {
                    self.assisted.see(ASSISTED_MAX, DAY_MS, now, t, hash(Of::Identity, other.as_bytes()));
                    row.privilege.assisted_24h = self.assisted.count(now, DAY_MS);
                    row.privilege.usual_assisted_24h = self.usual_assisted.observe(now, row.privilege.assisted_24h.into()) as u32;
                }
            }
            _ => {}
        }
    }

    /// Sees what somebody else did to the identity.
    pub fn suffered(&mut self, event: &Event<'_>, t: Time, row: &mut Row) {
        use EventType::*;
        let admin = event.identity_id().map_or(0, |id| hash(Of::Identity, id.as_bytes()));
        let known = self.admins.contains(admin);
        row.privilege.strange_admin = !known && admin != 0;
        row.privilege.had_admin = !self.admins.is_empty();
        match event.kind {
            // A grant by whoever administers it anyway opens nothing unexpected.
            PrivilegeGrant => self.grant(event, t, !known),
            PrivilegedCheckout | PrivilegedSessionStart => {
                self.checkouts = self.checkouts.saturating_add(1);
                self.checkout_at = self.checkout_at.max(Some(t));
            }
            _ => {}
        }
        if admin != 0 {
            self.admins.learn(ADMINS_MAX, admin, t);
        }
    }

    fn grant(&mut self, event: &Event<'_>, t: Time, own: bool) {
        let change = event.change.as_deref();
        let named = change.and_then(|c| c.secret.as_deref().or(c.scope.as_deref()).or(c.role.as_deref()));
        let grant = GrantGiven { at: t, opens: named.map_or(0, |n| hash(Of::Secret, n.as_bytes())), own };
        self.grants.retain(|g| g.opens != grant.opens);
        push(&mut self.grants, GRANTS_MAX, grant);
    }

    /// Since this account, or by this person one, was last checked out, where checkouts are the rule.
    pub fn fill(&self, event: &Event<'_>, t: Time, row: &mut Row) {
        row.privilege.checkouts = self.checkouts;
        row.privilege.checks_out = self.kinds & CHECKS_OUT != 0;
        row.privilege.since_checkout_ms = self.checkout_at.map(|at| t.since(at));
        if let Some(client) = event.credential.as_ref().and_then(|c| c.client_id.as_deref()).filter(|_| !self.consents.is_empty()) {
            let client = hash(Of::Client, client.as_bytes());
            row.privilege.consent = self.consents.iter().find(|(c, _)| *c == client).map(|(_, at)| Consent { ms: t.since(*at) });
        }
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<Privilege>()
            + self.admins.heap_bytes()
            + self.grants.capacity() * size_of::<GrantGiven>()
            + self.consents.capacity() * size_of::<(u64, Time)>()
            + self.secrets.heap_bytes()
            + self.targets.heap_bytes()
            + self.assisted.heap_bytes()
    }

    pub fn entries(&self) -> usize {
        let lists = self.admins.len() + self.grants.len() + self.consents.len();
        lists + self.secrets.len() + self.targets.len() + self.assisted.len()
    }

    pub const ENTRIES_MAX: usize = ADMINS_MAX + GRANTS_MAX + CONSENTS_MAX + SECRETS_MAX + TARGETS_MAX + ASSISTED_MAX;
}

fn opens_secrets(change: &crate::event::Change<'_>) -> bool {
    change.secret.is_some() || [&change.scope, &change.role].into_iter().flatten().any(|n| names_a_store(n))
}

fn push<T>(list: &mut Vec<T>, most: usize, value: T) {
    if list.len() >= most {
        list.remove(0);
    }
    list.push(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_scopes_and_stores_are_told_by_their_names() {
        assert!(is_wide("Mail.ReadWrite offline_access") && is_wide("a b c d e") && !is_wide("openid profile"));
        assert!(names_a_store("roles/secretmanager.secretAccessor") && !names_a_store("roles/viewer"));
    }
}
