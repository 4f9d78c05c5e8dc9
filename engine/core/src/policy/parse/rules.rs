//! An analyst's own rules: what each weighs and says. Whether its predicate means anything is the planner's to say.

use super::signals::{at_least, weight};
use super::{NAME_BYTES_MAX, kind};
use crate::policy::Policy;
use crate::policy::yaml::{At, Map};
use crate::rule::{Misread, Part, Planner, RULES_MAX, Rule, Rules, number_of};
use crate::signal::{self, WORDS_MAX};
use crate::subject::Kind;
use crate::verdict::{Family, Mode};

/// The longest predicate, bytes.
const WHEN_BYTES_MAX: usize = 4_096;
/// The longest id of a rule, bytes.
const RULE_ID_BYTES_MAX: usize = 64;
/// The most techniques or entries that one rule names.
const IDENTIFIERS_MAX: usize = 16;

/// The ids that rules have in the text, those of rules with faults too.
pub(super) fn written_ids<'a>(map: &Map<'a>) -> Vec<&'a str> {
    let Some(at) = map.get("rules").filter(|at| at.is_list()) else { return Vec::new() };
    let rules = at.list_or_one().into_iter().filter(|rule| rule.is_map()).filter_map(|rule| rule.map());
    let ids = rules.filter_map(|rule| rule.entries().into_iter().find(|(key, _)| *key == "id").map(|(_, id)| id));
    ids.filter(|id| !(id.is_null() || id.is_list() || id.is_map())).filter_map(|id| id.scalar()).collect()
}

/// A rule, and where it stands in the text.
struct Written<'a> {
    at: At<'a>,
    when: At<'a>,
    detail: Option<At<'a>>,
    rule: Rule,
}

/// After lists and networks, which rules may name.
pub(super) fn read(map: &Map<'_>, policy: &mut Policy, planner: &dyn Planner) {
    let Some(items) = map.get("rules").and_then(|at| at.list()) else { return };
    if let Some(first_too_many) = items.get(RULES_MAX) {
        first_too_many.fault(format!("a policy has {RULES_MAX} rules at most"));
        return;
    }
    let written: Vec<Written<'_>> = items.into_iter().filter_map(read_rule).collect();
    for (i, one) in written.iter().enumerate() {
        if let Some(other) = written[..i].iter().find(|w| w.rule.number == one.rule.number) {
            let what = if other.rule.id == one.rule.id { "a second rule of this id" } else { "this id cannot be told from another one" };
            one.at.fault_with(format!("{what}: {:?}", other.rule.id), "give it another id");
            return;
        }
    }
    match Rules::plan(written.iter().map(|w| w.rule.clone()).collect(), policy, planner) {
        Ok(rules) => policy.rules = rules,
        Err(misread) => misread.into_iter().for_each(|m| note(&written, m)),
    }
}

fn note(written: &[Written<'_>], misread: Misread) {
    let Written { when, detail, rule, .. } = &written[misread.rule];
    let at = match (misread.part, detail) {
        (Part::Detail, Some(detail)) => detail,
        _ => when,
    };
    at.fault_with(format!("rule {}: {}", rule.id, misread.what), misread.help);
}

fn read_rule(at: At<'_>) -> Option<Written<'_>> {
    let map = at.map()?;
    let id = map.need("id").and_then(|at| rule_id(&at));
    let when_at = map.need("when");
    let when = when_at.as_ref().and_then(predicate);
    let weight = map.need("weight").and_then(|at| {
        let weight = weight(&at, false)?;
        if weight.0 == 0 {
            at.fault_with("weighs nothing", "write `mode: shadow` for a rule that is only to be shown");
        }
        Some(weight)
    });
    let family = map.need("family").and_then(|at| {
        let family = at.word(Family::NAMES, Family::from_name)?;
        if family == Family::Protective {
            at.fault_with("a rule cannot speak for a subject", "name the family of what it finds, as signals.md does");
        }
        Some(family)
    });
    let on = match map.get("on") {
        Some(at) => kind(&at),
        None => Some(Kind::Identity),
    };
    let mode = map.get("mode").and_then(|at| at.word(Mode::NAMES, Mode::from_name)).unwrap_or(Mode::Enforce);
    let at_least = map.get("at_least").and_then(|at| at_least(&at)).flatten();
    let attack = identifiers(map.get("attack"));
    let nhi = identifiers(map.get("nhi"));
    let detail_at = map.get("detail");
    let detail = detail_at.as_ref().and_then(|at| at.short_text(WORDS_MAX)).unwrap_or_default().to_owned();
    let (id, when, weight, family, on) = (id?, when?, weight?, family?, on?);
    let number = number_of(&id);
    let rule = Rule { number, id, when, on, mode, weight, at_least, family, attack, nhi, detail, unauthenticated: false };
    drop(map);
    Some(Written { at, when: when_at?, detail: detail_at, rule })
}

/// An id stands in verdicts and metrics, beside the names of signals.
fn rule_id(at: &At<'_>) -> Option<String> {
    let id = at.short_text(RULE_ID_BYTES_MAX)?;
    if !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b)) {
        at.fault_with(format!("{id:?} is no id of a rule"), "use lower-case letters, digits, `_`, `-` and `.`");
        return None;
    }
    if signal::by_name(id).is_some() {
        at.fault_with(format!("{id} is a signal of the catalogue"), "give the rule another id");
        return None;
    }
    Some(id.to_owned())
}

fn predicate(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    if text.len() > WHEN_BYTES_MAX {
        at.fault_with(
            format!("is {} bytes long, at most {WHEN_BYTES_MAX} are allowed", text.len()),
            "put names into a list and use in_list",
        );
        return None;
    }
    Some(text.to_owned())
}

fn identifiers(at: Option<At<'_>>) -> Vec<String> {
    let Some(at) = at else { return Vec::new() };
    let items = at.list_or_one();
    if items.len() > IDENTIFIERS_MAX {
        at.fault(format!("{IDENTIFIERS_MAX} at most are kept"));
    }
    items.iter().filter_map(|at| at.short_text(NAME_BYTES_MAX)).map(str::to_owned).collect()
}
