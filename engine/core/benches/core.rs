//! What one record costs the core over a warm profile, decoding excluded.
//!
//! `cargo bench -p portcullis-core --bench core`. An iteration is a batch of 256 records over 64 subjects, as SCORE runs them; divide
//! the time by 256, or read the throughput. Targets: an API event at most 0.7 us, a log-in at most 1.5 us (identity and source record).

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_core::batch::{Entry, PartitionState, Room, apply};
use portcullis_core::event::Event;
use portcullis_core::policy::Policy;
use portcullis_core::profile::Profile;
use portcullis_core::record::Position;
use portcullis_core::shelf::MemoryShelf;
use portcullis_core::subject::{Kind, Subject};
use portcullis_core::time::Time;
use std::hint::black_box;

const SUBJECTS: usize = 64;
const BATCH: usize = 256;
const START: i64 = 1_772_409_600_000;

/// The JSON of the event number `n`; about 450 bytes, as gateways and identity providers write them.
fn api_request(n: usize) -> String {
    let (who, route, place) = (n % SUBJECTS, n / SUBJECTS % 12, n % 3);
    format!(
        r#"{{"id":"req-{n:012}","time":{START},"type":"api.request","outcome":"success","tenant":"retail-ch","identity":{{"id":"user-{who:08}","class":"customer"}},"credential":{{"id":"tok-{who:08}","kind":"access_token","issued_at":{START}}},"session":{{"id":"sess-{who:08}"}},"source":{{"ip":"192.0.2.{place}","asn":64500,"country":"CH","lat":47.37,"lon":8.54,"radius_km":20,"device_id":"dev-{who:08}","ja4":"t13d1516h2_8daaf6152771_b0da82dd1658","user_agent":"Mozilla/5.0"}},"request":{{"method":"GET","route":"/v1/resource-{route}","status":200,"scope":"orders:read"}}}}"#
    )
}

fn login(n: usize) -> String {
    let (who, place) = (n % SUBJECTS, n % 3);
    let (outcome, failure) = if (n / SUBJECTS).is_multiple_of(10) { ("failure", r#","failure":"bad_password""#) } else { ("success", "") };
    format!(
        r#"{{"id":"log-{n:012}","time":{START},"type":"auth.login","outcome":"{outcome}","tenant":"retail-ch","identity":{{"id":"user-{who:08}","class":"customer"}},"session":{{"id":"sess-{who:08}-{}"}},"source":{{"ip":"192.0.2.{place}","asn":64500,"country":"CH","lat":47.37,"lon":8.54,"radius_km":20,"device_id":"dev-{who:08}","ja4":"t13d1516h2_8daaf6152771_b0da82dd1658","user_agent":"Mozilla/5.0"}},"auth":{{"method":"password"{failure}}}}}"#,
        n / SUBJECTS / 20
    )
}

/// Feeds batches of decoded events to the core; each comes with a new id and a later time.
struct Feed {
    policy: Policy,
    state: PartitionState,
    room: Room,
    shelf: MemoryShelf<Profile>,
    keys: Vec<Vec<u8>>,
    events: Vec<Event<'static>>,
    ids: Vec<String>,
    offset: i64,
    step_ms: i64,
}

impl Feed {
    fn new(kind: Kind, json: fn(usize) -> String, step_ms: i64, warm: usize) -> Feed {
        // As many different events as there are ids to tell them apart by; the ids are swapped in from a ring far longer than any memory.
        let events: Vec<Event<'static>> =
            (0..BATCH * 24).map(|n| serde_json::from_str::<Event>(Box::leak(json(n).into_boxed_str())).unwrap()).collect();
        let keys = events
            .iter()
            .map(|e| match kind {
                Kind::Source => Subject::new(kind, &e.tenant, e.ip().unwrap()).key(),
                _ => Subject::new(kind, &e.tenant, e.identity_id().unwrap()).key(),
            })
            .collect();
        let mut feed = Feed {
            policy: Policy::default_policy(),
            state: PartitionState::default(),
            room: Room::default(),
            shelf: MemoryShelf::default(),
            keys,
            ids: events.iter().map(|e| e.id.as_str().to_owned()).collect(),
            events,
            offset: 0,
            step_ms,
        };
        // Past learning: two months of slow traffic, then as many batches of the traffic that is measured as its rhythm needs.
        feed.step_ms = 250_000;
        for _ in 0..96 {
            feed.batch();
        }
        feed.step_ms = step_ms;
        for _ in 0..warm {
            feed.batch();
        }
        feed
    }

    fn batch(&mut self) -> usize {
        let from = self.offset as usize % self.events.len();
        let (mut now, step_ms) = (self.state.log_time.0.max(START), self.step_ms);
        for event in &mut self.events[from..from + BATCH] {
            now += step_ms;
            event.time = Time(now);
            if let Some(credential) = &mut event.credential {
                credential.issued_at = Some(Time(now - 3_600_000)); // fresh
            }
        }
        let entries: Vec<Entry> = (from..from + BATCH)
            .map(|i| Entry {
                position: Position { partition: 0, offset: self.offset + (i - from) as i64, appended_at: self.events[i].time },
                key: &self.keys[i],
                event: Some(&self.events[i]),
                is_first: true,
            })
            .collect();
        let mut out = Vec::new();
        let Ok(counts) = apply(&self.policy, "events", &mut self.state, &mut self.shelf, &entries, &mut self.room, &mut out);
        assert_eq!(counts.judged as usize, BATCH, "nothing may be dropped as a repeat ({} ids)", self.ids.len());
        self.offset += BATCH as i64;
        out.len()
    }
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, kind, json, step_ms, warm) in [
        // A call a minute; one every two seconds and a half, whose windows have long gone over to panes; a log-in every four minutes.
        ("api.request, identity", Kind::Identity, api_request as fn(usize) -> String, 900, 96),
        ("api.request, busy identity", Kind::Identity, api_request, 40, 6_000),
        ("auth.login, identity", Kind::Identity, login, 4_000, 96),
        ("auth.login, source", Kind::Source, login, 4_000, 96),
    ] {
        let mut feed = Feed::new(kind, json, step_ms, warm);
        assert!((0..24).all(|_| feed.batch() <= 20), "{name} is meant to be quiet traffic");
        group.bench_function(name, |b| b.iter(|| black_box(feed.batch())));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
