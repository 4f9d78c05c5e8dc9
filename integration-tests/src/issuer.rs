//! An issuer of access tokens on the loopback, over TLS: client credentials in (RFC 6749, 4.4), JWTs out (RFC 9068), signed by a key that a
//! broker finds in a JWK set. It shares no code with what asks it.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::Private;
use openssl::sha::sha256;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod, SslStream};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// `aud` of its tokens.
pub const AUDIENCE: &str = "kafka";
pub const NAME: &str = "https://issuer.test";
/// Kafka wants some.
pub const SCOPE: &str = "kafka";
/// How long tokens last, unless the scope says `seconds-N`. Of the scope `stranger`, they are for somebody else; of `forged`, another key signs them.
const SECONDS: u64 = 300;
const KEY: &str = "issuer-1";

/// Listens until the process ends.
#[derive(Clone, Debug)]
pub struct Issuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    port: u16,
    key: EcKey<Private>,
    secret_of: fn(&str) -> String,
    /// Scopes of the tokens that it gave.
    given: Mutex<Vec<String>>,
    /// For whoever asks with this scope.
    is_down_for: Mutex<Option<String>>,
}

impl Issuer {
    /// `certificate`, `key`: its own, PEM. `secret_of`: each client's.
    ///
    /// # Panics
    /// Where there is no free port, or OpenSSL refuses.
    pub fn start(certificate: &Path, key: &Path, secret_of: fn(&str) -> String) -> Issuer {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        acceptor.set_certificate_file(certificate, SslFiletype::PEM).expect("its certificate");
        acceptor.set_private_key_file(key, SslFiletype::PEM).expect("its key");
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let issuer = Issuer(Arc::new(Inner { port, key: new_key(), secret_of, given: Mutex::default(), is_down_for: Mutex::default() }));
        let this = issuer.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (this, acceptor) = (this.clone(), acceptor.clone());
                std::thread::spawn(move || {
                    if let Ok(connection) = acceptor.accept(connection) {
                        let _whoever_breaks_off = this.answer(connection);
                    }
                });
            }
        });
        issuer
    }

    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}/token", self.0.port)
    }

    /// How many tokens of this scope it has given.
    pub fn given(&self, scope: &str) -> usize {
        lock(&self.0.given).iter().filter(|given| *given == scope).count()
    }

    /// Answers 503 from now on to whoever asks with this scope, or gives tokens to all again.
    pub fn set_down_for(&self, scope: Option<&str>) {
        *lock(&self.0.is_down_for) = scope.map(str::to_owned);
    }

    /// The JWK set (RFC 7517) by which its tokens are verified.
    ///
    /// # Panics
    /// If OpenSSL refuses.
    pub fn jwks(&self) -> String {
        let key = &self.0.key;
        let point = || -> Result<(BigNum, BigNum), openssl::error::ErrorStack> {
            let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut *BigNumContext::new()?)?;
            Ok((x, y))
        };
        let (x, y) = point().expect("a point");
        let encoded = |n: &BigNum| BASE64_URL_SAFE_NO_PAD.encode(n.to_vec_padded(32).expect("32 bytes"));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY, "x": encoded(&x), "y": encoded(&y) }] })
            .to_string()
    }

    fn answer(&self, connection: SslStream<TcpStream>) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection);
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        let header = |wanted: &str| {
            let found = head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let (status, answer) = self.token(&header("authorization"), &String::from_utf8_lossy(&body));
        let length = answer.len();
        reader.get_mut().write_all(
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}")
                .as_bytes(),
        )
    }

    fn token(&self, authorization: &str, form: &str) -> (&'static str, String) {
        let basic = authorization.strip_prefix("Basic ").and_then(|text| BASE64_STANDARD.decode(text).ok()).unwrap_or_default();
        let basic = String::from_utf8_lossy(&basic).into_owned();
        let Some((client, _)) = basic.split_once(':').filter(|(client, secret)| *secret == (self.0.secret_of)(client)) else {
            return ("401 Unauthorized", json!({ "error": "invalid_client", "error_description": "not this secret" }).to_string());
        };
        if !form.split('&').any(|pair| pair == "grant_type=client_credentials") {
            return ("400 Bad Request", json!({ "error": "unsupported_grant_type" }).to_string());
        }
        let scope = form.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
        if lock(&self.0.is_down_for).as_deref() == Some(scope) {
            return ("503 Service Unavailable", "down for a test".to_owned());
        }
        let seconds = scope.strip_prefix("seconds-").and_then(|n| n.parse().ok()).unwrap_or(SECONDS);
        let audience = if scope == "stranger" { scope } else { AUDIENCE };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = json!({ "iss": NAME, "aud": audience, "sub": client, "iat": now, "exp": now + seconds, "scope": scope });
        lock(&self.0.given).push(scope.to_owned());
        let key = if scope == "forged" { new_key() } else { self.0.key.clone() };
        ("200 OK", json!({ "access_token": signed(&claims, &key), "token_type": "Bearer", "expires_in": seconds }).to_string())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_key() -> EcKey<Private> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    EcKey::generate(&curve).expect("a key")
}

fn signed(claims: &serde_json::Value, key: &EcKey<Private>) -> String {
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": KEY });
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(claims));
    let signature = EcdsaSig::sign(&sha256(text.as_bytes()), key).expect("signing");
    let both = [signature.r(), signature.s()].map(|n| n.to_vec_padded(32).expect("32 bytes")).concat();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(both))
}
