//! Weights, floors and thresholds of the signals, for everybody and by class.

use crate::event::Class;
use crate::policy::yaml::{At, Map};
use crate::policy::{Policy, SignalSettings};
use crate::signal::{self, Signal};
use crate::subject::Kind;
use crate::verdict::{Centibans, Family, Level, Mode};

/// Words for weights, decibans: 5 dB is three times likelier, 10 ten times, 15 thirty times, 25 three hundred times.
pub(crate) const WEIGHT_WORDS: [(&str, i32); 4] = [("weak", 5), ("moderate", 10), ("strong", 15), ("decisive", 25)];

/// The greatest weight of one signal, decibans.
const WEIGHT_DB_MAX: i32 = 60;

const AT_LEAST_NAMES: [&str; 4] = ["none", "medium", "high", "critical"];

pub(super) fn read(map: &Map<'_>, policy: &mut Policy) {
    let Some(signals) = map.get("signals").and_then(|at| at.map()) else { return };
    for (signal, slot) in signal::ALL.iter().zip(&mut policy.signals) {
        let Some(entry) = signals.get(signal.name).and_then(|at| at.map()) else { continue };
        if let Some(mode) = entry.get("mode").and_then(|at| at.word(Mode::NAMES, Mode::from_name)) {
            slot.mode = mode;
        }
        for settings in &mut slot.by_class {
            read_settings(&entry, signal, settings);
        }
        let Some(at) = entry.get("by_class") else { continue };
        let Some(classes) = at.map() else { continue };
        if !signal.on.contains(&Kind::Identity) {
            at.fault(format!("{} does not speak of identities, so classes do not matter to it", signal.name));
        }
        for class in Class::ALL {
            let Some(at) = classes.get(class.name()) else { continue };
            let Some(settings) = at.map() else { continue };
            if signal.on.contains(&Kind::Identity) && !signal.applies_to(Kind::Identity, *class) {
                at.fault(format!("{} never speaks of {class} identities", signal.name));
            }
            read_settings(&settings, signal, &mut slot.by_class[*class as usize]);
        }
    }
}

fn read_settings(map: &Map<'_>, signal: &'static Signal, settings: &mut SignalSettings) {
    if let Some(weight) = map.get("weight").and_then(|at| weight(&at, signal.family == Family::Protective)) {
        settings.weight = weight;
    }
    if let Some(at) = map.get("at_least") {
        // The outer `None` is a fault, the inner one takes a floor away that the catalogue gives.
        if let Some(level) = at_least(&at) {
            if level.is_some() && signal.family == Family::Protective {
                at.fault(format!("{} speaks for the subject, it cannot raise a level", signal.name));
            }
            settings.at_least = level;
        }
    }
    for (param, value) in signal.params.iter().zip(&mut settings.params) {
        if let Some(number) = map.get(param.name).and_then(|at| at.integer(param.least..=param.most)) {
            *value = number;
        }
    }
}

/// A level that a fact reaches alone; `none` for no fact.
pub(super) fn at_least(at: &At<'_>) -> Option<Option<Level>> {
    at.word(&AT_LEAST_NAMES, |word| match word {
        "none" => Some(None),
        word => Level::from_name(word).filter(|l| *l != Level::Low).map(Some),
    })
}

/// A word or a number of decibans; what protects weighs below zero.
pub(super) fn weight(at: &At<'_>, protective: bool) -> Option<Centibans> {
    if let Some((_, db)) = WEIGHT_WORDS.iter().find(|(word, _)| at.is_word(word)) {
        return Some(Centibans::from_db(if protective { -db } else { *db }));
    }
    if at.is_number() {
        return at.decibans(if protective { -WEIGHT_DB_MAX..=0 } else { 0..=WEIGHT_DB_MAX });
    }
    at.word(&WEIGHT_WORDS.map(|(word, _)| word), |_| None)
}
