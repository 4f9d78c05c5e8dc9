//! How identities and their keys are kept: what is found, when it is said, and who is told.

mod support;

use portcullis_core::containment::{Action, Proposal};
use portcullis_core::lifecycle::{FindingKind, LifecycleFinding};
use portcullis_core::policy::Policy;
use portcullis_core::policy::parse::{DEFAULT_TEXT, parse};
use portcullis_core::profile::Profile;
use portcullis_core::record::Output;
use portcullis_core::time::{DAY_MS, Time};
use support::people::*;
use support::{Log, Run, start};

const KEY: &str = r#""id":"key-1","kind":"api_key""#;

fn day(n: i64) -> Time {
    start().plus(n * DAY_MS)
}

fn used(log: &mut Log, on: i64, credential: &str) {
    let call =
        format!(r#""type":"api.request","outcome":"success","identity":{{"id":"sync","class":"service"}},"credential":{{{credential}}}"#);
    log.json_at(day(on), &call);
}

fn over(log: &Log) -> Run {
    Run::over(&Policy::default_policy(), log, &[7])
}

fn findings(run: &Run) -> Vec<&LifecycleFinding> {
    run.outputs.iter().filter_map(|o| if let Output::Finding(f) = o { Some(&**f) } else { None }).collect()
}

fn kinds(run: &Run) -> Vec<(i64, Vec<FindingKind>)> {
    findings(run).iter().map(|f| (f.time.since(start()) / DAY_MS, f.found.iter().map(|found| found.kind).collect())).collect()
}

fn notices(run: &Run) -> Vec<&Proposal> {
    run.outputs.iter().filter_map(|o| if let Output::Proposal(p) = o { Some(&**p) } else { None }).collect()
}

#[test]
fn a_key_that_nobody_uses_makes_no_event_and_is_found() {
    let mut log = Log::default();
    used(&mut log, 0, KEY);
    used(&mut log, 20, KEY);
    log.tick(day(109));
    assert_eq!(kinds(&over(&log)), [], "used 89 days ago");
    log.tick(day(112));
    let run = over(&log);
    assert_eq!(kinds(&run), [(110, vec![FindingKind::Unused])]);
    let found = &findings(&run)[0].found[0];
    assert_eq!((found.target.id.as_str(), found.detail.as_str()), ("key-1", "key-1 was not used for 90 days: does anybody need it?"));
    let told = notices(&run);
    assert_eq!((told.len(), told[0].action, told[0].playbook.as_str()), (1, Action::NotifyOwner, "lifecycle"));
    assert_eq!(told[0].verdict_id, findings(&run)[0].id);

    // It is said again after 30 days and not before; once it is used, or revoked, never again.
    log.tick(day(139));
    assert_eq!(kinds(&over(&log)).len(), 1);
    log.tick(day(142));
    assert_eq!(kinds(&over(&log)).len(), 2);
    used(&mut log, 143, KEY);
    log.tick(day(200));
    assert_eq!(kinds(&over(&log)).len(), 2);
    let revoked =
        format!(r#""type":"credential.revoke","outcome":"success","identity":{{"id":"sync","class":"service"}},"credential":{{{KEY}}}"#);
    log.json_at(day(201), &revoked);
    log.tick(day(330));
    assert_eq!(kinds(&over(&log)).len(), 2);
}

#[test]
fn the_inventory_says_how_old_a_key_may_be() {
    for (declared, wanted, on) in [
        (r#""max_token_age":"30d","rotate_every":"20d""#, FindingKind::TooOld, 31),
        (r#""rotate_every":"40d""#, FindingKind::RotationOverdue, 41),
    ] {
        let mut log = Log::default();
        log.json_at(day(0), &inventory("sync", &format!(r#""class":"service","owner":"ops",{declared}"#)));
        for n in 0..on {
            used(&mut log, n, KEY);
        }
        let first = kinds(&over(&log)).first().cloned();
        assert!(first.is_none_or(|(_, found)| found == [FindingKind::RotationOverdue]), "{declared}");
        used(&mut log, on + 1, KEY);
        let run = over(&log);
        assert_eq!(findings(&run).last().unwrap().found[0].kind, wanted, "{declared}: {:?}", kinds(&run));
        assert_eq!(notices(&run)[0].owner.as_deref(), Some("ops"));

        // Rotated in time: nothing to say.
        let mut rotated = Log::default();
        rotated.json_at(day(0), &inventory("sync", &format!(r#""class":"service","owner":"ops",{declared}"#)));
        for n in 0..60 {
            used(&mut rotated, n, &format!(r#""id":"key-{}","kind":"api_key""#, n / 15));
            if n % 15 == 14 {
                let old = n / 15;
                let rotate = format!(
                    r#""type":"credential.rotate","outcome":"success","identity":{{"id":"sync","class":"service"}},"credential":{{"id":"key-{}","kind":"api_key"}},"change":{{"value":"key-{old}"}}"#,
                    old + 1
                );
                rotated.json_at(day(n), &rotate);
            }
        }
        assert_eq!(kinds(&over(&rotated)), [], "{declared}");
    }
}

#[test]
fn a_key_that_was_issued_long_ago_is_old_when_it_is_first_seen() {
    let mut log = Log::default();
    log.json_at(day(0), &inventory("sync", r#""class":"service","owner":"ops","max_token_age":"90d""#));
    used(&mut log, 0, &format!(r#"{KEY},"issued_at":{}"#, day(-200).0));
    log.tick(day(2));
    assert_eq!(kinds(&over(&log)), [(0, vec![FindingKind::TooOld])], "at the end of the day");
}

#[test]
fn a_machine_without_owner_or_whose_owner_is_gone_is_found_and_a_person_is_not() {
    let mut log = Log::default();
    log.json_at(day(0), &inventory("sync", r#""class":"service""#));
    log.json_at(day(0), &inventory("ana", r#""class":"workforce""#));
    let mut gone = support::event(day(1), &inventory("bot", r#""class":"agent","owner":"wim""#));
    gone.stamp = Some(serde_json::from_str(r#"{"principal_gone":true}"#).unwrap());
    log.push(gone);
    log.tick(day(3));
    let run = over(&log);
    let all: Vec<(&str, FindingKind)> =
        findings(&run).iter().flat_map(|f| f.found.iter().map(|x| (f.subject.id.as_str(), x.kind))).collect();
    assert_eq!(all, [("sync", FindingKind::NoOwner), ("bot", FindingKind::Orphaned)]);

    // Nothing of who is offboarded, and nobody is told where the policy says so.
    log.json_at(day(3), &inventory("sync", r#""class":"service","status":"offboarded""#));
    log.tick(day(60));
    assert_eq!(findings(&over(&log)).iter().filter(|f| f.subject.id == "sync").count(), 1);
    let mut quiet = Policy::default_policy();
    quiet.playbooks.retain(|p| p.matches.finding.is_none());
    let quiet = Run::over(&quiet, &log, &[3]);
    assert!(notices(&quiet).is_empty() && !findings(&quiet).is_empty());
}

#[test]
fn a_playbook_tells_of_the_kinds_that_it_names() {
    let text = DEFAULT_TEXT.replace("match: { finding: any }", "match: { finding: [no_owner], class: service }");
    let policy = parse("p.yaml", &text).unwrap();
    let mut log = Log::default();
    log.json_at(day(0), &inventory("sync", r#""class":"service","max_token_age":"1d""#));
    log.json_at(day(0), &inventory("bot", r#""class":"agent""#));
    used(&mut log, 0, KEY);
    log.tick(day(3));
    let run = Run::over(&policy, &log, &[1]);
    assert_eq!(findings(&run).iter().map(|f| f.found.len()).sum::<usize>(), 3, "{:?}", kinds(&run));
    let told: Vec<_> = notices(&run).iter().map(|p| (p.subject.id.as_str(), p.reason.as_str())).collect();
    assert_eq!(told, [("sync", "the inventory names no owner of sync")]);
}

#[test]
fn batches_of_any_size_and_state_through_its_bytes_give_the_same() {
    let mut log = Log::default();
    log.json_at(day(0), &inventory("sync", r#""class":"service","max_token_age":"30d","rotate_every":"10d""#));
    for n in 0..50 {
        used(&mut log, n, &format!(r#""id":"key-{}","kind":"api_key""#, n % 3));
        log.tick(day(n).plus(DAY_MS / 2));
    }
    log.tick(day(400));
    let whole = Run::over(&Policy::default_policy(), &log, &[usize::MAX / 2]);
    assert!(findings(&whole).len() > 3);
    for size in [1, 2, 5, 33] {
        assert_eq!(Run::over(&Policy::default_policy(), &log, &[size]).outputs, whole.outputs, "{size}");
    }
    for (_, profile) in whole.shelf.iter() {
        let mut bytes = Vec::new();
        profile.encode(&mut bytes);
        assert_eq!(&Profile::decode(&bytes).unwrap(), profile);
    }
}
