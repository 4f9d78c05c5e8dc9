//! `human_use_of_machine`: a machine credential used interactively: from a browser, from a home or mobile network, or with a factor that somebody types.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::{AgentClass, AuthMethod, Class, Network};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 37,
    name: "human_use_of_machine",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 30,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[
        Param {
            name: "one_percent",
            default: 60,
            least: 1,
            most: 100,
            doc: "strength when only one of browser, home network and typed factor is seen",
        },
        Param {
            name: "known_days",
            default: 1,
            least: 1,
            most: 365,
            doc: "days of earlier use that make such a device or network its own",
        },
    ],
    attack: &[],
    nhi: &["NHI10"],
    doc: Doc {
        sees: "A machine credential used interactively: from a browser, from a home or mobile network, or with a factor that somebody types.",
        why: "A service account in a person's hands escapes every control that people have.",
        silent: "For agents and desktop robots, whose browser is their own, and while the machine is being learned.",
        source: "OWASP NHI10:2025",
    },
    speak,
};

const ONE_PERCENT: usize = 0;
const KNOWN_DAYS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    if row.learning || row.class == Class::Agent || !look.event.accepted() || row.acted_upon {
        return None;
    }
    let own = |days: Option<i64>| days.is_some_and(|d| d >= p[KNOWN_DAYS]);
    let agent = look.event.stamp.as_ref().and_then(|s| s.agent_class);
    let browser = matches!(agent, Some(AgentClass::Browser | AgentClass::Mobile)) && !own(row.device_known_days);
    let home = matches!(look.event.network(), Some(Network::Residential | Network::Mobile)) && !own(row.network_known_days);
    use AuthMethod::{Push, Sms, Totp, Webauthn};
    let typed = matches!(look.event.method(), Some(Push | Sms | Totp | Webauthn));
    let named = [(browser, "a browser"), (home, "a home network"), (typed, "a factor that somebody types")];
    let count = named.iter().filter(|(is, _)| *is).count();
    if count == 0 {
        return None;
    }
    let words: Vec<&str> = named.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    Some(Said {
        strength_permille: if count > 1 { 1_000 } else { p[ONE_PERCENT] as i32 * 10 },
        observed: words.join(", "),
        expected: "its own program on its own workload".to_owned(),
        detail: format!("a machine's credential was used with {}", words.join(" and ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_hands_on_a_machines_key() {
        let said = |class, agent_class, network, known: Option<i64>| {
            example(&SIGNAL, |event, row| {
                event.kind = crate::event::EventType::ApiRequest;
                event.stamp = Some(crate::event::Stamp { agent_class, ..Default::default() });
                event.source = Some(crate::event::Source { network, ..Default::default() });
                (row.class, row.learning, row.device_known_days, row.network_known_days) = (class, false, known, known);
            })
            .map(|s| s.strength_permille)
        };
        let (browser, home) = (Some(AgentClass::Browser), Some(Network::Residential));
        assert_eq!(said(Class::Service, browser, home, None), Some(1_000));
        assert_eq!(said(Class::Service, browser, Some(Network::Hosting), None), Some(600));
        assert_eq!(said(Class::Service, browser, home, Some(30)), None, "a desktop robot");
        assert_eq!(said(Class::Service, Some(AgentClass::Library), Some(Network::Hosting), None), None);
        assert_eq!(said(Class::Agent, browser, home, None), None);
    }
}
