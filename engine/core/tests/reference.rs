//! The engine's windowed features against a naive model that keeps all history and recomputes each of them from it, over random logs with
//! late and repeated events. As many events as the windows keep one by one, so that both must agree exactly.

use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Checkout, CheckoutResult, Class, Event, EventType, Identity, Outcome, Privileged, Request,
    Source,
};
use portcullis_core::observe::{Observation, observe};
use portcullis_core::policy::Policy;
use portcullis_core::profile::Profile;
use portcullis_core::record::Position;
use portcullis_core::row::Row;
use portcullis_core::sample::TenantSample;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use proptest::prelude::*;
use std::collections::BTreeSet;

const IDENTITY: SubjectRef<'static> = SubjectRef { kind: Kind::Identity, tenant: "default", id: "sue" };
const SOURCE: SubjectRef<'static> = SubjectRef { kind: Kind::Source, tenant: "default", id: "192.0.2.1" };

/// Fewer than any window keeps one by one (8 refunds, 12 pushes, 16 refusals are the least).
const EVENTS_MAX: usize = 8;

fn event() -> impl Strategy<Value = (i64, i64, Event<'static>)> {
    use EventType::*;
    let kinds = vec![AuthLogin, AuthLogin, AuthMfa, ApiRequest, ApiRequest, SecretRead, PrivilegedCommand, CheckoutAttempt, CheckoutRefund];
    let step = prop_oneof![4 => 0i64..4 * MINUTE_MS, 2 => 0i64..2 * HOUR_MS, 1 => 0i64..2 * DAY_MS];
    let late = prop_oneof![4 => Just(0i64), 1 => 0i64..30 * MINUTE_MS, 1 => 0i64..30 * HOUR_MS];
    let outcome = prop::sample::select(vec![Outcome::Success, Outcome::Failure, Outcome::Unknown]);
    (step, late, prop::sample::select(kinds), outcome, 0u8..3, 0u8..4, 0u64..900, any::<bool>()).prop_map(
        |(step, late, kind, outcome, place, thing, number, odd)| {
            let mut e = Event::new(kind, Time(0));
            e.outcome = outcome;
            e.identity = Some(Identity { id: "sue".into(), class: Some(Class::Support), ..Identity::default() });
            e.source = Some(Source { ip: Some(format!("192.0.2.{place}").into()), ..Source::default() });
            let failure = if odd { AuthFailure::MfaTimeout } else { AuthFailure::BadPassword };
            e.auth = Some(Auth {
                method: Some(if kind == AuthMfa { AuthMethod::Push } else { AuthMethod::Password }),
                failure: (kind.is_auth() && outcome == Outcome::Failure).then_some(failure),
                ..Auth::default()
            });
            match kind {
                ApiRequest => {
                    e.request = Some(Request {
                        object: odd.then(|| format!("o-{thing}").into()),
                        target: Some(format!("u-{thing}").into()),
                        bytes: Some(number),
                        status: Some(if thing == 0 { 404 } else { 200 }),
                        ..Request::default()
                    });
                }
                SecretRead => e.change = Some(Box::new(Change { secret: Some(format!("s-{thing}").into()), ..Change::default() })),
                PrivilegedCommand => {
                    e.privileged = Some(Box::new(Privileged { target: Some(format!("t-{thing}").into()), ..Privileged::default() }));
                }
                CheckoutAttempt | CheckoutRefund => {
                    let result = if odd { CheckoutResult::Declined } else { CheckoutResult::Approved };
                    e.checkout = Some(Box::new(Checkout {
                        amount: Some(number as i64),
                        card: Some(format!("c-{thing}").into()),
                        result: Some(result),
                        ..Checkout::default()
                    }));
                }
                _ => {}
            }
            (step, late, e)
        },
    )
}

/// Events in the order of the log; each may be repeated at once or later.
fn log() -> impl Strategy<Value = Vec<Event<'static>>> {
    (
        prop::collection::vec(event(), 1..EVENTS_MAX),
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
    )
        .prop_map(|(events, repeats)| {
            let (mut log, mut now) = (Vec::new(), Time(1_772_409_600_000));
            for (i, (step, late, mut event)) in events.into_iter().enumerate() {
                now = now.plus(step);
                event.time = now.plus(-late);
                event.id = format!("e-{i}").into();
                log.push(event);
            }
            for (which, at) in repeats {
                let event = log[which.index(log.len())].clone();
                let first = log.iter().position(|e| e.id == event.id).unwrap();
                log.insert(first + 1 + at.index(log.len() - first), event);
            }
            log
        })
}

/// What was seen, each event with whether its source was familiar when it came.
#[derive(Default)]
struct History {
    seen: Vec<(Event<'static>, bool)>,
    now: Time,
}

impl History {
    fn add(&mut self, event: &Event<'static>) {
        let familiar = self.seen.iter().any(|(e, _)| e.accepted() && e.ip() == event.ip());
        self.now = self.now.max(event.time);
        self.seen.push((event.clone(), familiar));
    }

    /// Events in `(now - span, now]` for which `what` holds.
    fn within<'a>(&'a self, span_ms: i64, what: impl Fn(&Event<'static>, bool) -> bool + 'a) -> impl Iterator<Item = &'a Event<'static>> {
        let from = self.now.plus(-span_ms);
        self.seen.iter().filter(move |(e, familiar)| e.time > from && what(e, *familiar)).map(|(e, _)| e)
    }

    fn count(&self, span_ms: i64, what: impl Fn(&Event<'static>, bool) -> bool) -> u32 {
        self.within(span_ms, what).count() as u32
    }

    fn distinct(&self, span_ms: i64, what: impl Fn(&Event<'static>) -> Option<String>) -> u32 {
        self.within(span_ms, |_, _| true).filter_map(what).collect::<BTreeSet<_>>().len() as u32
    }
}

fn guess(e: &Event<'_>, familiar: bool) -> bool {
    e.kind.is_auth() && e.failed() && e.failure() == Some(AuthFailure::BadPassword) && !familiar
}

fn declined(e: &Event<'_>) -> bool {
    e.kind == EventType::CheckoutAttempt && e.checkout.as_ref().unwrap().result == Some(CheckoutResult::Declined)
}

fn amount(e: &Event<'_>) -> i64 {
    e.checkout.as_ref().and_then(|c| c.amount).unwrap_or(0)
}

/// Every windowed feature that the event asks for: its name, what the engine says, what the history says.
fn features(event: &Event<'_>, row: &Row, h: &History) -> Vec<(&'static str, i64, i64)> {
    use EventType::*;
    let mut list: Vec<(&str, i64, i64)> = Vec::new();
    for (i, (name, span)) in [("events_1m", MINUTE_MS), ("events_5m", 5 * MINUTE_MS), ("events_1h", HOUR_MS)].into_iter().enumerate() {
        list.push((name, row.events[i].into(), h.count(span, |_, _| true).into()));
    }
    list.push(("failed_1h", row.failed_1h.into(), h.count(HOUR_MS, guess).into()));
    let requests = |what: for<'a> fn(&'a Request<'static>) -> Option<&'a str>| {
        move |e: &Event<'static>| e.request.as_ref().filter(|_| e.kind == ApiRequest).and_then(what).map(str::to_owned)
    };
    match event.kind {
        AuthLogin | AuthMfa => {
            let denied = |e: &Event<'_>, _: bool| {
                e.method() == Some(AuthMethod::Push) && e.outcome != Outcome::Success && e.failure() == Some(AuthFailure::MfaTimeout)
            };
            list.push(("failed_10m", row.failed_10m.into(), h.count(10 * MINUTE_MS, guess).into()));
            list.push(("push_denied_10m", row.push_denied_10m.into(), h.count(10 * MINUTE_MS, denied).into()));
        }
        ApiRequest => {
            let request = event.request.as_ref().unwrap();
            if request.object.is_some() {
                list.push((
                    "objects_10m",
                    row.reach.objects_10m.into(),
                    h.distinct(10 * MINUTE_MS, requests(|r| r.object.as_deref())).into(),
                ));
            }
            if request.status == Some(404) {
                let refused = |e: &Event<'_>, _: bool| e.request.as_ref().is_some_and(|r| r.status == Some(404));
                list.push(("refused_5m", row.reach.refused_5m.into(), h.count(5 * MINUTE_MS, refused).into()));
            }
            let bytes = |e: &Event<'_>| e.request.as_ref().and_then(|r| r.bytes).unwrap_or(0) as i64;
            if bytes(event) > 0 {
                list.push(("bytes_1h", row.reach.bytes_1h as i64, h.within(HOUR_MS, |_, _| true).map(bytes).sum()));
            }
            list.push(("customers_1h", row.reach.customers_1h.into(), h.distinct(HOUR_MS, requests(|r| r.target.as_deref())).into()));
        }
        SecretRead if event.accepted() => {
            let secret =
                |e: &Event<'static>| e.change.as_ref().filter(|_| e.accepted()).and_then(|c| c.secret.as_deref()).map(str::to_owned);
            list.push(("secrets_1h", row.privilege.secrets_1h.into(), h.distinct(HOUR_MS, secret).into()));
        }
        PrivilegedCommand if event.accepted() => {
            let target =
                |e: &Event<'static>| e.privileged.as_ref().filter(|_| e.accepted()).and_then(|p| p.target.as_deref()).map(str::to_owned);
            list.push(("targets_1h", row.privilege.targets_1h.into(), h.distinct(HOUR_MS, target).into()));
        }
        CheckoutAttempt => {
            let attempt = |e: &Event<'_>, _: bool| e.kind == CheckoutAttempt;
            list.push(("checkouts_10m", row.checkouts_10m.into(), h.count(10 * MINUTE_MS, attempt).into()));
            list.push(("declines_10m", row.declines_10m.into(), h.count(10 * MINUTE_MS, |e, _| declined(e)).into()));
            list.push(("count_1h", row.shop.count_1h.into(), h.count(HOUR_MS, attempt).into()));
            list.push(("count_24h", row.shop.count_24h.into(), h.count(DAY_MS, attempt).into()));
            list.push(("sum_24h", row.shop.sum_24h, h.within(DAY_MS, attempt).map(|e| amount(e)).sum()));
            let card = |e: &Event<'static>| e.card().filter(|_| e.kind == CheckoutAttempt).map(str::to_owned);
            list.push(("cards_10m", row.cards_10m.into(), h.distinct(10 * MINUTE_MS, card).into()));
        }
        CheckoutRefund => {
            let refund = |e: &Event<'_>, _: bool| e.kind == CheckoutRefund;
            list.push(("refunds_24h", row.shop.refunds_24h.into(), h.count(DAY_MS, refund).into()));
            list.push(("refunds_sum_24h", row.shop.refunds_sum_24h, h.within(DAY_MS, refund).map(|e| amount(e)).sum()));
        }
        _ => {}
    }
    list
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windowed_features_are_what_all_history_says(log in log()) {
        let (policy, mut sample, mut profile, mut history) =
            (Policy::default_policy(), TenantSample::default(), Profile::default(), History::default());
        let mut seen = Observation::default();
        let mut ids = BTreeSet::new();
        for (offset, event) in log.iter().enumerate() {
            let position = Position { partition: 0, offset: offset as i64, appended_at: history.now.max(event.time) };
            observe(&policy, &mut sample, &mut profile, IDENTITY, event, &position, &mut seen);
            prop_assert_eq!(seen.repeat, !ids.insert(event.id.as_str().to_owned()));
            if seen.repeat {
                continue;
            }
            history.add(event);
            for (name, engine, naive) in features(event, &seen.row, &history) {
                prop_assert_eq!(engine, naive, "{} at event {} ({})", name, offset, event.kind);
            }
        }
    }

    #[test]
    fn a_source_counts_its_people_as_all_history_does(log in prop::collection::vec((0i64..20 * MINUTE_MS, 0u8..9, any::<bool>()), 1..40)) {
        let (policy, mut sample, mut profile) = (Policy::default_policy(), TenantSample::default(), Profile::default());
        let mut seen = Observation::default();
        let (mut now, mut history) = (Time(1_772_409_600_000), Vec::new());
        for (offset, (step, who, unknown)) in log.into_iter().enumerate() {
            now = now.plus(step);
            let mut e = Event::new(if unknown { EventType::AuthLogin } else { EventType::AccountCreate }, now);
            e.id = format!("e-{offset}").into();
            e.outcome = if unknown { Outcome::Failure } else { Outcome::Success };
            e.identity = Some(Identity { id: format!("u-{who}").into(), ..Identity::default() });
            e.auth = Some(Auth { failure: unknown.then_some(AuthFailure::UnknownIdentity), ..Auth::default() });
            let position = Position { partition: 0, offset: offset as i64, appended_at: now };
            observe(&policy, &mut sample, &mut profile, SOURCE, &e, &position, &mut seen);
            let row = &seen.row;
            history.push((now, who, unknown));
            let distinct = |span: i64, unknown: bool| {
                let within = history.iter().filter(|(t, _, u)| *t > now.plus(-span) && *u == unknown);
                within.map(|(_, who, _)| *who).collect::<BTreeSet<u8>>().len() as u32
            };
            if unknown {
                prop_assert_eq!(row.unknown_15m, distinct(15 * MINUTE_MS, true));
            } else {
                prop_assert_eq!(row.shop.signups_1h, distinct(HOUR_MS, false));
            }
        }
    }
}
