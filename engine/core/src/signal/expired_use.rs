//! `expired_use`: a credential that was accepted after it had expired.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::{Family, Level};

pub const SIGNAL: Signal = Signal {
    number: 26,
    name: "expired_use",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: Some(Level::High),
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[Param { name: "skew_minutes", default: 5, least: 0, most: 1440, doc: "how far clocks may differ" }],
    attack: &[],
    nhi: &["NHI4"],
    doc: Doc {
        sees: "A credential that was accepted after it had expired.",
        why: "Whoever accepts it does not check, and old tokens lie about in logs and backups.",
        silent: "Within the skew of clocks, and where the log does not tell when a credential ends.",
        source: "RFC 7519, 4.1.4; OWASP NHI4:2025",
    },
    speak,
};

const SKEW_MINUTES: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let ms = look.row.fact.expired_ms?;
    if ms <= settings.params[SKEW_MINUTES] * MINUTE_MS {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("accepted {} min after its end", ms / MINUTE_MS),
        expected: "refused".to_owned(),
        detail: format!("{} was accepted {} min after it expired", look.event.credential_id().unwrap_or("a credential"), ms / MINUTE_MS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_beyond_the_skew_of_clocks() {
        let said = |minutes: i64| example(&SIGNAL, |_, row| row.fact.expired_ms = Some(minutes * MINUTE_MS));
        assert!(said(6).is_some());
        assert_eq!(said(4), None);
    }
}
