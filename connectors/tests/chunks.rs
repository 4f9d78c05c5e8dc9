//! However the bytes arrive and however large the buffer is, the records are the same; whatever the bytes are, nothing panics.

use portcullis_connectors::file::sort::Sorter;
use portcullis_connectors::file::{Batch, FileReader, Options, Position, Raw};
use portcullis_connectors::formats::custom::Mapping;
use portcullis_connectors::formats::{Format, Input, Item, decode};
use portcullis_core::time::Time;
use proptest::prelude::*;
use std::io::{self, Read};
use std::sync::Arc;

/// Gives its bytes in pieces of the given sizes, again and again.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].max(1);
        self.turn += 1;
        let n = size.min(buf.len()).min(self.bytes.len() - self.at);
        buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

type Found = Vec<(Vec<u8>, Position, Option<String>)>;

fn read(bytes: &[u8], sizes: Vec<usize>, record_bytes_max: usize, batch_bytes: usize) -> Found {
    let pieces = Pieces { bytes: bytes.to_vec(), at: 0, sizes, turn: 0 };
    let mut reader = FileReader::from_bytes("test", pieces, Options { batch_bytes, record_bytes_max }).unwrap();
    let (mut batch, mut out) = (Batch::default(), Vec::new());
    while reader.next_batch(&mut batch).unwrap() {
        out.extend(batch.records().map(|raw| (raw.bytes.to_vec(), raw.position, raw.fault.map(str::to_owned))));
    }
    out
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i32>().prop_map(Into::into),
        "[ -~\\n\"{}\\[\\],]{0,12}".prop_map(Into::into),
        Just("\u{1b}[2J\n2026 ERROR forged\u{9b}31m".into())
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-zR{\\[\\x1b\\n]{1,8}", inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
        ]
    })
}

fn object() -> impl Strategy<Value = serde_json::Value> {
    prop::collection::btree_map("[a-z]{1,4}", json(), 1..5).prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
}

/// The shapes of a file that holds `values`.
fn shapes(values: &[serde_json::Value]) -> Vec<String> {
    let compact: Vec<String> = values.iter().map(|v| v.to_string()).collect();
    let pretty: Vec<String> = values.iter().map(|v| serde_json::to_string_pretty(v).unwrap()).collect();
    let list = serde_json::Value::from(values.to_vec());
    vec![
        compact.join("\n"),
        compact.join("\r\n") + "\r\n",
        compact.join(" "),
        pretty.join("\n"),
        pretty.concat(),
        list.to_string(),
        serde_json::to_string_pretty(&list).unwrap(),
        format!("[\n{}\n]\n", compact.join(",\n")),
        format!("{{\"Records\": {list}, \"more\": [{{}}]}}\n"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_shape_gives_every_value(values in prop::collection::vec(object(), 1..6), sizes in prop::collection::vec(1usize..40, 1..6)) {
        for text in shapes(&values) {
            let found = read(text.as_bytes(), sizes.clone(), 4096, 64);
            let parsed: Vec<serde_json::Value> = found.iter().map(|(bytes, _, fault)| {
                assert_eq!(*fault, None, "{text}");
                serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e} in {text}"))
            }).collect();
            prop_assert_eq!(&parsed, &values, "{}", text);
            for (bytes, position, _) in &found {
                let at = position.offset as usize;
                prop_assert_eq!(&text.as_bytes()[at..at + bytes.len()], &bytes[..]);
                prop_assert_eq!(position.line as usize, 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count());
            }
        }
    }

    #[test]
    fn pieces_do_not_matter_even_when_broken(values in prop::collection::vec(object(), 1..6), cut in any::<prop::sample::Index>(), byte in any::<u8>(), shape in 0usize..9,
                                             sizes in prop::collection::vec(1usize..40, 1..6)) {
        let mut bytes = shapes(&values).swap_remove(shape).into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        let whole = read(&bytes, vec![1 << 20], 4096, 1 << 20);
        let pieces = read(&bytes, sizes, 4096, 64);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_bytes_are_read_to_the_end(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n \\a1".to_vec())], 0..400), max in 1usize..80) {
        let found = read(&bytes, vec![7, 1, 50], max, 64);
        prop_assert!(found.len() <= bytes.len() + 2);
        prop_assert!(found.iter().all(|(record, _, _)| record.len() <= max.max(256)));
    }

    #[test]
    fn sorting_is_stable_whatever_fits_in_memory(times in prop::collection::vec((0u8..3, prop::option::of(0i64..6)), 0..60), memory in 1usize..2_000) {
        let mut times = times;
        times.sort_by_key(|(input, _)| *input); // inputs come one after the other
        let mut sorter = Sorter::new(memory, std::env::temp_dir());
        let mut expected = Vec::new();
        let mut last = None;
        for (i, (input, time)) in times.iter().enumerate() {
            let name = i.to_string();
            let raw = Raw { bytes: name.as_bytes(), position: Position::default(), fault: None };
            sorter.push(time.map(Time), u32::from(*input), raw).unwrap();
            // A record without a time takes the time of the one before it in its input.
            let before = last.filter(|(of, _)| of == input).map_or(i64::MIN, |(_, t)| t);
            let time = time.unwrap_or(before);
            last = Some((*input, time));
            expected.push((time, i));
        }
        expected.sort();
        let mut sorted = sorter.finish().unwrap();
        for (_, i) in expected {
            let name = i.to_string();
            prop_assert_eq!(sorted.next().unwrap().unwrap().raw.bytes, name.as_bytes());
        }
        prop_assert!(sorted.next().unwrap().is_none());
    }

    #[test]
    fn no_bytes_panic_in_any_format(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n \\a1".to_vec())], 0..300)) {
        try_all(&bytes);
    }

    #[test]
    fn no_mutation_panics_in_any_format(which in 0usize..SEEDS.len() + TEXTS.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6)) {
        let mut bytes = SEEDS.iter().chain(TEXTS).nth(which).unwrap().as_bytes().to_vec();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.truncate(at + 1); }
                _ => { let tail = bytes[at..].to_vec(); bytes.extend(tail); }
            }
        }
        try_all(&bytes);
    }

    #[test]
    fn no_swapped_value_panics_in_any_format(which in 0usize..SEEDS.len(), path in prop::collection::vec(any::<prop::sample::Index>(), 1..5), value in json()) {
        let mut seed: serde_json::Value = serde_json::from_str(SEEDS[which]).unwrap();
        let mut pointer = String::new();
        for step in &path {
            let Some(map) = seed.pointer(&pointer).and_then(|v| v.as_object()).filter(|m| !m.is_empty()) else { break };
            let key = map.keys().nth(step.index(map.len())).cloned().unwrap_or_default();
            pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        }
        *seed.pointer_mut(&pointer).unwrap() = value;
        try_all(seed.to_string().as_bytes());
    }
}

/// Also: what is said of a record may go to a log or a console, so it holds nothing of the record that could steer one.
fn try_all(bytes: &[u8]) {
    let mapping = Mapping::parse("mapping", MAPPING).unwrap();
    let input = Input { mapping: Some(Arc::new(mapping)), ..Input::operator("test") };
    for format in Format::ALL {
        let mut items = 0;
        decode(*format, bytes, &input, &mut |index, item| {
            assert_eq!(index, items);
            items += 1;
            let said = match item {
                Item::Event(_) => return,
                Item::Ignored { kind } => kind.into_owned(),
                Item::Fault(fault) => fault.to_string(),
            };
            assert!(!said.chars().any(char::is_control), "{format} says {said:?} of {bytes:?}");
        });
        assert!(items > 0, "nothing for {bytes:?}");
    }
}

#[test]
fn every_format_has_a_seed_that_it_reads() {
    let mapping = Mapping::parse("mapping", MAPPING).unwrap();
    let input = Input { mapping: Some(Arc::new(mapping)), ..Input::operator("test") };
    for format in Format::ALL {
        let reads = |seed: &str| {
            let mut event = false;
            decode(*format, seed.as_bytes(), &input, &mut |_, item| event |= matches!(item, Item::Event(_)));
            event
        };
        assert!(SEEDS.iter().chain(TEXTS).any(|seed| reads(seed)), "no seed of {format}");
    }
}

const MAPPING: &str = "{ time: { at: time, as: milliseconds }, type: { at: type, when: { LOGIN: auth.login }, otherwise: api.request }, identity.id: [userId, user.name], source.ip: ipAddress, auth.amr: amr, request.status: status, request.route: { at: path, as: route } }";

const SEEDS: &[&str] = &[
    r#"{"id":"e","time":"2026-05-01T10:00:00Z","type":"auth.login","outcome":"failure","identity":{"id":"u"},"source":{"ip":"192.0.2.1","lat":1.5},"auth":{"method":"push","amr":["pwd"]}}"#,
    r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::1:assumed-role/Admin/s","accountId":"1","accessKeyId":"ASIA","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:role/Admin"},"attributes":{"creationDate":"2026-05-01T10:00:00Z"}}},"eventTime":"2026-05-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","sourceIPAddress":"192.0.2.1","requestParameters":{"userName":"b"},"responseElements":{"accessKey":{"accessKeyId":"AKIA","userName":"b"}},"eventID":"e","recipientAccountId":"1"}"#,
    r#"{"actor":{"id":"00u","type":"User","alternateId":"a@example.com"},"client":{"ipAddress":"192.0.2.1","geographicalContext":{"country":"France","geolocation":{"lat":1,"lon":2}}},"eventType":"user.session.start","outcome":{"result":"FAILURE","reason":"LOCKED_OUT"},"published":"2026-05-01T10:00:00Z","debugContext":{"debugData":{"risk":"{level=LOW}"}},"target":[{"id":"a","type":"User"}],"uuid":"e"}"#,
    r#"{"class_uid":3002,"activity_id":1,"time":1760000000000,"status_id":2,"actor":{"user":{"uid":"u"},"session":{"uid":"s"}},"user":{"uid":"v"},"metadata":{"uid":"e","product":{"name":"CloudTrail"}},"api":{"operation":"ConsoleLogin","service":{"name":"signin.amazonaws.com"},"request":{"data":"{\"a\":1}"}},"src_endpoint":{"ip":"192.0.2.1"}}"#,
    r#"{"Records":[{"eventName":"a","eventSource":"b","eventTime":"2026-05-01T10:00:00Z","userIdentity":{"type":"Root","accountId":"1"}},{}]}"#,
    r#"{"id":"e","time":1777629600353,"type":"LOGIN_ERROR","realmId":"r","realmName":"lab","clientId":"shop","userId":"u","sessionId":"s","ipAddress":"192.0.2.7","error":"invalid_user_credentials","details":{"username":"alice","code_id":"c","grant_type":"password","token_id":"t"}}"#,
    r#"{"id":"a","time":1777629600353,"realmId":"r","authDetails":{"realmId":"m","clientId":"c","userId":"adm","ipAddress":"192.0.2.8"},"operationType":"CREATE","resourceType":"REALM_ROLE_MAPPING","resourcePath":"users/u-2/role-mappings/realm","representation":"[{\"name\":\"admin\"}]"}"#,
    r#"{"timestamp":"2026-05-01T10:00:00.353Z","loggerName":"org.keycloak.events","message":"type=\"LOGIN\", realmId=\"r\", clientId=\"c\", userId=\"u\", ipAddress=\"192.0.2.7\", username=\"a b\""}"#,
    r#"{"time":"2026-05-01T10:00:00Z","resourceId":"/tenants/t/providers/Microsoft.aadiam","category":"SignInLogs","resultType":"50126","callerIpAddress":"192.0.2.7","properties":{"id":"e","createdDateTime":"2026-05-01T10:00:00Z","userId":"u","userPrincipalName":"A@example.com","appId":"a","status":{"errorCode":500121},"authenticationDetails":[{"authenticationMethod":"Mobile app notification","authenticationStepResultDetail":"MFA denied"}],"location":{"countryOrRegion":"CH","geoCoordinates":{"latitude":47.4,"longitude":8.5}},"deviceDetail":{"deviceId":"d","isCompliant":true}}}"#,
    r#"{"time":"2026-05-01T10:00:00Z","category":"AuditLogs","operationName":"Add member to role","properties":{"id":"e","activityDisplayName":"Add member to role","result":"success","initiatedBy":{"user":{"id":"adm","userPrincipalName":"Adm@example.com"}},"targetResources":[{"id":"u","type":"User","modifiedProperties":[{"displayName":"Role.DisplayName","newValue":"\"Global Administrator\""}]}],"additionalDetails":[{"key":"User-Agent","value":"x"}]}}"#,
    r#"{"time":"2026-05-01T10:00:00Z","resourceId":"/SUBSCRIPTIONS/s/X","operationName":"MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE","category":"Administrative","resultType":"Success","callerIpAddress":"192.0.2.7","identity":{"claims":{"http://x/objectidentifier":"u","uti":"t"}},"properties":{"requestbody":"{\"Properties\":{\"PrincipalId\":\"p\",\"RoleDefinitionId\":\"/a/b\"}}"}}"#,
    r#"{"action":"team.add_member","@timestamp":1777629600353,"_document_id":"d","actor":"alice","actor_id":7,"actor_ip":"192.0.2.7","org":"acme","user":"bob","user_id":8,"team":"acme/ops","actor_location":{"country_code":"CH"}}"#,
    r#"{"kind":"admin#reports#activity","id":{"time":"2026-05-01T10:00:00Z","uniqueQualifier":"-17","applicationName":"login","customerId":"C"},"actor":{"email":"Alice@example.com","profileId":"1"},"ipAddress":"192.0.2.7","events":[{"name":"login_failure","parameters":[{"name":"login_challenge_method","multiValue":["password","google_prompt"]}]}]}"#,
    r#"{"insertId":"e","timestamp":"2026-05-01T10:00:00Z","resource":{"labels":{"project_id":"p"}},"protoPayload":{"serviceName":"iam.googleapis.com","methodName":"google.iam.admin.v1.CreateServiceAccountKey","resourceName":"projects/-/serviceAccounts/ci@p/keys/k","status":{"code":7},"authenticationInfo":{"principalEmail":"a@example.com"},"requestMetadata":{"callerIp":"192.0.2.7"},"serviceData":{"policyDelta":{"bindingDeltas":[{"action":"ADD","role":"r","member":"user:b"}]}}}}"#,
    r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"a","stage":"ResponseComplete","requestURI":"/api/v1/x","verb":"create","user":{"username":"system:serviceaccount:ci:b","extra":{"authentication.kubernetes.io/credential-id":["JTI=j"]}},"sourceIPs":["192.0.2.7"],"objectRef":{"resource":"rolebindings","namespace":"ci","name":"b"},"responseStatus":{"code":200},"requestObject":{"roleRef":{"name":"admin"},"subjects":[{"kind":"ServiceAccount","name":"x","namespace":"ci"}]},"requestReceivedTimestamp":"2026-05-01T10:00:00Z"}]}"#,
    r#"{"auditID":"a","stage":"ResponseComplete","requestURI":"/api/v1/x","verb":"get","user":{"username":"alice"},"objectRef":{"resource":"secrets","namespace":"ci","name":"b"},"responseStatus":{"code":403},"requestReceivedTimestamp":"2026-05-01T10:00:00Z"}"#,
    r#"{"time":"2026-05-01T10:00:00Z","type":"response","auth":{"accessor":"h","display_name":"d","entity_id":"en"},"request":{"id":"r","operation":"update","path":"auth/userpass/login/alice","mount_type":"userpass","remote_address":"192.0.2.7"},"response":{"auth":{"accessor":"i","entity_id":"en"}},"error":"permission denied"}"#,
    r#"{"@timestamp":"2026-05-01T10:00:00Z","winlog":{"channel":"Security","event_id":"4625","record_id":17,"computer_name":"dc1.corp","event_data":{"TargetUserName":"Alice@CORP","TargetDomainName":"DC1","TargetUserSid":"S-1-5-21","SubjectUserName":"adm","LogonType":"10","SubStatus":"0xc000006a","IpAddress":"::ffff:192.0.2.7","MemberName":"CN=Bob,OU=x"}}}"#,
    r#"{"EventTime":"2026-05-01 10:00:00","Hostname":"dc1","Channel":"Security","EventID":4728,"SubjectUserName":"adm","TargetUserName":"Domain Admins","MemberSid":"S-1"}"#,
    r#"{"id":99,"created_at":"2026-05-01T10:00:00Z","account_id":1,"event_type_id":172,"user_id":8,"user_name":"Bob","actor_user_id":7,"actor_user_name":"Lion","ipaddr":"192.0.2.7"}"#,
    r#"{"start_time":"2026-05-01T10:00:00Z","method":"GET","path":"/v1/users/17","response_code":403,"downstream_remote_address":"192.0.2.7:40000","sub":"u","downstream_peer_uri_san":"spiffe://x"}"#,
    r#"{"request":{"id":"r","method":"POST","uri":"/v1/orders/17","headers":{"user-agent":"curl"}},"response":{"status":201,"size":412},"route":{"paths":["/v1"]},"consumer":{"username":"cart"},"latencies":{},"client_ip":"192.0.2.7","started_at":1777629600353}"#,
    r#"{"requestId":"r","ip":"192.0.2.7","requestTime":"01/May/2026:12:00:00 +0200","routeKey":"GET /pets/{id}","status":"404","responseLength":"12","sub":"u"}"#,
    r#"{"@timestamp":"2026-05-01T10:00:00Z","ecs":{"version":"9"},"event":{"category":["iam"],"type":["group"],"action":"added-member","outcome":"success"},"user":{"name":"adm","target":{"name":"bob","roles":["ops"]}},"source":{"ip":"192.0.2.7"},"http":{"response":{"status_code":200}}}"#,
    r#"{"id":"evt","object":"event","created":1777629600,"type":"charge.failed","data":{"object":{"object":"charge","id":"ch","amount":1999,"currency":"chf","customer":"cus","outcome":{"type":"blocked"},"payment_method_details":{"type":"card","card":{"fingerprint":"f","country":"CH"}}}}}"#,
    r#"{"iss":"https://idp.example/","jti":"j","iat":1777629600,"sub_id":{"format":"complex","user":{"format":"email","email":"A@example.com"},"session":{"format":"opaque","id":"s"}},"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{"event_timestamp":1777629599,"reason_admin":{"en":"x"}}}}"#,
    r#"{"specversion":"1.0","id":"c","source":"/x","type":"t","data":{"time":1777629600353,"type":"LOGIN","realmId":"r","userId":"u"}}"#,
    r#"{"specversion":"1.0","id":"c","source":"/x","type":"t","data_base64":"eyJ0aW1lIjoxfQ=="}"#,
];

const TEXTS: &[&str] = &[
    r#"2026-05-01 10:00:00,353 WARN  [org.keycloak.events] (executor-thread-1) type="LOGIN_ERROR", realmId="r", clientId="c", userId="null", ipAddress="192.0.2.7", error="user_not_found", username="a\"b""#,
    r#"<165>1 2026-05-01T10:00:00Z host app - - [ex@1 a="b" c="\"]"] {"time":1777629600353,"type":"LOGIN","realmId":"r","userId":"u"}"#,
    r#"<134>May  1 10:00:00 gw1 CEF:0|Acme|Gate|9.1|AUTH-17|VPN login failed|5|rt=1777629600353 src=192.0.2.7 duser=alice reason=Bad password\=wrong cs1=s cs1Label=Session"#,
    r"CEF:0|Acme|Secure\|Gate|9.1|AUTH-17|Password reset|5|rt=May 01 2026 10:00:00 suser=adm duser=alice",
    "eyJhbGciOiJub25lIn0.eyJqdGkiOiJqIiwiaWF0IjoxNzc3NjI5NjAwfQ.c2ln",
];
