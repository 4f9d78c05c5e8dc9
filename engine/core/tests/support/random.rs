//! Random logs in which everything meets everything, with late and repeated events.
#![allow(dead_code)]

use super::Log;
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Checkout, CheckoutResult, Class, Credential, CredentialKind, Event, EventType, Feedback, Identity,
    Inventory, Label, Outcome, Request, Session, Source,
};
use portcullis_core::time::Time;
use proptest::prelude::*;

/// A handful of identities, places, devices and cards, so that everything meets everything.
fn event() -> impl Strategy<Value = (i64, i64, Event<'static>)> {
    let kind = prop::sample::select(vec![
        EventType::AuthLogin,
        EventType::AuthLogin,
        EventType::AuthMfa,
        EventType::ApiRequest,
        EventType::ApiRequest,
        EventType::CheckoutAttempt,
        EventType::AuthRecovery,
        EventType::CredentialCreate,
        EventType::FeedbackLabel,
        EventType::InventoryIdentity,
    ]);
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let class = prop::sample::select(vec![None, Some(Class::Customer), Some(Class::Service), Some(Class::Admin)]);
    let method = prop::sample::select(vec![AuthMethod::Password, AuthMethod::Push, AuthMethod::Webauthn]);
    let failure =
        prop::sample::select(vec![None, Some(AuthFailure::BadPassword), Some(AuthFailure::MfaDenied), Some(AuthFailure::UnknownIdentity)]);
    let step = prop_oneof![5 => 0i64..90_000, 1 => 0i64..40 * 86_400_000, 1 => Just(0)];
    let late = prop_oneof![8 => Just(0i64), 1 => 0i64..7_200_000];
    (step, late, kind, outcome, class, method, failure, (0u8..5, 0u8..4, 0u8..3, 0u8..40)).prop_map(
        |(step, late, kind, outcome, class, method, failure, (who, place, device, id))| {
            let mut e = Event::new(kind, Time(0));
            e.outcome = outcome;
            e.identity = Some(Identity { id: format!("u-{who}").into(), class, ..Identity::default() });
            e.session = Some(Session { id: Some(format!("s-{who}").into()), parent: None });
            e.credential = Some(Credential {
                id: Some(format!("k-{who}").into()),
                kind: Some(CredentialKind::ApiKey),
                issued_at: Some(Time(1_700_000_000_000)),
                ..Credential::default()
            });
            e.source = Some(Source {
                ip: Some(format!("192.0.2.{place}").into()),
                asn: Some(u32::from(place)),
                country: Some(["CH", "NG", "US", "CH"][place as usize].into()),
                lat: Some([47.0, 9.0, 40.0, 46.0][place as usize]),
                lon: Some([8.0, 7.0, -74.0, 7.0][place as usize]),
                device_id: Some(format!("d-{device}").into()),
                workload: Some(format!("w-{place}").into()),
                ..Source::default()
            });
            e.auth = Some(Auth { method: Some(method), failure, ..Auth::default() });
            e.request = Some(Request { route: Some(format!("/v1/{place}").into()), ..Request::default() });
            if kind == EventType::CheckoutAttempt {
                let result = if outcome == Outcome::Success { CheckoutResult::Approved } else { CheckoutResult::Declined };
                e.checkout = Some(Box::new(Checkout {
                    card: Some(format!("c-{device}").into()),
                    amount: Some(100),
                    result: Some(result),
                    order: Some("o".into()),
                    ..Checkout::default()
                }));
            }
            if kind == EventType::FeedbackLabel {
                let signals = if place == 0 { vec!["new_device".into(), "new_place".into()] } else { Vec::new() };
                let (label, verdict_id) = (Label::ALL[device as usize], (place == 3).then(|| "v-1".into()));
                e.feedback = Some(Box::new(Feedback { subject: None, verdict_id, from: None, to: None, signals, label, by: None }));
            }
            if kind == EventType::InventoryIdentity {
                let labels = if place == 0 { Vec::new() } else { vec!["watched".into()] };
                e.inventory = Some(Box::new(Inventory { class, labels, ..Inventory::default() }));
            }
            if id == 0 {
                e.id = "the-same".into();
            }
            (step, late, e)
        },
    )
}

pub fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec(event(), 1..150).prop_map(|events| {
        let (mut log, mut now) = (Log::default(), Time(1_772_409_600_000));
        for (step, late, mut event) in events {
            now = now.plus(step);
            event.time = now.plus(-late);
            log.push(event);
        }
        log
    })
}
