//! `device_code_login`: the first log-in by device code or a legacy protocol, or one from an unfamiliar place.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::AuthMethod;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 61,
    name: "device_code_login",
    family: Family::Mfa,
    on: &[Kind::Identity],
    weight_db: 20,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::AUTH,
    params: &[Param {
        name: "one_percent",
        default: 60,
        least: 0,
        most: 100,
        doc: "strength when only the method or only the place is new",
    }],
    attack: &["T1528"],
    nhi: &[],
    doc: Doc {
        sees: "The first log-in by device code or a legacy protocol, or one from an unfamiliar place.",
        why: "Both get round the second factor: one is typed in by the victim, the other knows none.",
        silent: "For those who always log in so, from where they always are, and while the identity is being learned.",
        source: "RFC 8628, 5.4 (remote phishing); MITRE ATT&CK T1528",
    },
    speak,
};

const ONE_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    let method = look.event.method().filter(|m| matches!(m, AuthMethod::DeviceCode | AuthMethod::Legacy))?;
    let place = row.new_country.is_some() || row.new_network.is_some();
    if row.learning || !look.event.succeeded() || !(row.new_method || place) {
        return None;
    }
    let what = match (row.new_method, place) {
        (true, true) => "for the first time, and from an unfamiliar place",
        (true, false) => "for the first time",
        _ => "from an unfamiliar place",
    };
    Some(Said {
        strength_permille: if row.new_method && place { 1_000 } else { settings.params[ONE_PERCENT] as i32 * 10 },
        observed: format!("{method} {what}"),
        expected: "its own methods".to_owned(),
        detail: format!("logged in by {method} {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Novelty;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_ways_round_the_second_factor() {
        let said = |method, new_method, place: bool| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                event.auth = Some(crate::event::Auth { method: Some(method), ..Default::default() });
                (row.new_method, row.learning) = (new_method, false);
                row.new_country = Some(Novelty { likelihood_cb: 200, share_ppm: 100 }).filter(|_| place);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(AuthMethod::DeviceCode, true, true), Some(1_000));
        assert_eq!(said(AuthMethod::Legacy, true, false), Some(600));
        assert_eq!(said(AuthMethod::DeviceCode, false, false), None);
        assert_eq!(said(AuthMethod::Password, true, true), None);
    }
}
