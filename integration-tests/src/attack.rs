//! An attack of this very minute, which the gate does not find too old.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time.
///
/// # Panics
/// Before 1970.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Pushes denied until one is approved. `tenant`: where the record has to name it.
pub fn push_fatigue(who: &str, tenant: Option<&str>) -> Vec<String> {
    let tenant = tenant.map_or(String::new(), |tenant| format!(r#""tenant":"{tenant}","#));
    let line = |i: i64, outcome: &str| {
        let time = now_ms() - 20_000 + i * 1_000;
        format!(
            r#"{{"id":"{who}-{i}","time":{time},"type":"auth.mfa",{outcome},{tenant}"identity":{{"id":"{who}","class":"workforce"}},"session":{{"id":"s-{who}"}},"source":{{"ip":"192.0.2.9"}}}}"#
        )
    };
    let denied = r#""outcome":"failure","auth":{"method":"push","failure":"mfa_denied"}"#;
    let mut lines: Vec<String> = (0..6).map(|i| line(i, denied)).collect();
    lines.push(line(6, r#""outcome":"success","auth":{"method":"push"}"#));
    lines
}
