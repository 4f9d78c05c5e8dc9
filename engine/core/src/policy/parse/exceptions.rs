//! Exceptions: who answers for each and until when, whom it is for, what it silences, and within which bounds.

use super::settings::block;
use super::{ID_BYTES_MAX, KINDS, NAME_BYTES_MAX, class, kind, list_name, rules};
use crate::event::{Class, Expected, Network};
use crate::exception::{AHEAD_MAX_DAYS, EXCEPTIONS_MAX, Exception, WARNED_DAYS, Whom, Within, days_left};
use crate::memory::envelope::{DECLARED_MAX, are_hours};
use crate::named;
use crate::policy::Policy;
use crate::policy::yaml::{At, Map};
use crate::signal;
use crate::speaker::Speaker;
use crate::subject::Kind;
use crate::text::Text;
use crate::time::{DAY_MS, Time};
use crate::verdict::Family;
use std::collections::{BTreeMap, BTreeSet};

/// The longest id of an exception, bytes: it stands in reasons beside other words.
const EXCEPTION_ID_BYTES_MAX: usize = 64;
/// The longest reason, route or workload, bytes.
const WORDS_BYTES_MAX: usize = 256;

/// After lists and rules, which exceptions may name. Without `applied_at` an end may be at any distance.
pub(super) fn read(map: &Map<'_>, policy: &mut Policy, applied_at: Option<Time>) {
    let Some(items) = map.get("exceptions").and_then(|at| at.list()) else { return };
    if let Some(first_too_many) = items.get(EXCEPTIONS_MAX) {
        first_too_many.fault(format!("a policy has {EXCEPTIONS_MAX} exceptions at most"));
        return;
    }
    let rules = rules::written_ids(map);
    let mut lines = BTreeMap::new();
    for item in items {
        let Some(exception) = read_exception(&item, policy, &rules, applied_at) else { continue };
        if let Some(line) = lines.insert(exception.id.clone(), item.line()) {
            item.fault(format!("a second exception {:?}, the first is on line {line}", exception.id));
        }
        policy.exceptions.push(exception);
    }
}

fn read_exception(item: &At<'_>, policy: &Policy, rules: &[&str], applied_at: Option<Time>) -> Option<Exception> {
    let map = item.map()?;
    let id = map.need("id").and_then(|at| at.short_text(EXCEPTION_ID_BYTES_MAX));
    let owner = map.need("owner").and_then(|at| at.short_text(NAME_BYTES_MAX));
    let reason = map.need("reason").and_then(|at| at.short_text(WORDS_BYTES_MAX));
    let ends = map.need("expires").and_then(|at| ends(&at, applied_at));
    let subject = map.need("subject").and_then(|at| read_whom(&at, policy));
    let named = map.need("signals").map(|at| read_signals(&at, subject.as_ref(), policy, rules));
    let within = map.need("within").and_then(|at| read_within(&at, subject.as_ref()));
    let (signals, silences) = named?;
    Some(Exception {
        id: id?.to_owned(),
        owner: owner?.to_owned(),
        reason: reason?.to_owned(),
        ends: ends?,
        subject: subject?,
        signals,
        silences,
        within: within?,
    })
}

/// The end of the last day.
fn ends(at: &At<'_>, applied_at: Option<Time>) -> Option<Time> {
    let day = |text: &str| Time::parse(&format!("{text}T00:00:00Z")).filter(|t| t.to_string().split('T').next() == Some(text));
    let last_day = at.parsed("a day such as 2027-01-31", day)?;
    let ends = last_day.plus(DAY_MS);
    let Some(applied_at) = applied_at else { return Some(ends) };
    let renew = "renew it or take it out; a standing job belongs into `expected` in the inventory";
    match days_left(ends, applied_at) {
        days if days > AHEAD_MAX_DAYS => {
            let latest: String = applied_at.plus(i64::from(AHEAD_MAX_DAYS) * DAY_MS).to_string().chars().take(10).collect();
            at.fault_with(
                format!("is {days} days ahead, at most {AHEAD_MAX_DAYS} are allowed"),
                format!("write {latest} or sooner; a standing job belongs into `expected` in the inventory"),
            );
            return None;
        }
        days if days > WARNED_DAYS => {}
        0 => at.warn_with("expires today", renew),
        1 => at.warn_with("expires tomorrow", renew),
        2.. => at.warn_with(format!("expires in {} days", days_left(ends, applied_at)), renew),
        _ => at.warn_with("has expired: it silences nothing", renew),
    }
    Some(ends)
}

fn read_whom(at: &At<'_>, policy: &Policy) -> Option<Whom> {
    let map = at.map()?;
    let (mut whom, mut clean) = (Whom::default(), true);
    let items = |key| map.get(key).map(|at| at.list_or_one()).unwrap_or_default();
    for at in items("identity") {
        clean &= at.short_text(ID_BYTES_MAX).map(|id| whom.identity.insert(id.to_owned())).is_some();
    }
    for at in items("class") {
        clean &= class(&at).map(|c| whom.class.insert(c)).is_some();
    }
    for at in items("kind") {
        clean &= kind(&at).map(|k| whom.kind.insert(k)).is_some();
    }
    if let Some(at) = map.get("list") {
        whom.list = list_name(&at, policy);
        clean &= whom.list.is_some();
    }
    if let Some(at) = map.get("label") {
        whom.label = at.short_text(NAME_BYTES_MAX).map(str::to_owned);
        clean &= whom.label.is_some();
    }
    if !clean {
        return None;
    }
    if whom == Whom::default() {
        at.fault_with("names nobody", "name `identity`, `label`, `list`, `class` or `kind`; all that are named must hold");
        return None;
    }
    if kinds(&whom).is_empty() {
        at.fault_with("matches nothing: the other conditions are about identities", "take `kind` out");
        return None;
    }
    Some(whom)
}

/// The kinds of subject that it can be about.
fn kinds(whom: &Whom) -> BTreeSet<Kind> {
    let about_identities = !whom.identity.is_empty() || !whom.class.is_empty() || whom.label.is_some();
    let allowed = KINDS.into_iter().filter(|k| *k == Kind::Identity || !about_identities);
    allowed.filter(|k| whom.kind.is_empty() || whom.kind.contains(k)).collect()
}

/// The names as they were written, and the numbers of what they name.
fn read_signals(at: &At<'_>, whom: Option<&Whom>, policy: &Policy, rules: &[&str]) -> (Vec<String>, BTreeSet<u32>) {
    let items = at.list_or_one();
    if items.is_empty() {
        at.fault_with("names no signal", "name those that are to be silent; an exception from everything is none");
    }
    let (mut names, mut numbers) = (Vec::new(), BTreeSet::new());
    for item in items {
        let Some(word) = item.short_text(NAME_BYTES_MAX) else { continue };
        if word == Family::Protective.name() || signal::by_name(word).is_some_and(|i| signal::ALL[i].family == Family::Protective) {
            item.fault_with(format!("{word} speaks for the subject"), "take it out, there is nothing in it to silence");
            continue;
        }
        let named: Vec<(u32, Speaker<'_>)> = speakers(policy).filter(|(_, s)| s.name() == word || s.family().name() == word).collect();
        if named.is_empty() && !rules.contains(&word) {
            unknown(&item, word, rules);
        } else if !named.is_empty() && whom.is_some_and(|whom| !named.iter().any(|(_, s)| speaks_of(*s, whom))) {
            item.fault_with(format!("{word} never speaks of whom this exception is for"), "take it out");
        }
        names.push(word.to_owned());
        numbers.extend(named.into_iter().map(|(number, _)| number));
    }
    (names, numbers)
}

/// Whoever can speak against a subject.
fn speakers(policy: &Policy) -> impl Iterator<Item = (u32, Speaker<'_>)> {
    let signals = signal::ALL.iter().filter(|s| s.family != Family::Protective).map(|s| (u32::from(s.number), Speaker::Signal(s)));
    signals.chain(policy.rules.list().iter().map(|r| (r.number, Speaker::Rule(r))))
}

fn speaks_of(speaker: Speaker<'_>, whom: &Whom) -> bool {
    let kinds = kinds(whom);
    match speaker {
        Speaker::Signal(signal) => {
            let is_of = |class: &Class| whom.class.is_empty() || whom.class.contains(class);
            kinds.iter().any(|kind| Class::ALL.iter().filter(|c| is_of(c)).any(|class| signal.applies_to(*kind, *class)))
        }
        Speaker::Rule(rule) => kinds.contains(&rule.on),
    }
}

fn unknown(at: &At<'_>, word: &str, rules: &[&str]) {
    let against = |name: &&str| *name != Family::Protective.name();
    let signals = signal::ALL.iter().filter(|s| s.family != Family::Protective).map(|s| s.name);
    let known = signals.chain(Family::NAMES.iter().copied().filter(against)).chain(rules.iter().copied());
    let help = match named::nearest(word, known) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "name a signal (`portcullis policy signals`), a family of them, or a rule of this policy".to_owned(),
    };
    at.fault_with(format!("nothing is called {word:?}"), help);
}

fn read_within(at: &At<'_>, whom: Option<&Whom>) -> Option<Within> {
    let map = at.map()?;
    let networks = bound(&map, "networks", network);
    let asns = bound(&map, "asns", |at| at.count(1..=u32::MAX));
    let countries = bound(&map, "countries", |at| {
        let is_country = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        at.parsed("a country such as CH (ISO 3166-1)", |t| is_country(t).then(|| Text::from(t.to_owned())))
    });
    let workloads = bound(&map, "workloads", text);
    let routes = bound(&map, "routes", route);
    let hours = map.get("hours").map(|at| hours(&at));
    let rate = map.get("max_rate_per_minute").map(|at| {
        if whom.is_some_and(|w| !kinds(w).iter().any(|k| matches!(k, Kind::Identity | Kind::Source))) {
            at.fault_with("no rate is known of whom this exception is for", "take it out; identities and sources have one");
        }
        at.count(1..=1_000_000)
    });
    let within = Within::new(Expected {
        networks: networks?,
        asns: asns?,
        countries: countries?,
        workloads: workloads?,
        routes: routes?,
        hours: of_named(hours)?,
        max_rate_per_minute: of_named(rate)?,
    });
    if within.is_none() {
        let help =
            "name networks, asns, countries, workloads, routes, hours or max_rate_per_minute: an exception without bounds is a blindfold";
        at.fault_with("bounds nothing", help);
    }
    within
}

/// `None` where a value is named and wrong.
fn of_named<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |read| read.map(Some))
}

/// The values of one bound; none where it is not named, `None` where one of them is wrong.
fn bound<T>(map: &Map<'_>, key: &'static str, read: impl Fn(&At<'_>) -> Option<T>) -> Option<Vec<T>> {
    let Some(at) = map.get(key) else { return Some(Vec::new()) };
    let items = at.list_or_one();
    if items.is_empty() {
        at.fault_with("is empty, so nothing keeps it", "take it out, or name what it allows");
        return None;
    }
    if items.len() > DECLARED_MAX {
        at.fault(format!("has {} values, at most {DECLARED_MAX} are allowed", items.len()));
        return None;
    }
    let read: Vec<Option<T>> = items.iter().map(read).collect();
    read.into_iter().collect()
}

fn text(at: &At<'_>) -> Option<Text<'static>> {
    at.short_text(WORDS_BYTES_MAX).map(|text| Text::from(text.to_owned()))
}

fn network(at: &At<'_>) -> Option<Text<'static>> {
    if !Network::NAMES.iter().any(|name| at.is_word(name)) {
        block(at, &format!("a block such as 192.0.2.0/24 or a kind of network ({})", Network::NAMES.join(", ")))?;
    }
    text(at)
}

fn route(at: &At<'_>) -> Option<Text<'static>> {
    let route = text(at)?;
    if route.bytes().all(|b| b == b'*') {
        at.fault_with("fits every route", "take it out, or write how they begin: \"/v1/settlements/*\"");
        return None;
    }
    Some(route)
}

/// As in the inventory: words, or a list of hours in UTC.
fn hours(at: &At<'_>) -> Option<Text<'static>> {
    if at.is_list() {
        let hours: Vec<Option<i64>> = at.list()?.iter().map(|at| at.integer(0..=23)).collect();
        let hours: Vec<String> = hours.into_iter().collect::<Option<Vec<_>>>()?.iter().map(i64::to_string).collect();
        if !hours.is_empty() {
            return Some(Text::from(hours.join(", ")));
        }
    }
    at.parsed("hours such as \"Mon-Fri 01:00-04:00 Europe/Zurich\" (an IANA zone, UTC if none) or [1, 2, 3]", |text| {
        are_hours(text).then(|| Text::from(text.to_owned()))
    })
}
