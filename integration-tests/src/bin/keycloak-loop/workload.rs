//! The secret of a workload, used from elsewhere.

use crate::lab::Lab;
use portcullis_core::time::DAY_MS;
use portcullis_integration_tests::attack::now_ms;
use portcullis_integration_tests::keycloak::text;
use portcullis_integration_tests::openbao::ROOT;
use serde_json::json;
use std::time::Duration;

const CLUSTER: &str = "192.0.2.200";
const ELSEWHERE: &str = "203.0.113.77";
const OLD: &str = "old-secret";

pub fn secret_stolen(lab: &mut Lab) {
    println!("A secret is stolen");
    let (keycloak, bao) = (lab.keycloak.clone(), lab.bao.clone());
    let account = keycloak.create_machine("etl", OLD, &[]);
    assert_eq!(bao.put(ROOT, "etl", &json!({ "client_secret": OLD })), 200);
    let workload = bao.token("etl", &["read"]);
    let kept = || text(&bao.get(&workload, "etl"), "client_secret");
    let log_in = |secret: &str, from: &str| keycloak.client_log_in("etl", secret, from).0;

    lab.feed(&[json!({
        "id": "inv-etl", "time": now_ms() - 20 * DAY_MS, "type": "inventory.identity", "tenant": "acme", "identity": { "id": "etl" },
        "inventory": { "class": "service", "owner": "data@example.com", "criticality": 2, "shared_by": ["reports"], "aliases": [account] }
    })]);
    std::thread::sleep(Duration::from_secs(8)); // INGEST looks at the inventory every five seconds
    assert_eq!(log_in(&kept(), CLUSTER), 200);
    lab.backfill(&account, 4);
    assert_eq!(log_in(&kept(), CLUSTER), 200);
    assert_eq!(log_in(OLD, ELSEWHERE), 200, "the thief is in");
    lab.ship();
    lab.verdict("etl", "etl", "critical");

    // To cut it off would break `reports`: a person decides.
    lab.approve("etl", "rotate_secret", "its owner knows");
    let request = lab.carried_out("etl", "rotate_secret");
    assert_eq!((&request["target"]["id"], &request["approval"]["by"][0]["by"]), (&json!("etl"), &json!("anna")));
    assert_eq!(log_in(OLD, ELSEWHERE), 401, "the old secret is refused");
    assert_ne!(kept(), OLD);
    assert_eq!(log_in(&kept(), CLUSTER), 200, "the workload reads the new one and goes on");
    lab.ship();

    let fact = lab.fact(&request);
    assert_eq!(fact["event"], "https://schemas.openid.net/secevent/caep/event-type/credential-change");
    assert_eq!(fact["change_type"], "update");
    println!(
        "  the old secret is refused, the workload reads the new one out of OpenBao and goes on; {} is published",
        text(&fact, "event")
    );
}
