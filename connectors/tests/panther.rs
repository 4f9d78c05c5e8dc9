//! Panther's detection rules and the logs with which they test them: single events, each labelled whether its rule matches it. A rule with
//! a counterpart in the catalogue must have that signal speak on the cases that match and stay silent on the others; the rest are listed
//! with why they have none.
//!
//! Most signals compare with what is usual, so the identity of each case gets a month of ordinary days before it.

mod judged;

use judged::{data, events, verdicts};
use portcullis_connectors::formats::{Format, Input};
use portcullis_core::event::Event;
use portcullis_core::time::DAY_MS;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Rules and their counterparts.
const MAPPED: &[(&str, &str)] = &[
    ("AWS.CloudTrail.IAMAnythingChanged", "unusual_grant"),
    ("AWS.IAM.PolicyModified", "unusual_grant"),
    ("AWS.IAM.Backdoor.User.Keys", "unusual_grant"),
    ("Okta.Support.Access", "unusual_grant"),
    ("Okta.AdminRoleAssigned", "unusual_grant"),
    ("Okta.User.MFA.Reset.All", "unusual_grant"),
    ("Okta.User.Reported.Suspicious.Activity", "external_risk"),
    ("Azure.Audit.ElevateUserAccessAdministrator", "unusual_grant"),
    ("Azure.Audit.LegacyAuth", "device_code_login"),
    ("Azure.Audit.ROPCLoginNoMFA", "device_code_login"),
];

const DOCUMENT: &str =
    "it reads which policy, role or owner a grant names; here any first grant of a kind speaks (unusual_grant), whatever it gives";
const SEVERAL: &str = "it stands for many events or a sequence of them, whose threshold lies outside the case";
const RESOURCE: &str = "it is about the state of a resource or a call that nobody should make; here a first use of a route speaks (new_scope), whichever it is";
const ADDRESS: &str =
    "it knows whose the address, the endpoint, the region or the account is, which inventory and networks of the policy say here";
const OWN: &str = "it is about a credential or a password of one's own, which people change; what matters here is what follows (factor_downgrade, token_replay)";
const OPINION: &str = "it repeats what the vendor thought, blocked or limited, and nobody was let in";
const CLIENT: &str = "it knows which application is abused; here any first use of a device code, or of a client, speaks (device_code_login, risky_consent), whichever it is";
const SHORTENED: &str = "its cases were shortened to what their rule looks at and lack their time";
const PLAIN: &str = "it matches an ordinary act, so that it can be correlated with others";

/// Beginnings of the names of the other rules, and why they have no counterpart. The first that fits counts.
const UNMAPPED: &[(&str, &str)] = &[
    ("AWS.CloudTrail.PasswordSpraying", SEVERAL),
    ("AWS.CloudTrail.Account.Discovery", SEVERAL),
    ("AWS.CloudTrail.Password.Policy.Discovery", SEVERAL),
    ("AWS.CloudTrail.SES", SEVERAL),
    ("AWS.CloudTrail.ShortLifecycle", SEVERAL),
    ("AWS.CloudTrail.UnauthorizedAPICall", SEVERAL),
    ("AWS.IAMUser.ReconAccessDenied", SEVERAL),
    ("AWS.IAM.Group.Read.Only", SEVERAL),
    ("AWS.EC2.ManyPasswordReadAttempts", SEVERAL),
    ("AWS.EC2.MultiInstanceConnect", SEVERAL),
    ("AWS.SecretsManager", SEVERAL),
    ("AWS.SSM", SEVERAL),
    ("AWS.Software.Discovery", SEVERAL),
    ("AWS.Unsuccessful.MFA", SEVERAL),
    ("AWS.Console.RootLoginFailed", SEVERAL),
    ("AWS.CloudTrail.LoginProfile", DOCUMENT),
    ("AWS.User.Login.Profile", DOCUMENT),
    ("AWS.CloudTrail.RootAccessKeyCreated", DOCUMENT),
    ("AWS.CloudTrail.IAMCompromisedKeyQuarantine", DOCUMENT),
    ("AWS.CloudTrail.IAMEntityCreated", DOCUMENT),
    ("AWS.IAM.Attach", DOCUMENT),
    ("AWS.IAM.BackdoorRole", DOCUMENT),
    ("AWS.IAM.Create", DOCUMENT),
    ("AWS.IAM.AccessKeyCompromised", DOCUMENT),
    ("AWS.IAM.CredentialsUpdated", OWN),
    ("AWS.CloudTrail.RootPasswordChanged", OWN),
    ("AWS.CloudTrail.VPCE", ADDRESS),
    ("AWS.CloudTrail.IMDSCredentialExfiltration", ADDRESS),
    ("AWS.UnusedRegion", ADDRESS),
    ("AWS.ECR", ADDRESS),
    ("AWS.LAMBDA.CRUD", ADDRESS),
    ("AWS.CloudTrail.UserAccessKeyAuth", PLAIN),
    ("AWS.CloudTrail.IAMAssumeRoleBlacklistIgnored", ADDRESS),
    ("AWS.Console", PLAIN),
    ("AWS.Root.Activity", PLAIN),
    ("AWS.STS", PLAIN),
    ("Retrieve.SSO", PLAIN),
    ("Role.Assumed", PLAIN),
    ("Sign-in", PLAIN),
    ("AWS.", RESOURCE),
    ("Okta.User.MFA.Factor.Suspend", DOCUMENT),
    ("Okta.User.MFA.Reset.Single", OWN),
    ("Okta.APIKey", OWN),
    ("Okta.Group.Admin.Role", "the grant of its matching case failed"),
    ("Okta.Support.Reset", SEVERAL),
    ("Okta.Refresh.Access.Token.Reuse", OPINION),
    ("Okta.Anonymizing", OPINION),
    ("Okta.App.Unauthorized", OPINION),
    ("Okta.New.Behavior", OPINION),
    ("Okta.Phishing", OPINION),
    ("Okta.Rate", OPINION),
    ("Okta.ThreatInsight", OPINION),
    ("Okta.User.Account.Locked", OPINION),
    ("Okta.Login", PLAIN),
    ("Okta.SSO.to.AWS", PLAIN),
    ("Okta.Identity.Provider", RESOURCE),
    ("Okta.Org2org", RESOURCE),
    ("Okta.Global.MFA", RESOURCE),
    ("OneLogin.", SHORTENED),
    ("Azure.Audit.ManyFailedSignIns", SEVERAL),
    ("Azure.Audit.ExcessiveAccountLockouts", SEVERAL),
    ("Azure.Audit.GraphSessionMultipleIPs", SEVERAL),
    ("Azure.Audit.MultipleProtectionAlerts", SEVERAL),
    ("Azure.Audit.HighRiskSignIn", OPINION),
    ("Azure.Audit.RiskLevelPassthrough", OPINION),
    ("Azure.Audit.DeviceCodeBrokerClient", CLIENT),
    ("Azure.Audit.VSCodeOAuthPhishing", CLIENT),
    ("Azure.Audit.RoleChangedPIM", DOCUMENT),
    ("Azure.Audit.ServicePrincipalCredentialsAdded", DOCUMENT),
    ("Azure.", RESOURCE),
    ("Okta.PasswordAccess", SEVERAL),
    ("Okta.Password.Extraction", RESOURCE),
];

/// The log as the vendor writes it: some were collected with keys in small letters and times without a zone.
fn as_written(log: &Value) -> Value {
    const KEYS: [&str; 6] = ["eventType", "legacyEventType", "authenticationContext", "debugContext", "securityContext", "displayMessage"];
    let Value::Object(fields) = log else { return log.clone() };
    let fields = fields.iter().map(|(key, value)| {
        let name = KEYS.iter().find(|k| k.eq_ignore_ascii_case(key)).map_or(key.as_str(), |k| k);
        let value = match value.as_str() {
            Some(time) if key == "published" && !time.contains('T') => Value::String(time.replace(' ', "T") + "Z"),
            _ => value.clone(),
        };
        (name.to_owned(), value)
    });
    Value::Object(fields.collect())
}

/// What spoke of the case's own event, of any of its subjects. `None`: it is no event.
fn spoke(format: Format, log: &Value) -> Option<BTreeSet<String>> {
    let (raw, input) = (as_written(log).to_string(), Input::operator("panther"));
    let mut case = events(format, std::iter::once(raw.as_bytes()), &input).into_iter().next()?;
    case.id = "the-case".into();
    let days: Vec<String> = (0..60).map(|n| ordinary(&case, case.time.0 - (60 - n) * DAY_MS / 2, n % 2 == 0)).collect();
    let mut all = events(Format::Native, days.iter().map(String::as_bytes), &input);
    assert_eq!(all.len(), days.len());
    all.push(case);
    let verdicts = verdicts(&all);
    let of_the_case = verdicts.iter().filter(|v| v.event_id.as_deref() == Some("the-case"));
    let now = |r: &&portcullis_core::verdict::Reason| r.events.last().is_some_and(|id| id == "the-case");
    Some(of_the_case.flat_map(|v| v.reasons.iter().filter(now).map(|r| r.signal.clone())).collect())
}

/// A log-in or a look at the home page by the one who acts in the case, from the same place.
fn ordinary(case: &Event<'_>, time: i64, login: bool) -> String {
    let source = case.source.as_ref();
    let text = |field: fn(&portcullis_core::event::Source<'_>) -> Option<String>| source.and_then(field);
    json!({
        "time": time, "type": if login { "auth.login" } else { "api.request" }, "outcome": "success",
        "identity": {"id": case.identity_id(), "class": case.identity.as_ref().and_then(|i| i.class).map(|c| c.name())},
        "source": {
            "ip": text(|s| s.ip.as_deref().map(str::to_owned)), "country": text(|s| s.country.as_deref().map(str::to_owned)),
            "user_agent": text(|s| s.user_agent.as_deref().map(str::to_owned)), "device_id": text(|s| s.device_id.as_deref().map(str::to_owned)),
            "asn": source.and_then(|s| s.asn),
        },
        "auth": {"method": "password"}, "request": {"method": "GET", "route": "/home"},
    })
    .to_string()
}

#[test]
fn mapped_cases_speak_or_stay_silent_as_labelled() {
    let Some(root) = data("panther") else { return };
    let text = std::fs::read_to_string(root.join("cases.ndjson")).unwrap();
    let (mut wrong, mut unmapped, mut mapped) = (Vec::new(), BTreeMap::<&str, BTreeSet<String>>::new(), 0);
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let rule = case["rule"].as_str().unwrap().to_owned();
        let format = match case["source"].as_str().unwrap() {
            "okta_rules" => Format::Okta,
            "aws_cloudtrail_rules" => Format::CloudTrail,
            "azure_signin_rules" => Format::Auto,
            "onelogin_rules" => Format::Onelogin,
            other => panic!("{other} is no source of ours"),
        };
        if let Some((_, signal)) = MAPPED.iter().find(|(name, _)| *name == rule) {
            mapped += 1;
            let speaks = spoke(format, &case["log"]).is_some_and(|spoke| spoke.contains(*signal));
            if speaks != case["matches"].as_bool().unwrap() {
                wrong.push(format!("{rule}, {}: {signal} {}", case["case"], if speaks { "speaks" } else { "is silent" }));
            }
            continue;
        }
        match UNMAPPED.iter().find(|(start, _)| rule.starts_with(start)) {
            Some((_, why)) => _ = unmapped.entry(why).or_default().insert(rule),
            None => wrong.push(format!("{rule} is neither mapped nor said why not")),
        }
    }
    for (why, rules) in &unmapped {
        println!("{} rules unmapped, {why}: {}", rules.len(), rules.iter().cloned().collect::<Vec<_>>().join(" "));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(mapped > 15, "{mapped}");
    println!("{mapped} cases of {} rules as labelled", MAPPED.len());
}
