//! `risky_posture`: activity from a device whose posture is risky, and more so when it was compliant before.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::{Class, Posture};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 24,
    name: "risky_posture",
    family: Family::Device,
    on: &[Kind::Identity],
    weight_db: 32,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[
        Param { name: "steady_percent", default: 95, least: 0, most: 100, doc: "strength when the device was not compliant before either" },
        Param {
            name: "ordinary_percent",
            default: 30,
            least: 0,
            most: 100,
            doc: "strength outside privileged sessions and for identities without privileges",
        },
    ],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "Activity from a device whose posture is risky, and more so when it was compliant before.",
        why: "Malware on an administrator's laptop needs no password.",
        silent: "For devices of which nothing is known; weak outside privileged sessions.",
        source: "NIST SP 800-207 (zero trust), 3.1; CIS Controls v8, 4",
    },
    speak,
};

const STEADY_PERCENT: usize = 0;
const ORDINARY_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    if row.posture != Some(Posture::Risky) {
        return None;
    }
    let privileged = Types::PRIVILEGED.has(look.event.kind) || row.privileged || row.class == Class::Admin;
    let fell = row.posture_before == Some(Posture::Compliant);
    let percent = if fell { 100 } else { p[STEADY_PERCENT] } * if privileged { 100 } else { p[ORDINARY_PERCENT] } / 100;
    let was = if fell { "compliant before" } else { "not known to be compliant before" };
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("a risky device, {was}"),
        expected: "a compliant device".to_owned(),
        detail: format!("{} from a device at risk, {was}", if privileged { "a privileged session" } else { "activity" }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn a_privileged_session_weighs_most() {
        let said = |kind, posture, before| {
            example(&SIGNAL, |event, row| {
                event.kind = kind;
                (row.posture, row.posture_before) = (posture, before);
            })
            .map(|s| s.strength_permille)
        };
        use crate::event::EventType::{ApiRequest, PrivilegedSessionStart};
        assert_eq!(said(PrivilegedSessionStart, Some(Posture::Risky), Some(Posture::Compliant)), Some(1_000));
        assert_eq!(said(ApiRequest, Some(Posture::Risky), Some(Posture::Compliant)), Some(300));
        assert_eq!(said(ApiRequest, Some(Posture::Risky), Some(Posture::Risky)), Some(280));
        assert_eq!(said(PrivilegedSessionStart, Some(Posture::Compliant), Some(Posture::Risky)), None);
        assert_eq!(said(PrivilegedSessionStart, None, None), None);
    }
}
