//! A person's session, taken over: its refresh token is used from elsewhere.

use crate::lab::Lab;
use portcullis_integration_tests::keycloak::{BACK, REALM, text};
use serde_json::json;

const HOME: &str = "192.0.2.10";
const ELSEWHERE: &str = "203.0.113.9";
const PASSWORD: &str = "correct horse";

pub fn taken_over(lab: &mut Lab) {
    println!("A session is taken over");
    let keycloak = lab.keycloak.clone();
    let users = format!("/{REALM}/users");
    keycloak.create(
        &users,
        &json!({
            "username": "alice", "enabled": true, "email": "alice@example.com", "emailVerified": true, "firstName": "Alice", "lastName": "A",
            "credentials": [{ "type": "password", "value": PASSWORD, "temporary": false }]
        }),
    );
    keycloak.create(&format!("/{REALM}/clients"), &json!({ "clientId": "shop", "publicClient": true, "redirectUris": [BACK] }));
    let alice = keycloak.id_of(&format!("{users}?username=alice"));
    let refresh = |token: &str, from: &str| keycloak.refresh("shop", token, from);

    let telephone = keycloak.log_in("shop", "alice", PASSWORD, HOME);
    assert_eq!(refresh(&telephone.refresh, HOME).0, 200);
    lab.backfill(&alice, 2);

    let laptop = keycloak.log_in("shop", "alice", PASSWORD, HOME);
    assert_eq!(refresh(&laptop.refresh, HOME).0, 200, "the session is alive");
    let (status, stolen) = refresh(&laptop.refresh, ELSEWHERE);
    assert_eq!((status, keycloak.user_info(&text(&stolen, "access_token"), ELSEWHERE)), (200, 200), "the thief is in");
    lab.ship();
    lab.verdict("alice", &alice, "critical");

    let request = lab.carried_out(&alice, "terminate_session");
    assert_eq!(request["target"]["id"], laptop.session.as_str(), "the session that was taken over");
    for (of, token) in [("hers", &laptop.refresh), ("the thief's", &text(&stolen, "refresh_token"))] {
        let (status, answer) = refresh(token, ELSEWHERE);
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "{of} is really dead");
        println!("  the session's refresh token, {of}, is refused: {}", text(&answer, "error_description"));
    }
    for access in [&laptop.access, &text(&stolen, "access_token")] {
        assert_eq!(keycloak.user_info(access, ELSEWHERE), 401, "and so is what was issued for it");
    }
    assert_eq!(refresh(&telephone.refresh, HOME).0, 200, "her telephone stays logged in");
    lab.ship();

    let fact = lab.fact(&request);
    assert_eq!(fact["event"], "https://schemas.openid.net/secevent/caep/event-type/session-revoked");
    println!("  her telephone stays logged in; {} is published", text(&fact, "event"));
}
