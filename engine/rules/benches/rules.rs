//! What ten rules cost for a row, by the rows of a batch: `cargo bench -p portcullis-rules`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis_core::event::{Change, Class, Event, EventType, Identity, Outcome, Source};
use portcullis_core::row::Row;
use portcullis_core::rule::Asked;
use portcullis_core::subject::Kind;
use portcullis_core::time::Time;
use std::hint::black_box;

const RULES: &str = "version: t
playbooks: none
lists: { treasury: [svc-fx, svc-treasury] }
rules:
  - { id: a, weight: 5, family: privilege, when: \"type = 'secret.read' AND hour_of_week_share < 0.01 AND distinct_secrets_1h >= 3 AND NOT in_list('treasury', identity_id)\" }
  - { id: b, weight: 5, family: checkout, when: \"type = 'account.update' AND change_target = 'payee' AND spoke('new_device', '1h')\" }
  - { id: c, weight: 5, family: scope, when: \"starts_with(request_route, '/v1/export') AND bytes_1h > 5 * coalesce(usual_bytes_1h, 1000000)\" }
  - { id: d, weight: 5, family: guessing, when: \"outcome = 'failure' AND failed_1h / events_1h > 0.5 AND failed_1h > 20\" }
  - { id: e, weight: 5, family: place, when: \"new_country AND source_country IN ('KP', 'IR') AND class = 'admin'\" }
  - { id: f, weight: 5, family: device, when: \"source_user_agent LIKE '%HeadlessChrome%' AND class = 'customer'\" }
  - { id: g, weight: 5, family: cadence, when: \"events_1m > 100 OR events_5m > 300 OR events_1h > 2000\" }
  - { id: h, weight: 5, family: token, when: \"credential_age_days > 400 AND class = 'service' AND NOT in_network('own')\" }
  - { id: i, weight: 5, family: checkout, when: \"type = 'checkout.attempt' AND checkout_amount > 1000000 AND since_recovery_s < 3600\" }
  - { id: j, weight: 5, family: mfa, when: \"type = 'auth.login' AND new_method AND auth_method = 'legacy'\" }
";

/// Every tenth row is a secret that is read, every hundredth hits.
fn rows() -> Vec<(Event<'static>, Row)> {
    (0..1_024)
        .map(|i| {
            let kind = if i % 10 == 0 { EventType::SecretRead } else { EventType::ApiRequest };
            let mut event = Event::new(kind, Time(1_772_576_100_000 + i));
            event.outcome = Outcome::Success;
            event.identity = Some(Identity { id: format!("svc-{i}").into(), ..Identity::default() });
            event.source =
                Some(Source { ip: Some(format!("192.0.2.{}", i % 250).into()), country: Some("CH".into()), ..Source::default() });
            event.change = Some(Box::new(Change { secret: Some("db".into()), ..Change::default() }));
            let mut row = Row::new(Kind::Identity, Class::Service, event.time);
            row.events = [1, 4, 40];
            row.hour_share_ppm = Some(1_000);
            row.privilege.secrets_1h = if i % 100 == 0 { 4 } else { 1 };
            (event, row)
        })
        .collect()
}

fn rules(c: &mut Criterion) {
    let policy = portcullis_rules::parse("bench.yaml", RULES).unwrap_or_else(|faults| panic!("{faults:?}"));
    let plan = policy.rules.planned().unwrap_or_else(|| panic!("no rules"));
    let rows = rows();
    let asked: Vec<Asked<'_>> = rows.iter().map(|(event, row)| Asked { event, row, spoke: &[], heard: &[] }).collect();
    let mut group = c.benchmark_group("ten_rules");
    for size in [1, 16, 128, 256, 1_024] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &asked[..size], |b, asked| b.iter(|| plan.answer(black_box(asked))));
    }
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
