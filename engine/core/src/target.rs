//! What an action is done to, what belongs to it, and where it is in use: the sessions and credentials of the evidence that speaks, not only
//! the account.

use crate::containment::{Action, SeenFrom, Target};
use crate::event::{Class, Event};
use crate::evidence::{Evidence, Sum};
use crate::keyring::{Keyring, provider_of};
use crate::policy::Dependents;
use crate::profile::Risk;
use crate::propose::dependents;
use crate::subject::{Kind, SubjectRef};

/// Targets that one step may name at once.
const TARGETS_MAX: usize = 8;
/// Siblings that one target may name.
const SIBLINGS_MAX: usize = 16;

/// What is known where a proposal is made.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub subject: SubjectRef<'a>,
    pub risk: &'a Risk,
    pub keyring: Option<&'a Keyring>,
    pub sum: &'a Sum,
    pub event: &'a Event<'a>,
}

impl<'a> About<'a> {
    fn is_machine(&self) -> bool {
        self.subject.kind == Kind::Identity && self.risk.class.is_some_and(Class::is_machine)
    }

    /// A machine on which others depend, or nobody knows whether they do.
    pub fn may_be_shared(&self) -> bool {
        self.is_machine() && dependents(self.risk) != Dependents::None
    }

    fn machines_keyring(&self) -> Option<&'a Keyring> {
        self.keyring.filter(|_| self.is_machine())
    }

    /// The evidence that speaks against the subject, strongest first.
    fn speaking(&self) -> impl Iterator<Item = &'a Evidence> {
        let (risk, sum) = (self.risk, self.sum);
        sum.applied.iter().filter(|(_, cb)| *cb > 0).map(move |(i, _)| &risk.evidence[*i])
    }

    /// What the credential was issued from, where this event says it.
    fn parent_of(&self, credential: &str) -> Option<&'a str> {
        let presented = self.event.credential.as_ref()?;
        presented.parent.as_deref().filter(|_| presented.id.as_deref() == Some(credential))
    }

    /// What the action is done to.
    pub fn targets(&self, action: Action) -> Vec<Target> {
        use Action::*;
        let About { subject, event, .. } = *self;
        let provider = provider_of(event);
        let named = |kind: &str, id: &str| Target {
            kind: kind.to_owned(),
            id: id.to_owned(),
            provider: provider.clone(),
            native_id: None,
            sub_id: None,
        };
        let account = || {
            let identity = event.identity.as_ref().filter(|i| subject.kind == Kind::Identity && i.id.as_str() == subject.id);
            let native_id = identity.and_then(|i| i.native_id.as_deref()).map(str::to_owned);
            let sub = native_id.as_deref().unwrap_or(subject.id);
            let sub_id = identity
                .and_then(|i| i.issuer.as_deref())
                .map(|iss| serde_json::json!({"format": "iss_sub", "iss": iss, "sub": sub}).to_string());
            Target { native_id, sub_id, ..named("account", subject.id) }
        };
        // What somebody did to an identity was done in a session and from a place of their own.
        let acted_upon = subject.kind == Kind::Identity && event.identity_id() != Some(subject.id);
        let of_session = |kind: &str, id: &str, session: Option<&str>| {
            let issuer = self.keyring.and_then(|k| k.provider_of(id, session)).map(str::to_owned);
            Target { provider: issuer.or(provider.clone()), ..named(kind, id) }
        };
        let of_evidence = |kind: &str, field: &dyn Fn(&'a Evidence) -> Option<&'a str>| {
            let mut list: Vec<Target> = Vec::new();
            for evidence in self.speaking() {
                if let Some(id) = field(evidence)
                    && list.len() < TARGETS_MAX
                    && list.iter().all(|t| t.id != *id)
                {
                    list.push(of_session(kind, id, evidence.session.as_deref()));
                }
            }
            list
        };
        let or_account = |list: Vec<Target>| if list.is_empty() { vec![account()] } else { list };
        let one = |kind: &str, id: Option<&str>| id.map(|id| named(kind, id)).into_iter().collect::<Vec<_>>();
        match action {
            StepUp => match event.session_id().filter(|_| !acted_upon) {
                Some(session) => vec![of_session("session", session, Some(session))],
                None => vec![account()],
            },
            TerminateSession => or_account(of_evidence("session", &|e| e.session.as_deref())),
            RevokeToken => or_account(of_evidence("credential", &|e| e.credential.as_deref())),
            // A secret is rotated, not the tokens that are issued for it.
            RotateSecret => or_account(of_evidence("credential", &|e| {
                let credential = e.credential.as_deref()?;
                let secret = self.machines_keyring().and_then(|k| k.secret_behind(credential, self.parent_of(credential)));
                Some(secret.unwrap_or(credential))
            })),
            TerminatePrivilegedSession | CheckInCredential => {
                one("privileged_session", event.privileged.as_ref().and_then(|p| p.session.as_deref()))
            }
            DisableAccount | ResetPassword | RemoveFactor | RevokeConsent | RevokeGrant | Offboard => vec![account()],
            IsolateWorkload | BlockSource if acted_upon => Vec::new(),
            IsolateWorkload => one("workload", event.source.as_ref().and_then(|s| s.workload.as_deref())),
            BlockSource if subject.kind == Kind::Source => vec![named("network", subject.id)],
            BlockSource => one("network", event.ip()),
            HoldOrder => one("order", event.checkout.as_ref().and_then(|c| c.order.as_deref())),
            HoldCard => one("card", event.card()),
            Challenge | Throttle | OpenCase | NotifyOwner => vec![named(subject.kind.name(), subject.id)],
            Release => Vec::new(), // only the gate releases
        }
    }

    /// What belongs to the target, and an incident on it reaches too: what was used together with it, then what the identity holds.
    pub fn siblings(&self, action: Action, target: &Target) -> Vec<Target> {
        use Action::*;
        let ends_something = matches!(action, TerminateSession | RevokeToken | RotateSecret | ResetPassword | DisableAccount | Offboard);
        if !ends_something || self.subject.kind != Kind::Identity {
            return Vec::new();
        }
        let mut list: Vec<Target> = Vec::new();
        let mut add = |sibling: Target| {
            if list.len() < SIBLINGS_MAX && sibling.id != target.id && list.iter().all(|s| s.id != sibling.id) {
                list.push(sibling);
            }
        };
        let beside = |kind: &str, id: &str| Target {
            kind: kind.to_owned(),
            id: id.to_owned(),
            provider: target.provider.clone(),
            ..Target::default()
        };
        let is_session = target.kind == "session";
        let mut session = is_session.then_some(target.id.as_str());
        for evidence in self.speaking() {
            let (Some(of), Some(credential)) = (evidence.session.as_deref(), evidence.credential.as_deref()) else { continue };
            if is_session && of == target.id {
                add(beside("credential", credential));
            } else if !is_session && credential == target.id {
                session = session.or(Some(of));
                add(beside("session", of));
            }
        }
        if let Some(keyring) = self.keyring {
            keyring.siblings(target, session, self.parent_of(&target.id)).into_iter().for_each(add);
        }
        list
    }

    /// Where a machine's credential was used from lately, for whoever has to know what breaks.
    pub fn seen_from(&self, action: Action, target: &Target) -> Vec<SeenFrom> {
        use Action::*;
        let takes_away = matches!(action, RevokeToken | RotateSecret | DisableAccount | CheckInCredential | Offboard);
        match self.machines_keyring() {
            Some(keyring) if takes_away => keyring.seen_from(&target.id, self.risk.clock),
            _ => Vec::new(),
        }
    }
}
