//! `portcullis policy diff A B`: what the second policy decides by that the first does not. Of everything in force, so that a default that was
//! written down is no difference, and one that was left out is.

use portcullis_core::policy::Policy;
use portcullis_core::policy::effective::effective;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One line for each number or word that differs, by its place in the policy; empty where nothing does.
pub fn diff(a: &Policy, b: &Policy) -> String {
    let (a, b) = (leaves(a), leaves(b));
    let mut out = String::new();
    for place in a.keys().chain(b.keys().filter(|place| !a.contains_key(*place))) {
        // Writing to a string cannot fail.
        let _ = match (a.get(place), b.get(place)) {
            (Some(was), Some(is)) if was == is => Ok(()),
            (Some(was), Some(is)) => writeln!(out, "{place}: {was} -> {is}"),
            (Some(was), None) => writeln!(out, "{place}: {was} -> gone"),
            (None, Some(is)) => writeln!(out, "{place}: new, {is}"),
            (None, None) => Ok(()),
        };
    }
    out
}

/// Every value of the policy as it is in force, by its place: `signals.new_place.weight`. Playbooks go by their id, the steps of a ladder by their
/// number, for their order matters, and what else a list holds by itself.
fn leaves(policy: &Policy) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    // Indentation and name of the lines that hold the present one.
    let mut above: Vec<(usize, String)> = Vec::new();
    let (mut order, mut steps) = (Vec::new(), BTreeMap::<String, usize>::new());
    for line in effective(policy).lines().filter(|l| !l.trim_start().starts_with('#')) {
        let indent = line.len() - line.trim_start().len();
        let line = without_comment(line.trim_start());
        above.retain(|(of, _)| *of < indent);
        let place = |name: &str| above.iter().map(|(_, n)| n.as_str()).chain([name]).collect::<Vec<_>>().join(".");
        if let Some(id) = line.strip_prefix("- id: ") {
            if place("") == "playbooks." {
                order.push(id.to_owned());
            }
            above.push((indent, id.trim_matches('"').to_owned()));
        } else if let Some(item) = line.strip_prefix("- ") {
            let ladder = place("");
            if ladder.starts_with("playbooks.") {
                let step = steps.entry(ladder.clone()).or_default();
                *step += 1;
                leaves.insert(format!("{ladder}{step}"), item.to_owned());
            } else {
                leaves.insert(place(item), "listed".to_owned());
            }
        } else if let Some((name, value)) = line.split_once(": ") {
            leaves.insert(place(name), value.to_owned());
        } else {
            above.push((indent, line.trim_end_matches(':').to_owned()));
        }
    }
    // The first that matches is the one.
    leaves.insert("playbooks, in this order".to_owned(), order.join(", "));
    leaves
}

/// What `effective` explains of a value stands behind it, and behind its quotes.
fn without_comment(line: &str) -> &str {
    let quoted = line.rfind('"').unwrap_or(0);
    line[quoted..].find(" # ").map_or(line, |at| &line[..quoted + at]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::policy::parse::{DEFAULT_TEXT, parse};

    fn changed(from: &str, to: &str) -> String {
        assert!(DEFAULT_TEXT.contains(from), "{from}");
        let other = parse("other.yaml", &DEFAULT_TEXT.replacen(from, to, 1)).unwrap_or_else(|f| panic!("{f:?}"));
        diff(&Policy::default_policy(), &other)
    }

    #[test]
    fn what_differs_is_told_by_its_place() {
        assert_eq!(diff(&Policy::default_policy(), &Policy::default_policy()), "");
        assert_eq!(changed("customer: -35", "customer: -33"), "prior_db.customer: -35 -> -33\n");
        assert_eq!(changed("emit: changes", "emit: floor"), "emit: changes -> floor\n");
        assert_eq!(changed("guessing: 30m", "guessing: 1800s"), "", "the same, written otherwise");
        let told =
            changed("signals: {}", "signals: { new_place: { weight: weak }, cadence_surge: { by_class: { agent: { weight: 7 } } } }");
        assert!(told.lines().any(|l| l.starts_with("signals.new_place.weight: ") && l.ends_with(" -> 5")), "{told}");
        assert!(
            told.contains("signals.cadence_surge.by_class.agent.weight: ") && told.lines().all(|l| l.starts_with("signals.")),
            "{told}"
        );
        let exception = "signals: {}\nexceptions: [{ id: m, owner: o, reason: 'ticket # 1', expires: 2027-01-31, subject: { label: x }, signals: [scope], within: { asns: [1] } }]";
        assert_eq!(
            changed("signals: {}", exception),
            "exceptions.m.expires: new, 2027-01-31\nexceptions.m.owner: new, \"o\"\nexceptions.m.reason: new, \"ticket # 1\"\n\
             exceptions.m.signals: new, [\"scope\"]\nexceptions.m.subject: new, { label: \"x\" }\nexceptions.m.within: new, { asns: [1] }\n"
        );
        let told = changed("high: [{ action: throttle, revert_after: 1h }, open_case]", "high: [open_case]");
        let steps = "playbooks.shared-machine.high.1: { action: throttle, revert_after: 1h } -> open_case\nplaybooks.shared-machine.high.2: open_case -> gone\n";
        assert_eq!(told, steps);
    }
}
