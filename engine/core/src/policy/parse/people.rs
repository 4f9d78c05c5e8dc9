//! Who must agree to what, whose word counts, when everything waits, and what is expected of whoever acts.

use super::settings::{share_ppm, span};
use super::{NAME_BYTES_MAX, action, actions};
use crate::policy::Policy;
use crate::policy::yaml::{At, Map};
use crate::signature::{PublicKey, Signatory};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// What follows where no outcome came.
const THEN: [&str; 2] = ["nothing", "open_case"];

/// False for the first of two words, true for the second.
pub(super) fn of(words: [&'static str; 2]) -> impl Fn(&str) -> Option<bool> {
    move |word| words.iter().position(|w| *w == word).map(|at| at == 1)
}

pub(super) fn read(map: &Map<'_>, policy: &mut Policy) {
    read_approvals(map, policy);
    if let Some(at) = map.get("approvers") {
        policy.approvers = signatories(&at);
    }
    if let Some(at) = map.get("responders") {
        policy.responders = signatories(&at);
    }
    read_breaker(map, policy);
    if let Some(outcomes) = map.get("outcomes").and_then(|at| at.map()) {
        if let Some(ms) = outcomes.get("deadline").and_then(|at| span(&at, SECOND_MS, 30 * DAY_MS)) {
            policy.outcomes.deadline_ms = ms;
        }
        if let Some(then) = outcomes.get("then").and_then(|at| at.word(&THEN, of(THEN))) {
            policy.outcomes.open_case = then;
        }
    }
}

fn read_approvals(map: &Map<'_>, policy: &mut Policy) {
    let Some(approvals) = map.get("approvals").and_then(|at| at.map()) else { return };
    if let Some(at) = approvals.get("required_for") {
        for (item, action) in at.list().unwrap_or_default().iter().filter_map(|at| Some((at, action(at)?))) {
            if action.is_notice() {
                item.fault(format!("{action} only tells a person and needs no approval"));
            }
        }
        policy.approvals.required_for = actions(&at).into_iter().collect();
    }
    if let Some(ms) = approvals.get("expire_after").and_then(|at| span(&at, MINUTE_MS, 30 * DAY_MS)) {
        policy.approvals.expire_after_ms = ms;
    }
    if let Some(two) = approvals.get("two_people_above_budget").and_then(|at| at.bool()) {
        policy.approvals.two_people_above_budget = two;
    }
}

/// People or systems with a public key each: `{ name: a.meier, kid: a1, jwk: { kty: OKP, crv: Ed25519, x: ... } }`, or
/// `jwk: { kty: RSA, n: ..., e: AQAB }`.
fn signatories(at: &At<'_>) -> Vec<Signatory> {
    let mut list: Vec<Signatory> = Vec::new();
    for item in at.list().unwrap_or_default() {
        let Some(entry) = item.map() else { continue };
        let name = entry.need("name").and_then(|at| at.short_text(NAME_BYTES_MAX));
        let kid = entry.need("kid").and_then(|at| at.short_text(NAME_BYTES_MAX));
        let key = entry.need("jwk").and_then(|at| at.map()).and_then(|jwk| public_key(&jwk));
        let (Some(name), Some(kid), Some(key)) = (name, kid, key) else { continue };
        if list.iter().any(|s| s.kid == kid) {
            item.fault(format!("a second key named {kid}"));
        }
        // Two names for one key would be one person who agrees twice.
        if let Some(other) = list.iter().find(|s| s.key == key && s.name != name) {
            item.fault(format!("has the key of {}: each has a key of their own", other.name));
        }
        list.push(Signatory { name: name.to_owned(), kid: kid.to_owned(), key });
    }
    list
}

fn public_key(jwk: &Map<'_>) -> Option<PublicKey> {
    for optional in ["alg", "use", "kid"] {
        jwk.get(optional);
    }
    let is_rsa = jwk.need("kty").and_then(|at| at.word(&["OKP", "RSA"], |word| of(["OKP", "RSA"])(word)))?;
    if is_rsa {
        let (n, e) = (jwk.need("n"), jwk.need("e"));
        let key = PublicKey::rsa(n.as_ref()?.text()?, e?.text()?);
        if let (None, Some(at)) = (&key, n) {
            at.fault("is no RSA public key (n of 2048 to 8192 bits in base64url, e AQAB)");
        }
        return key;
    }
    let crv = jwk.need("crv").and_then(|at| at.word(&["Ed25519"], |w| (w == "Ed25519").then_some(())));
    let at = jwk.need("x")?;
    let key = PublicKey::ed25519(at.text()?);
    if key.is_none() {
        at.fault_with("is no Ed25519 public key (32 bytes in base64url)", "`portcullis contain keygen` prints the line to put here");
    }
    key.filter(|_| crv.is_some())
}

fn read_breaker(map: &Map<'_>, policy: &mut Policy) {
    let Some(at) = map.get("breaker") else { return };
    if at.is_word("none") {
        policy.breaker = None;
        return;
    }
    let (Some(breaker), Some(rule)) = (at.map(), &mut policy.breaker) else { return };
    if let Some(ms) = breaker.get("window").and_then(|at| span(&at, SECOND_MS, HOUR_MS)) {
        rule.window_ms = ms;
    }
    if let Some(ppm) = breaker.get("share_of_active").and_then(|at| share_ppm(&at)) {
        rule.share_of_active_ppm = ppm;
    }
    if let Some(least) = breaker.get("at_least").and_then(|at| at.count(1..=1_000_000)) {
        rule.at_least = least;
    }
    if let Some(ppm) = breaker.get("same_leading_signal").and_then(|at| share_ppm(&at)) {
        rule.same_leading_signal_ppm = ppm;
    }
    if let Some(at) = breaker.get("keep") {
        rule.keep = actions(&at).into_iter().collect();
    }
    if let Some(ms) = breaker.get("for").and_then(|at| span(&at, MINUTE_MS, 7 * DAY_MS)) {
        rule.lasts_ms = ms;
    }
}
