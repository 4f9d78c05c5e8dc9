//! Who the scenarios are about, and what they usually do.
#![allow(dead_code)]

use super::{Log, start};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// Home: known device, network and place. Zurich.
pub const HOME: &str = r#""source":{"ip":"192.0.2.10","asn":64500,"country":"CH","lat":47.37,"lon":8.54,"radius_km":20,"device_id":"d-home","ja4":"t13d1516h2_8daaf6152771_b0da82dd1658"}"#;
/// Somebody else's machine in the same country: new network and device.
pub const STRANGER: &str = r#""source":{"ip":"203.0.113.9","asn":64666,"country":"CH","lat":46.95,"lon":7.45,"radius_km":20,"device_id":"d-evil","ja4":"t12d0000h1_aaaaaaaaaaaa_bbbbbbbbbbbb"}"#;
/// Only an address: nothing is known of it.
pub const NOWHERE: &str = r#""source":{"ip":"203.0.113.9"}"#;
/// Lagos, on the owner's own device.
pub const LAGOS: &str =
    r#""source":{"ip":"198.51.100.7","asn":64777,"country":"NG","lat":6.45,"lon":3.39,"radius_km":20,"device_id":"d-home"}"#;

pub const BY_PASSWORD: &str = r#""auth":{"method":"password"}"#;
pub const BAD_PASSWORD: &str = r#""auth":{"method":"password","failure":"bad_password"}"#;
pub const BY_PUSH: &str = r#""auth":{"method":"push"}"#;
pub const PUSH_DENIED: &str = r#""auth":{"method":"push","failure":"mfa_denied"}"#;
pub const BY_PASSKEY: &str = r#""auth":{"method":"webauthn"}"#;

/// `"type":...,"outcome":...,"identity":{...}` and more fields.
pub fn act(kind: &str, outcome: &str, who: &str, class: &str, more: &[&str]) -> String {
    let more: String = more.iter().map(|m| format!(",{m}")).collect();
    format!(r#""type":"{kind}","outcome":"{outcome}","identity":{{"id":"{who}","class":"{class}"}}{more}"#)
}

pub fn login(outcome: &str, more: &[&str]) -> String {
    act("auth.login", outcome, "ana", "customer", more)
}

pub fn session(id: &str) -> String {
    format!(r#""session":{{"id":"{id}"}}"#)
}

pub fn checkout(order: &str, card: &str, amount: i64, result: &str) -> String {
    format!(r#""checkout":{{"order":"{order}","card":"{card}","amount":{amount},"result":"{result}"}}"#)
}

/// Two log-ins a day at home for the ten days before the start.
pub fn at_home(log: &mut Log, who: &str, class: &str) {
    for day in 0..10 {
        for hour in [0, 9] {
            let time = start().plus((day - 10) * DAY_MS + hour * HOUR_MS);
            log.json_at(time, &act("auth.login", "success", who, class, &[HOME, BY_PASSWORD]));
        }
    }
}

/// A job that ran every hour for ten days: `calls` calls a minute apart on two routes, from its own workload.
pub fn hourly_job(log: &mut Log, who: &str, calls: i64) {
    for hour in 0..240 {
        for call in 0..calls {
            let time = start().plus((hour - 240) * HOUR_MS + call * MINUTE_MS / calls.max(1));
            log.json_at(time, &call_of(who, if call % 2 == 0 { "/v1/orders" } else { "/v1/stock" }, IN_CLUSTER, "key-1", 0));
        }
    }
}

pub const IN_CLUSTER: &str =
    r#""source":{"ip":"192.0.2.50","asn":64500,"workload":"spiffe://corp/ns/shop/sa/sync","workload_proof":"mtls"}"#;
pub const OTHER_CLOUD: &str = r#""source":{"ip":"203.0.113.9","asn":64666,"workload":"i-0abc"}"#;

/// A call by a service account with a key that is `key_days` old.
pub fn call_of(who: &str, route: &str, source: &str, key: &str, key_days: i64) -> String {
    let issued = start().plus(-key_days * DAY_MS).0;
    let key = format!(r#""credential":{{"id":"{key}","kind":"api_key","issued_at":{issued}}}"#);
    act("api.request", "success", who, "service", &[source, &key, &format!(r#""request":{{"method":"GET","route":"{route}"}}"#)])
}

pub const SYNC: &str = "spiffe://corp/ns/shop/sa/sync";
/// The same job as a second deployment.
pub const GREEN: &str = r#""source":{"ip":"192.0.2.51","asn":64500,"workload":"spiffe://corp/ns/shop/sa/green","workload_proof":"mtls"}"#;

/// Ten days of the job; the second deployment ran two days ago, half an hour after the first.
pub fn green_before(log: &mut Log) {
    hourly_job(log, "sync", 2);
    let mut before = Log::default();
    std::mem::swap(log, &mut before);
    log.json_at(start().plus(-240 * HOUR_MS - 30 * MINUTE_MS), &call_of("sync", "/v1/orders", GREEN, "key-1", 0));
    log.records.append(&mut before.records);
}

/// Somebody acts upon another identity.
pub fn upon(kind: &str, who: &str, other: &str, more: &str) -> String {
    act(kind, "success", who, "workforce", &[&format!(r#""change":{{"target":"{other}","role":"admin"}}"#), more])
}

pub fn inventory(who: &str, fields: &str) -> String {
    format!(r#""type":"inventory.identity","identity":{{"id":"{who}"}},"inventory":{{{fields}}}"#)
}

/// A containment that somebody carried out.
pub fn outcome(who: &str, action: &str, kind: &str, id: &str, status: &str) -> String {
    let named = format!(r#""subject":{{"kind":"identity","id":"{who}"}},"target":{{"kind":"{kind}","id":"{id}"}}"#);
    format!(r#""type":"containment.outcome","identity":{{"id":"{who}"}},"containment":{{"status":"{status}","action":"{action}",{named}}}"#)
}

/// Calls by ana at home with the given pauses before each.
pub fn calls(log: &mut Log, times: i64, pause_ms: fn(i64) -> i64, more: fn(i64) -> String) {
    let mut time = start();
    for i in 0..times {
        time = time.plus(pause_ms(i));
        let more = more(i);
        let fields: &[&str] = if more.is_empty() { &[HOME] } else { &[HOME, &more] };
        log.json_at(time, &act("api.request", "success", "ana", "customer", fields));
    }
}
