//! `new_scope`: a route, scope or permission that this identity never used before, by likelihood ratio.

use super::novelty_said;
use super::{Applies, Doc, ForClass, Look, Param, Said, Signal, Types};
use crate::event::Class;
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Novelty;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 15,
    name: "new_scope",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 8,
    // An agent's scopes are given to it: another one is no change of habit.
    for_class: &[ForClass { class: Class::Agent, weight_db: 16 }],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::API,
    params: &[Param { name: "person_percent", default: 40, least: 0, most: 100, doc: "weight for people, against machines" }],
    attack: &["T1078"],
    nhi: &["NHI5"],
    doc: Doc {
        sees: "A route, scope or permission that this identity never used before, by likelihood ratio.",
        why: "Whoever holds a stolen key explores what it opens.",
        silent: "While the identity is being learned; weak for people, who explore too, for machines other than agents, and for routes that many use.",
        source: "Likelihood ratio with add-one-half smoothing (Good 1950); OWASP NHI5:2025",
    },
    speak,
};

const PERSON_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    if row.learning {
        return None;
    }
    let percent = if row.class.is_machine() { 100 } else { settings.params[PERSON_PERCENT] };
    let request = look.event.request.as_ref()?;
    match (row.new_scope, row.new_route) {
        (Some(novelty), _) => novelty_said(novelty, settings, percent, "scope", request.scope.as_deref().unwrap_or("?")),
        (None, Some(novelty)) => novelty_said(novelty, settings, percent, "route", request.route.as_deref().unwrap_or("?")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn machines_explore_less_than_people() {
        let said = |class, learning| {
            example(&SIGNAL, |event, row| {
                event.request = Some(crate::event::Request { route: Some("/v1/keys".into()), ..Default::default() });
                row.new_route = Some(Novelty { likelihood_cb: 300, share_ppm: 10 });
                (row.class, row.learning) = (class, learning);
            })
            .map(|s| s.strength_permille)
        };
        use crate::event::Class;
        assert_eq!(said(Class::Service, false), Some(1_000));
        assert_eq!(said(Class::Customer, false), Some(400));
        assert_eq!(said(Class::Service, true), None);
    }
}
