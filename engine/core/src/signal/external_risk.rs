//! `external_risk`: what an EDR, an identity provider or a fraud vendor thinks (`risk.external`), by its level.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 62,
    name: "external_risk",
    family: Family::Integrity,
    on: &[Kind::Identity, Kind::Device],
    weight_db: 20,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::RiskExternal]),
    params: &[
        Param { name: "medium_percent", default: 50, least: 0, most: 100, doc: "strength of a medium finding" },
        Param { name: "high_percent", default: 80, least: 0, most: 100, doc: "of a high one" },
    ],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "What an EDR, an identity provider or a fraud vendor thinks (`risk.external`), by its level.",
        why: "Others see what we do not: the malware, the leaked password, the history of a card.",
        silent: "For low findings.",
        source: "OpenID Shared Signals Framework (CAEP, RISC)",
    },
    speak,
};

const MEDIUM_PERCENT: usize = 0;
const HIGH_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let risk = look.event.risk.as_deref()?;
    let level = risk.level.as_deref().unwrap_or("medium");
    let percent = match level.to_ascii_lowercase().as_str() {
        "critical" => 100,
        "high" => settings.params[HIGH_PERCENT],
        "medium" | "moderate" => settings.params[MEDIUM_PERCENT],
        _ => return None,
    };
    let name = risk.name.as_deref().unwrap_or("a risk");
    let provider = risk.provider.as_deref().unwrap_or("another system");
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("{provider}: {name}, {level}"),
        expected: "nothing, or a low finding".to_owned(),
        detail: format!("{provider} reports {name} at {level}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_by_level() {
        let said = |level: &'static str| {
            example(&SIGNAL, |event, _| {
                event.risk = Some(Box::new(crate::event::ExternalRisk { level: Some(level.into()), ..Default::default() }));
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(["critical", "High", "medium", "low"].map(said), [Some(1_000), Some(800), Some(500), None]);
    }
}
