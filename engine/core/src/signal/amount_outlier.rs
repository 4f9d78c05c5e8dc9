//! `amount_outlier`: an amount far above what this identity or card usually pays, by robust z of its logarithm.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 53,
    name: "amount_outlier",
    family: Family::Checkout,
    on: &[Kind::Identity, Kind::Card],
    weight_db: 8,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::CHECKOUT,
    params: &[
        Param { name: "z_tenths", default: 40, least: 10, most: 1000, doc: "robust z at which it begins to speak, tenths" },
        Param { name: "full_tenths", default: 90, least: 11, most: 10000, doc: "at full strength" },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "An amount far above what this identity or card usually pays, by robust z of its logarithm.",
        why: "A thief does not buy what the owner buys.",
        silent: "Until six amounts are known, and for small amounts.",
        source: "Hampel, The Influence Curve and Its Role in Robust Estimation (1974)",
    },
    speak,
};

const Z_TENTHS: usize = 0;
const FULL_TENTHS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (z, p) = (i64::from(look.row.shop.amount_z_tenths?), &settings.params);
    if z < p[Z_TENTHS] {
        return None;
    }
    let amount = look.event.checkout.as_ref().and_then(|c| c.amount).unwrap_or(0);
    Some(Said {
        strength_permille: graded(z, p[Z_TENTHS], p[FULL_TENTHS]),
        observed: format!("{amount} minor units, {}.{} robust deviations above the median", z / 10, z % 10),
        expected: format!("at most {}.{}", p[Z_TENTHS] / 10, p[Z_TENTHS] % 10),
        detail: format!("an amount of {amount} is far above what it usually is"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_large_amounts_only() {
        let said = |z| example(&SIGNAL, |_, row| row.shop.amount_z_tenths = z).map(|s| s.strength_permille);
        assert_eq!(said(Some(90)), Some(1_000));
        assert_eq!(said(Some(40)), Some(500));
        assert_eq!(said(Some(-90)), None, "small change");
        assert_eq!(said(None), None);
    }
}
