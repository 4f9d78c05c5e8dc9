//! What a containment is asked of: what belongs to the target and must be reached too, where a machine's secret is in use, and how gently it
//! is rotated.

mod support;

use portcullis_core::containment::{Action, Proposal};
use portcullis_core::policy::Policy;
use portcullis_core::time::{DAY_MS, HOUR_MS, Span};
use support::people::*;
use support::{Log, Run, at, start};

const IDP: &str = r#""provider":{"product":"keycloak","instance":"https://idp.example/realms/lab"}"#;
const GATEWAY: &str = r#""provider":{"product":"gateway"}"#;

fn credential(id: &str, kind: &str, more: &str) -> String {
    format!(r#""credential":{{"id":"{id}","kind":"{kind}"{more}}}"#)
}

fn parent(id: &str) -> String {
    format!(r#","parent":"{id}""#)
}

fn proposals(log: &Log) -> Vec<Proposal> {
    Run::over(&Policy::default_policy(), log, &[64]).proposals().cloned().collect()
}

/// The last proposal of an action.
fn of(list: &[Proposal], action: Action) -> &Proposal {
    list.iter()
        .rfind(|p| p.action == action)
        .unwrap_or_else(|| panic!("no {action} among {:?}", list.iter().map(|p| p.action).collect::<Vec<_>>()))
}

fn siblings(p: &Proposal) -> Vec<String> {
    p.siblings.iter().map(|t| format!("{} {}", t.kind, t.id)).collect()
}

/// wim's API calls with an access token in session s-1, the last of them from elsewhere.
fn hijacked(log: &mut Log, before: &[String]) {
    for (i, fields) in before.iter().enumerate() {
        log.json_at(at("0").plus(i as i64 * 1_000), fields);
    }
    for (when, source) in [("1:00", HOME), ("5:00", STRANGER)] {
        let call = [source, GATEWAY, &session("s-1"), &credential("at-1", "access_token", "")];
        log.json(when, &act("api.request", "success", "wim", "workforce", &call));
    }
}

fn token_of(session_id: &str, more: &str) -> String {
    act("auth.token", "success", "wim", "workforce", &[HOME, IDP, &session(session_id), more])
}

#[test]
fn a_session_is_ended_with_the_refresh_token_it_could_be_opened_again_with() {
    let mut log = Log::default();
    let issued =
        [token_of("s-1", &credential("at-0", "access_token", &parent("rt-1"))), token_of("s-2", &credential("rt-2", "refresh_token", ""))];
    hijacked(&mut log, &issued);
    let list = proposals(&log);
    let ended = of(&list, Action::TerminateSession);
    assert_eq!((ended.target.id.as_str(), siblings(ended)), ("s-1", vec!["credential at-1".to_owned(), "token rt-1".to_owned()]));
    let providers: Vec<_> = [&ended.target, &ended.siblings[0], &ended.siblings[1]].map(|t| t.provider.as_deref().unwrap_or("")).to_vec();
    assert_eq!(providers, ["keycloak https://idp.example/realms/lab"; 3], "not the gateway, which gave out none of them");
    assert!(of(&list, Action::StepUp).siblings.is_empty(), "a step-up ends nothing");
}

#[test]
fn the_new_refresh_token_takes_the_old_ones_place_and_a_session_that_ended_has_none() {
    let refresh = |id: &str| token_of("s-1", &credential(id, "refresh_token", ""));
    let mut log = Log::default();
    hijacked(&mut log, &[refresh("rt-1"), refresh("rt-2")]);
    assert_eq!(siblings(of(&proposals(&log), Action::TerminateSession)), ["credential at-1", "token rt-2"]);

    let mut log = Log::default();
    hijacked(&mut log, &[refresh("rt-1"), act("auth.logout", "success", "wim", "workforce", &[HOME, IDP, &session("s-1")])]);
    assert_eq!(siblings(of(&proposals(&log), Action::TerminateSession)), ["credential at-1"]);
}

#[test]
fn sessions_of_one_log_in_are_reached_together() {
    let in_session = |id: &str, parent: &str| {
        act("auth.login", "success", "wim", "workforce", &[HOME, IDP, &format!(r#""session":{{"id":"{id}","parent":"{parent}"}}"#)])
    };
    let mut log = Log::default();
    hijacked(&mut log, &[in_session("s-1", "root"), in_session("s-7", "root"), in_session("s-8", "other")]);
    let list = proposals(&log);
    let mut names = siblings(of(&list, Action::TerminateSession));
    names.sort();
    assert_eq!(names, ["credential at-1", "session root", "session s-7"]);
}

/// sync's key is used from another cloud; key-2 is another of its keys, and key-3 was revoked.
fn stolen_key(shared_by: &str) -> Log {
    let mut log = Log::default();
    log.json_at(start().plus(-11 * DAY_MS), &inventory("sync", &format!(r#""class":"service","owner":"shop"{shared_by}"#)));
    hourly_job(&mut log, "sync", 2);
    for key in ["key-2", "key-3"] {
        log.json_at(start().plus(-HOUR_MS), &call_of("sync", "/v1/orders", IN_CLUSTER, key, 0));
    }
    log.json("0", &upon("credential.revoke", "root", "sync", r#""credential":{"id":"key-3"}"#));
    log.json("1:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
    log.json("2:00", &call_of("sync", "/v1/orders", OTHER_CLOUD, "key-1", 0));
    log
}

#[test]
fn a_machines_key_says_where_it_is_used_and_what_other_keys_there_are() {
    let list = proposals(&stolen_key(r#","shared_by":["till"]"#));
    let rotated = of(&list, Action::RotateSecret);
    assert_eq!((rotated.target.id.as_str(), siblings(rotated)), ("key-1", vec!["credential key-2".to_owned()]));
    assert_eq!(rotated.dependents.as_deref(), Some(&["till".to_owned()][..]));
    let seen: Vec<_> = rotated.seen_from.iter().map(|s| (s.kind.as_str(), s.id.as_str(), s.first, s.last)).collect();
    let own = ("workload", SYNC, start().plus(-240 * HOUR_MS), start());
    assert_eq!(seen, [own, ("workload", "i-0abc", start(), start())], "what was there first is not the thief");
    assert_eq!(of(&list, Action::RevokeToken).seen_from, rotated.seen_from);
    assert!(of(&list, Action::Throttle).seen_from.is_empty(), "a throttle takes nothing away");
}

#[test]
fn a_secret_that_others_may_depend_on_is_rotated_with_a_grace() {
    let grace = |shared_by: &str| of(&proposals(&stolen_key(shared_by)), Action::RotateSecret).params.grace;
    assert_eq!(grace(r#","shared_by":["till"]"#), Some(Span(HOUR_MS)));
    assert_eq!(grace(""), Some(Span(HOUR_MS)), "nobody knows who depends on it");
    assert_eq!(grace(r#","shared_by":[]"#), None);
    let text = portcullis_core::policy::parse::DEFAULT_TEXT
        .replace("{ action: rotate_secret, approval: required }", "{ action: rotate_secret, approval: required, grace: 6h }");
    let policy = portcullis_core::policy::parse::parse("policy.yaml", &text).unwrap();
    let list: Vec<Proposal> = Run::over(&policy, &stolen_key(""), &[64]).proposals().cloned().collect();
    assert_eq!(of(&list, Action::RotateSecret).params.grace, Some(Span(6 * HOUR_MS)));
}

#[test]
fn a_secret_is_rotated_and_not_the_token_that_was_issued_for_it() {
    let mut log = Log::default();
    hourly_job(&mut log, "sync", 2);
    for (when, source) in [("0", IN_CLUSTER), ("2:00", OTHER_CLOUD)] {
        let key = credential("tok-9", "access_token", &parent("secret-1"));
        log.json(
            when,
            &act("api.request", "success", "sync", "service", &[source, &key, r#""request":{"method":"GET","route":"/v1/orders"}"#]),
        );
    }
    let list = proposals(&log);
    assert_eq!(of(&list, Action::RotateSecret).target.id, "secret-1");
    let revoked = of(&list, Action::RevokeToken);
    assert_eq!((revoked.target.id.as_str(), siblings(revoked)), ("tok-9", vec!["credential secret-1".to_owned()]));
}

#[test]
fn what_was_delegated_to_an_agent_is_reached_with_it() {
    let for_whom = |principal: &str, delegation: &str, source: &str| {
        format!(
            r#""type":"api.request","outcome":"success","identity":{{"id":"bot","class":"agent","on_behalf_of":"{principal}"}},{source},{},"agent":{{"tool":"search","delegation":"{delegation}"}}"#,
            credential(&format!("tok-{principal}"), "access_token", "")
        )
    };
    let mut log = Log::default();
    for day in -10..0 {
        for (principal, delegation) in [("ann", "dlg-1"), ("ben", "dlg-2"), ("ben", "dlg-3")] {
            log.json_at(start().plus(day * DAY_MS), &for_whom(principal, delegation, IN_CLUSTER));
        }
    }
    log.json("0", &for_whom("ann", "dlg-1", IN_CLUSTER));
    log.json("1:00", &for_whom("ann", "dlg-1", OTHER_CLOUD));
    let list = proposals(&log);
    let revoked = of(&list, Action::RevokeToken);
    let mut names = siblings(revoked);
    names.sort();
    assert_eq!((revoked.target.id.as_str(), names), ("tok-ann", vec!["delegation dlg-1".to_owned(), "delegation dlg-3".to_owned()]));
}
