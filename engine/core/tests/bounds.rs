//! No input makes a profile grow past its caps, no flood makes it forget what protects its owner, and a typical one is small.

mod support;

use portcullis_core::event::{Checkout, Class, Credential, CredentialKind, Event, EventType, Identity, Outcome, Request, Session, Source};
use portcullis_core::memory::Memory;
use portcullis_core::memory::identity::IdentityMemory;
use portcullis_core::memory::source::SourceMemory;
use portcullis_core::observe::{Observation, observe};
use portcullis_core::policy::Policy;
use portcullis_core::profile::Profile;
use portcullis_core::record::Position;
use portcullis_core::row::Row;
use portcullis_core::sample::TenantSample;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use proptest::prelude::*;
use support::people::*;
use support::{Log, Run, start};

const OWNER: SubjectRef<'static> = SubjectRef { kind: Kind::Identity, tenant: "default", id: "ana" };
/// Any profile, however hard somebody tries. Most of it is panes of busy windows.
const PROFILE_MAX_BYTES: usize = 16 * 1024;

/// One identity as the core sees it.
struct Subject {
    policy: Policy,
    sample: TenantSample,
    profile: Profile,
    now: Time,
    events: u64,
}

impl Subject {
    fn new() -> Subject {
        Subject { policy: Policy::default_policy(), sample: TenantSample::default(), profile: Profile::default(), now: start(), events: 0 }
    }

    fn sees(&mut self, subject: SubjectRef<'_>, after_ms: i64, mut event: Event<'static>) -> Row {
        self.now = self.now.plus(after_ms);
        self.events += 1;
        event.time = self.now;
        event.id = format!("e-{}", self.events).into();
        let position = Position { partition: 0, offset: self.events as i64, appended_at: self.now };
        let mut seen = Observation::default();
        observe(&self.policy, &mut self.sample, &mut self.profile, subject, &event, &position, &mut seen);
        seen.row
    }

    fn bytes(&self) -> usize {
        let mut bytes = Vec::new();
        self.profile.encode(&mut bytes);
        bytes.len()
    }
}

/// An event of ana's in which everything that can be named is number `n`.
fn numbered(kind: EventType, n: u64) -> Event<'static> {
    let text = |what: &str| Some(format!("{what}-{n}").into());
    let mut e = Event::new(kind, Time(0));
    e.outcome = Outcome::Success;
    e.identity = Some(Identity { id: "ana".into(), class: Some(Class::Customer), on_behalf_of: text("principal"), ..Identity::default() });
    e.credential =
        Some(Credential { id: text("key"), kind: Some(CredentialKind::ApiKey), client_id: text("client"), ..Credential::default() });
    e.session = Some(Session { id: text("session"), parent: None });
    e.source = Some(Source {
        ip: Some(format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255).into()),
        asn: Some(n as u32),
        country: Some(format!("{:02}", n % 100).into()),
        lat: Some((n % 90) as f64),
        lon: Some((n % 180) as f64),
        device_id: text("device"),
        workload: text("workload"),
        ..Source::default()
    });
    e.request = Some(Request {
        route: text("route"),
        scope: text("scope"),
        object: text("object"),
        target: text("target"),
        bytes: Some(n),
        status: Some(404),
        ..Request::default()
    });
    e.checkout = Some(Box::new(Checkout {
        order: text("order"),
        card: text("card"),
        payee: text("payee"),
        amount: Some(n as i64 + 1),
        ..Checkout::default()
    }));
    e.change = Some(Box::new(portcullis_core::event::Change {
        secret: text("secret"),
        scope: Some("all".into()),
        value: text("value"),
        ..Default::default()
    }));
    e.agent = Some(Box::new(portcullis_core::event::Agent { tool: text("tool"), ..Default::default() }));
    e.privileged = Some(Box::new(portcullis_core::event::Privileged { target: text("target"), ..Default::default() }));
    e
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// An adversary sends events of any kind and class, each with names that nobody used before.
    #[test]
    fn no_input_grows_a_profile_past_its_caps(
        events in prop::collection::vec((prop::sample::select(EventType::ALL.to_vec()), prop::sample::select(Class::ALL.to_vec()), 0i64..20_000, any::<bool>(), any::<bool>()), 600..900),
    ) {
        let (mut identity, mut source) = (Subject::new(), Subject::new());
        for (n, (kind, class, pause, other, failed)) in events.into_iter().enumerate() {
            let mut event = numbered(kind, n as u64);
            event.identity.as_mut().unwrap().class = Some(class);
            if other {
                event.identity.as_mut().unwrap().id = format!("somebody-{n}").into();
            }
            if failed {
                event.outcome = Outcome::Failure;
            }
            identity.sees(OWNER, pause, event.clone());
            source.sees(SubjectRef { kind: Kind::Source, tenant: "default", id: "10.0.0.1" }, pause, event);
        }
        let Memory::Identity(memory) = &identity.profile.memory else { panic!("no identity") };
        prop_assert!(memory.entries() <= IdentityMemory::ENTRIES_MAX, "{}", memory.entries());
        let Memory::Source(memory) = &source.profile.memory else { panic!("no source") };
        prop_assert!(memory.entries() <= SourceMemory::ENTRIES_MAX, "{}", memory.entries());
        prop_assert!(identity.bytes() <= PROFILE_MAX_BYTES && source.bytes() <= PROFILE_MAX_BYTES, "{} {}", identity.bytes(), source.bytes());
    }

    /// Who is in for an hour cannot make it forget the owner, however many accepted events he causes.
    #[test]
    fn a_flood_does_not_evict_what_protects_the_owner(flood in 500u64..3_000, pause in 1i64..1_000) {
        let mut ana = Subject::new();
        let own = |kind| {
            let mut event = numbered(kind, 7);
            event.source.as_mut().unwrap().ip = Some("192.0.2.10".into());
            event
        };
        for _ in 0..10 {
            ana.sees(OWNER, 12 * HOUR_MS, own(EventType::ApiRequest));
            ana.sees(OWNER, HOUR_MS, own(EventType::CheckoutAttempt));
        }
        let mut revoked = numbered(EventType::CredentialRevoke, 1);
        revoked.credential.as_mut().unwrap().id = Some("stolen".into());
        (revoked.request, revoked.change) = (None, None); // her own
        ana.sees(OWNER, MINUTE_MS, revoked);
        for n in 0..flood {
            let kind = [EventType::ApiRequest, EventType::CheckoutAttempt, EventType::CredentialRotate][n as usize % 3];
            let mut event = numbered(kind, 1_000 + n);
            if kind == EventType::CredentialRotate {
                event.request = None;
            }
            ana.sees(OWNER, pause, event);
        }
        let row = ana.sees(OWNER, SECOND_MS, own(EventType::CheckoutAttempt));
        prop_assert!(row.device_known_days >= Some(4) && row.network_known_days >= Some(4), "{:?} {:?}", row.device_known_days, row.network_known_days);
        prop_assert!(row.new_country.is_none() && row.new_device.is_none() && row.known_workload && !row.new_card && !row.new_payee);
        let mut failed = own(EventType::AuthLogin);
        failed.outcome = Outcome::Failure;
        prop_assert!(ana.sees(OWNER, SECOND_MS, failed).source_familiar);
        let mut stolen = own(EventType::ApiRequest);
        stolen.credential.as_mut().unwrap().id = Some("stolen".into());
        prop_assert!(ana.sees(OWNER, HOUR_MS, stolen).fact.revoked.is_some_and(|r| !r.rotated));
        // Her session is still the measure for whoever takes it over.
        let mut taken = own(EventType::ApiRequest);
        taken.source.as_mut().unwrap().device_id = Some("thief".into());
        taken.source.as_mut().unwrap().asn = Some(666);
        prop_assert_eq!(ana.sees(OWNER, SECOND_MS, taken).session_moved.map(|m| m.changes()), Some(2));
    }
}

/// The encoded profile of the only identity in a log.
fn encoded(tell: fn(&mut Log), who: &str) -> usize {
    let mut log = Log::default();
    tell(&mut log);
    let run = Run::over(&Policy::default_policy(), &log, &[256]);
    let key = SubjectRef { kind: Kind::Identity, tenant: "default", id: who }.key();
    let (_, profile) = run.shelf.iter().find(|(k, _)| **k == *key).unwrap();
    let mut bytes = Vec::new();
    profile.encode(&mut bytes);
    bytes.len()
}

/// A log-in and three calls on every third day of two months, on two devices in two networks; a purchase every other week, or none.
fn customer(log: &mut Log, buys: bool) {
    for visit in 0..20 {
        let source = if visit % 3 == 0 {
            HOME.replace("d-home", "d-phone").replace("64500", "64501").replace("192.0.2.10", "198.51.100.9")
        } else {
            HOME.to_owned()
        };
        let time = start().plus((visit - 20) * 3 * DAY_MS + visit % 5 * HOUR_MS);
        let own = session(&format!("s-{visit}"));
        log.json_at(time, &login("success", &[&source, BY_PASSWORD, &own]));
        for call in 0..3 {
            let request = format!(r#""request":{{"method":"GET","route":"/v1/r-{call}","status":200}}"#);
            let time = time.plus((call + 1) * MINUTE_MS);
            log.json_at(time, &act("api.request", "success", "ana", "customer", &[&source, &own, &request]));
        }
        if buys && visit % 5 == 0 {
            let buy = checkout(&format!("o-{visit}"), "c-1", 2_500 + visit, "approved");
            log.json_at(time.plus(9 * MINUTE_MS), &act("checkout.attempt", "success", "ana", "customer", &[&source, &own, &buy]));
        }
    }
}

#[test]
fn a_typical_profile_is_small() {
    let reader = encoded(|log| customer(log, false), "ana");
    let shopper = encoded(|log| customer(log, true), "ana");
    // A service account: a job of two calls on every hour of thirty days.
    let service = encoded(
        |log| {
            for hour in 0..720 {
                for (call, route) in ["/v1/orders", "/v1/stock"].into_iter().enumerate() {
                    let time = start().plus((hour - 720) * HOUR_MS + call as i64 * SECOND_MS);
                    log.json_at(time, &call_of("sync", route, IN_CLUSTER, "key-1", 0));
                }
            }
        },
        "sync",
    );
    println!("customer {reader} bytes, one who buys {shopper} bytes, service {service} bytes");
    assert!(reader <= 512 && shopper <= 640 && service <= 512, "{reader}, {shopper}, {service} bytes");
}
