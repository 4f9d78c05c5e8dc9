//! The catalogue of signals as a page, made of what the engine runs: `portcullis policy signals`, kept as `docs/signals.md`.

use portcullis_core::signal::{ALL, Applies, ForClass, Param, Signal};
use portcullis_core::verdict::Family;
use std::fmt::Write;

/// The page, Markdown.
pub fn signals_page() -> String {
    let mut page = String::from(
        "<!-- Made by `portcullis policy signals`; a test fails when it is stale. -->\n\
         # Signals\n\n\
         A signal looks at one event and at what is remembered of its subject, and says nothing or speaks. When it speaks it adds evidence, in\n\
         decibans (dB): +10 dB makes abuse ten times likelier, +20 dB a hundred times. The weight is what it adds at full strength; a weaker\n\
         finding adds a share of it. Signals of one family are not independent: the strongest counts whole, the next half, then a quarter. Evidence\n\
         fades with the half-life of its family (`half_life` in the policy).\n\n\
         Weights, thresholds and `at_least` are defaults. A policy changes them, for all or for one class (`docs/policy.md`);\n\
         `portcullis policy show policy.yaml --effective` prints what holds under it. Where the weights come from is told in `docs/policy.md`.\n\n\
         | signal | family | of | weight | alone lifts to |\n|---|---|---|---|---|\n",
    );
    // Writing to a String cannot fail, here and below.
    for signal in ALL {
        let floor = signal.at_least.map_or("", |level| level.name());
        let _ =
            writeln!(page, "| [`{0}`](#{0}) | {1} | {2} | {3:+} dB | {floor} |", signal.name, signal.family, of(signal), signal.weight_db);
    }
    for family in Family::ALL {
        for signal in ALL.iter().filter(|s| s.family == *family) {
            section(&mut page, signal);
        }
    }
    page
}

fn section(page: &mut String, signal: &Signal) {
    let _ = writeln!(page, "\n## {}\n\n{}\n\n{}\n", signal.name, signal.doc.sees, signal.doc.why);
    let _ = writeln!(page, "- Family {}, of {}, {:+} dB.", signal.family, of(signal), signal.weight_db);
    for ForClass { class, weight_db } in signal.for_class {
        let _ = writeln!(page, "- Of class {class}: {weight_db:+} dB.");
    }
    if let Some(level) = signal.at_least {
        let _ = writeln!(page, "- A fact rather than a likelihood: alone it lifts the level to {level}.");
    }
    if signal.unauthenticated {
        page.push_str("- Anybody can cause it without a credential, so by itself it never contains an identity.\n");
    }
    let _ = writeln!(page, "- Silent: {}", signal.doc.silent);
    for Param { name, default, least, most, doc } in signal.params {
        let _ = writeln!(page, "- `{name}`: {default} ({least} to {most}). {}", sentence(doc));
    }
    let ids: Vec<&str> = signal.attack.iter().chain(signal.nhi).copied().collect();
    if !ids.is_empty() {
        let _ = writeln!(page, "- MITRE ATT&CK, OWASP: {}.", ids.join(", "));
    }
    let _ = writeln!(page, "- Source: {}.", signal.doc.source.trim_end_matches('.'));
}

/// Which subjects it judges.
fn of(signal: &Signal) -> String {
    let kinds: Vec<&str> = signal.on.iter().map(|kind| kind.name()).collect();
    let who = match signal.applies {
        Applies::All => "",
        Applies::People => " (people)",
        Applies::Machines => " (machines)",
    };
    format!("{}{who}", kinds.join(", "))
}

fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_of_these_signals() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/signals.md");
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(kept == signals_page(), "docs/signals.md is stale; write it again: portcullis policy signals > docs/signals.md");
    }

    #[test]
    fn every_signal_has_its_section() {
        let page = signals_page();
        for signal in ALL {
            assert!(page.contains(&format!("\n## {}\n", signal.name)), "{}", signal.name);
        }
    }
}
