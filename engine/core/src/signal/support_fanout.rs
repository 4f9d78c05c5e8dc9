//! `support_fanout`: a support identity opens far more different customers in an hour than it ever has.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::Class;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 41,
    name: "support_fanout",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 32,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::API,
    params: &[
        Param { name: "customers", default: 30, least: 2, most: 100000, doc: "different customers opened in 1 h" },
        Param { name: "times", default: 2, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full_times", default: 4, least: 2, most: 10000, doc: "times the usual at full strength" },
    ],
    attack: &["T1530"],
    nhi: &[],
    doc: Doc {
        sees: "A support identity opens far more different customers in an hour than it ever has.",
        why: "Support tools open every customer, so their users are bribed, phished and impersonated.",
        silent: "For a busy day of somebody who is often busy, and for identities of other classes.",
        source: "MITRE ATT&CK T1530; the insider and call-centre cases of the Verizon DBIR",
    },
    speak,
};

const CUSTOMERS: usize = 0;
const TIMES: usize = 1;
const FULL_TIMES: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (reach, p) = (look.row.reach, &settings.params);
    let (count, usual) = (reach.customers_1h, reach.usual_customers_1h);
    if look.row.class != Class::Support || look.row.learning || !far_above(count, usual, p[CUSTOMERS], p[TIMES]) {
        return None;
    }
    Some(Said {
        strength_permille: graded(i64::from(count) * 100 / i64::from(usual.max(1)), p[TIMES] * 100, p[FULL_TIMES] * 100),
        observed: format!("{count} customers opened in 1 h"),
        expected: format!("about {usual}"),
        detail: format!("opened {count} different customers within an hour, usually about {usual}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Reach;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_customers() {
        let said = |class, customers_1h, usual_customers_1h| {
            example(&SIGNAL, |_, row| {
                (row.class, row.learning) = (class, false);
                row.reach = Reach { customers_1h, usual_customers_1h, ..Reach::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Class::Support, 90, 8), Some(1_000));
        assert_eq!(said(Class::Support, 30, 15), Some(500));
        assert_eq!(said(Class::Support, 30, 16), None, "a busy day");
        assert_eq!(said(Class::Customer, 90, 8), None);
    }
}
