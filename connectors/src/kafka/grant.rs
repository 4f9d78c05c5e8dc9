//! Where an access token for SASL/OAUTHBEARER (RFC 7628) comes from: an issuer's token endpoint, by client credentials (RFC 6749, 4.4), or a file
//! that somebody else renews, as Kubernetes does a projected service-account token.
//!
//! librdkafka would ask an endpoint by libcurl, which is not compiled in. Its properties for it are read here instead, by its own names.

use super::fault::KafkaFault;
use crate::http::{Http, Unanswered};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

const PROTOCOL: &str = "security.protocol";
const MECHANISMS: [&str; 2] = ["sasl.mechanism", "sasl.mechanisms"];
const OAUTHBEARER: &str = "OAUTHBEARER";
const PREFIX: &str = "sasl.oauthbearer.";
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const METHOD: &str = "sasl.oauthbearer.method";
const GRANT_TYPE: &str = "sasl.oauthbearer.grant.type";
const CLIENT_ID: &str = "sasl.oauthbearer.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";
const AUTHORITIES: &str = "https.ca.location";

/// Issuers' answers have some kilobytes; so have tokens.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Of what an issuer says of a refusal.
const SAID_CHARS_MAX: usize = 200;
/// However long a token is good, a new one is asked for every half day.
const LIFE_MS_MAX: i64 = 24 * 60 * 60 * 1000;

/// Where tokens come from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Grant {
    Endpoint(Endpoint),
    File(PathBuf),
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    url: Url,
    id: String,
    secret: String,
    scope: Option<String>,
    /// PEM of authorities that are believed beside the system's.
    authorities: Option<PathBuf>,
}

/// An access token, and between which two times it is good (Unix milliseconds).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub value: String,
    pub since_ms: i64,
    pub until_ms: i64,
}

/// RFC 6749, 5.1. `expires_in` is a number of seconds, which some write as a text.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<serde_json::Value>,
}

/// RFC 6749, 5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Of a JWT (RFC 7519): when it ends, in seconds.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

impl Grant {
    /// What the properties say; `None` where no token is wanted.
    ///
    /// # Errors
    /// [`KafkaFault::Property`] for the first that is missing, or has no effect.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Option<Grant>, KafkaFault> {
        let fault = |property: &str, reason: &str| Err(KafkaFault::Property { property: property.to_owned(), reason: reason.to_owned() });
        let get = |name: &str| properties.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let by_token = |name: &&str| get(name).is_some_and(|value| value.eq_ignore_ascii_case(OAUTHBEARER));
        if !MECHANISMS.iter().any(by_token) {
            return match properties.keys().find(|name| Grant::reads(name)) {
                Some(name) => fault(name, "has no effect without `sasl.mechanism: OAUTHBEARER`"),
                None => Ok(None),
            };
        }
        if let Some(name) = MECHANISMS.iter().find(|name| get(name).is_some() && !by_token(name)) {
            return fault(name, "is another one than the other spelling of it says; take one out");
        }
        if !get(PROTOCOL).is_some_and(|protocol| protocol.to_ascii_uppercase().starts_with("SASL_")) {
            return fault(PROTOCOL, "is not SASL_SSL, so no token would be shown to a broker");
        }
        for name in properties.keys().filter(|name| name.starts_with(PREFIX)) {
            if ![ENDPOINT, METHOD, GRANT_TYPE, CLIENT_ID, CLIENT_SECRET, SCOPE].contains(&name.as_str()) {
                return fault(name, "is not understood: a token comes from an endpoint by client credentials, or from a file");
            }
        }
        if get(METHOD).is_some_and(|method| method != "oidc") {
            return fault(METHOD, "is not understood; write `oidc`, or take it out");
        }
        if get(GRANT_TYPE).is_some_and(|grant| grant != "client_credentials") {
            return fault(GRANT_TYPE, "is not understood; write `client_credentials`, or take it out");
        }
        let Some(endpoint) = get(ENDPOINT) else {
            return fault(ENDPOINT, "is missing: the http:// or https:// address that issues tokens, or file:///a/path that holds one");
        };
        let url = Url::parse(endpoint).ok();
        match url.filter(|url| url.scheme() == "file" || (["http", "https"].contains(&url.scheme()) && url.has_host())) {
            None => fault(ENDPOINT, "is no http:// or https:// address, and no file:///a/path"),
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                fault(ENDPOINT, "holds a user or a password: write them as client.id and client.secret")
            }
            Some(url) if url.scheme() == "file" => match url.to_file_path() {
                Err(()) => fault(ENDPOINT, "is no file:///a/path"),
                Ok(path) => match [CLIENT_ID, CLIENT_SECRET, SCOPE, AUTHORITIES].into_iter().find(|name| get(name).is_some()) {
                    Some(name) => fault(name, "has no effect where the token stands in a file"),
                    None => Ok(Some(Grant::File(path))),
                },
            },
            Some(url) => match (get(CLIENT_ID), get(CLIENT_SECRET)) {
                (None, _) => fault(CLIENT_ID, "is missing: as whom tokens are asked for"),
                (_, None) => fault(CLIENT_SECRET, "is missing: write it under kafka.properties_file"),
                (Some(id), Some(secret)) => Ok(Some(Grant::Endpoint(Endpoint {
                    url,
                    id: id.to_owned(),
                    secret: secret.to_owned(),
                    scope: get(SCOPE).map(str::to_owned),
                    authorities: get(AUTHORITIES).map(PathBuf::from),
                }))),
            },
        }
    }

    /// Whether a property is read here, and is not for librdkafka.
    pub fn reads(property: &str) -> bool {
        property.starts_with(PREFIX) || property == AUTHORITIES
    }

    /// A token, now. Waits for the endpoint, some seconds at most.
    ///
    /// # Errors
    /// Why there is none, without a secret in it.
    pub fn token(&self) -> Result<Token, String> {
        match self {
            Grant::File(path) => from_file(path).map_err(|why| format!("{}: {why}", path.display())),
            Grant::Endpoint(endpoint) => endpoint.ask().map_err(|why| {
                let mut shown = endpoint.url.clone();
                shown.set_query(None);
                format!("{shown}: {}", why.replace(&endpoint.secret, "(not shown)"))
            }),
        }
    }
}

impl Endpoint {
    fn ask(&self) -> Result<Token, String> {
        let Endpoint { url, id, secret, scope, authorities } = self;
        let read = |path: &PathBuf| std::fs::read(path).map_err(|e| format!("{AUTHORITIES}: {}: {e}", path.display()));
        let http = Http::new(authorities.as_ref().map(read).transpose()?.as_deref())?;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = scope {
            form.append_pair("scope", scope);
        }
        // RFC 6749, 2.3.1: each is encoded as in a form before they are joined.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let since_ms = now_ms();
        let answer = http.ask(
            |http| {
                http.post(url.clone())
                    .basic_auth(encoded(id), Some(encoded(secret)))
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(ACCEPT, "application/json")
                    .body(form.finish())
            },
            ANSWER_BYTES_MAX,
        );
        let (status, body) = answer.map_err(|why| match why {
            Unanswered::TooLong => format!("its answer has more than {ANSWER_BYTES_MAX} bytes"),
            Unanswered::Failed(what) => what,
        })?;
        if status != 200 {
            let why = serde_json::from_slice::<Refused>(&body).map(|r| format!(": {} {}", r.error, r.error_description));
            let why = why.unwrap_or_default();
            let why: String = why.trim_end().chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
            return Err(format!("status {status}{why}"));
        }
        let granted: Granted = serde_json::from_slice(&body).map_err(|_| "its answer holds no access_token".to_owned())?;
        let seconds = granted.expires_in.and_then(|n| n.as_f64().or_else(|| n.as_str()?.parse().ok()));
        let until_ms = seconds.map(|seconds| since_ms.saturating_add((seconds * 1000.0) as i64));
        Token::new(granted.access_token, since_ms, until_ms)
    }
}

fn from_file(path: &Path) -> Result<Token, String> {
    let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > ANSWER_BYTES_MAX as u64 {
        return Err(format!("it has {length} bytes, at most {ANSWER_BYTES_MAX} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    Token::new(text.trim().to_owned(), now_ms(), None)
}

impl Token {
    /// `until_ms`: as the issuer said beside it. What the token itself says counts as well: the earlier of the two.
    fn new(value: String, since_ms: i64, until_ms: Option<i64>) -> Result<Token, String> {
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("what it holds is no token".to_owned());
        }
        let until_ms = [until_ms, expires_ms(&value)].into_iter().flatten().min();
        let until_ms = until_ms.ok_or("neither its answer (expires_in) nor its token (a JWT's exp) says how long it is good")?;
        if until_ms <= since_ms {
            return Err(format!("its token ended {} s ago; is this machine's clock right?", since_ms.saturating_sub(until_ms) / 1000));
        }
        Ok(Token { value, since_ms, until_ms: until_ms.min(since_ms.saturating_add(LIFE_MS_MAX)) })
    }

    pub fn is_good(&self, now_ms: i64) -> bool {
        now_ms < self.until_ms
    }

    /// When half its life is over.
    pub fn half_over_ms(&self) -> i64 {
        self.since_ms + (self.until_ms - self.since_ms) / 2
    }
}

fn expires_ms(jwt: &str) -> Option<i64> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    Some((exp * 1000.0) as i64)
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn read(properties: &[(&str, &str)]) -> Result<Option<Grant>, String> {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Grant::read(&properties).map_err(|e| e.to_string())
    }

    const MECHANISM: (&str, &str) = ("sasl.mechanism", "OAUTHBEARER");
    const OVER_TLS: (&str, &str) = (PROTOCOL, "SASL_SSL");

    #[test]
    fn what_is_missing_or_has_no_effect_is_said() {
        assert!(read(&[("sasl.mechanism", "PLAIN")]).unwrap().is_none());
        let id = (CLIENT_ID, "score");
        let url = (ENDPOINT, "https://issuer/token");
        for (properties, said) in [
            (vec![(SCOPE, "kafka")], "sasl.oauthbearer.scope: has no effect without `sasl.mechanism: OAUTHBEARER`"),
            (vec![(AUTHORITIES, "ca.pem")], "https.ca.location: has no effect without `sasl.mechanism: OAUTHBEARER`"),
            (vec![MECHANISM], "security.protocol: is not SASL_SSL"),
            (vec![MECHANISM, ("sasl.mechanisms", "PLAIN")], "sasl.mechanisms: is another one"),
            (vec![OVER_TLS, MECHANISM], "sasl.oauthbearer.token.endpoint.url: is missing"),
            (vec![OVER_TLS, MECHANISM, (ENDPOINT, "issuer/token")], "is no http:// or https:// address"),
            (vec![OVER_TLS, MECHANISM, (ENDPOINT, "https://me:pw@issuer/token")], "holds a user or a password"),
            (vec![OVER_TLS, MECHANISM, url], "sasl.oauthbearer.client.id: is missing"),
            (vec![OVER_TLS, MECHANISM, url, id], "sasl.oauthbearer.client.secret: is missing"),
            (vec![OVER_TLS, MECHANISM, (ENDPOINT, "file:///t"), (SCOPE, "s")], "has no effect where the token stands in a file"),
            (vec![OVER_TLS, MECHANISM, url, (METHOD, "default")], "write `oidc`"),
            (vec![OVER_TLS, MECHANISM, url, (GRANT_TYPE, "password")], "write `client_credentials`"),
            (vec![OVER_TLS, MECHANISM, url, ("sasl.oauthbearer.extensions", "a=b")], "sasl.oauthbearer.extensions: is not understood"),
        ] {
            let Err(fault) = read(&properties) else { panic!("{properties:?} is taken") };
            assert!(fault.contains(said), "{fault}");
        }
        let whole = [OVER_TLS, ("sasl.mechanisms", "oauthbearer"), url, id, (CLIENT_SECRET, "s"), (METHOD, "oidc")];
        assert!(matches!(read(&whole), Ok(Some(Grant::Endpoint(_)))));
    }

    /// What an endpoint is asked, and what is made of its answer.
    fn asked(status: &str, body: &str) -> (String, Result<Token, String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let served = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut question = String::new();
            let mut chunk = [0; 4096];
            while !question.ends_with("kafka") {
                let length = connection.read(&mut chunk).unwrap();
                assert!(length > 0, "{question}");
                question.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
            }
            connection.write_all(answer.as_bytes()).unwrap();
            question
        });
        let scope = Some("a/b kafka".to_owned());
        let token =
            Grant::Endpoint(Endpoint { url, id: "sco:re".to_owned(), secret: "s ~ecret".to_owned(), scope, authorities: None }).token();
        (served.join().unwrap(), token)
    }

    #[test]
    fn an_endpoint_is_asked_by_client_credentials() {
        let (question, token) = asked("200 OK", r#"{"access_token":"abc","token_type":"Bearer","expires_in":300}"#);
        assert!(question.starts_with("POST /token HTTP/1.1\r\n"), "{question}");
        assert!(question.ends_with("\r\n\r\ngrant_type=client_credentials&scope=a%2Fb+kafka"), "{question}");
        // `sco%3Are:s+%7Eecret`
        assert!(question.contains("authorization: Basic c2NvJTNBcmU6cyslN0VlY3JldA=="), "{question}");
        let token = token.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((token.value.as_str(), token.until_ms - token.since_ms), ("abc", 300_000));
        assert_eq!(token.half_over_ms() - token.since_ms, 150_000);
    }

    #[test]
    fn why_there_is_no_token_is_said_and_no_secret() {
        let why = |status, body| asked(status, body).1.err().unwrap();
        let refused = why("401 Unauthorized", r#"{"error":"invalid_client","error_description":"no such client"}"#);
        assert!(refused.ends_with("/token: status 401: invalid_client no such client") && !refused.contains("ecret"), "{refused}");
        let echoed = why("400 Bad Request", r#"{"error":"bad\nline","error_description":"s ~ecret is wrong"}"#);
        assert!(echoed.ends_with("status 400: badline (not shown) is wrong"), "{echoed}");
        assert!(why("502 Bad Gateway", "<html>").ends_with("status 502"));
        assert!(why("200 OK", "{}").contains("no access_token"));
        assert!(why("200 OK", r#"{"access_token":"opaque"}"#).contains("how long it is good"));
        assert!(why("200 OK", r#"{"access_token":"a b","expires_in":"300"}"#).contains("no token"));
        assert!(why("200 OK", r#"{"access_token":"a","expires_in":0}"#).contains("clock"));
        assert!(why("302 Found", "").ends_with("status 302"), "a redirect is not followed");
    }

    #[test]
    fn how_long_a_token_is_good_has_bounds() {
        let jwt = |exp: &str| format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#)));
        let life = |value: &str, until_ms| Token::new(value.to_owned(), 1_000, until_ms).map(|token| token.until_ms);
        assert_eq!(life(&jwt("2.5"), Some(900_000)), Ok(2_500), "the earlier");
        assert_eq!(life(&jwt("1e300"), None), Ok(1_000 + LIFE_MS_MAX));
        assert!(life(&jwt("-1e300"), None).unwrap_err().contains("ended"));
        let (_, float) = asked("200 OK", r#"{"access_token":"a","expires_in":3600.0}"#);
        assert_eq!(float.map(|token| token.until_ms - token.since_ms).ok(), Some(3_600_000));
    }

    #[test]
    fn a_file_is_read_anew_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let grant = Grant::File(file.path().to_owned());
        let jwt = |exp: i64| format!("e30.{}.sig\n", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"x","exp":{exp}}}"#)));
        let exp = now_ms() / 1000 + 600;
        for exp in [exp, exp + 1] {
            std::fs::write(file.path(), jwt(exp)).unwrap();
            assert_eq!(grant.token().unwrap_or_else(|why| panic!("{why}")).until_ms, exp * 1000);
        }
        std::fs::write(file.path(), jwt(1)).unwrap();
        assert!(grant.token().err().unwrap().contains("ended"));
        std::fs::write(file.path(), "no token").unwrap();
        assert!(grant.token().err().unwrap().contains("no token"));
    }
}
