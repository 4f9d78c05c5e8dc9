//! SETs for receivers that poll (RFC 8936), and what a receiver asks of its stream (Shared Signals Framework). `docs/outputs.md` tells it.
//!
//! | | path | |
//! |---|---|---|
//! | POST | `/ssf/poll` | acknowledges what the receiver has, and answers with what it has not |
//! | POST | `/ssf/verify` | sends a verification event down the receiver's stream, pushed or polled |
//! | GET | `/jwks.json` | the keys to verify SETs by |
//! | GET | `/.well-known/ssf-configuration` | what there is, where the configuration says how it is reached |
//!
//! A receiver is known by its bearer token, and sees its own stream alone.

use super::people::bearer;
use crate::config::{Receiver, SetOutput};
use crate::jws::Signer;
use crate::roles::transmit::Stream;
use crate::roles::wall_clock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use portcullis_connectors::outputs::set::Set;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// SETs in one answer, unless fewer are asked for.
const EVENTS_MAX: usize = 100;
/// How long an empty answer is held back.
const POLL_MAX: Duration = Duration::from_secs(30);

/// Who may ask, and for what.
pub struct Streams {
    receivers: Vec<(blake3::Hash, Arc<Stream>, IsPushed)>,
    signer: Signer,
    jwks: String,
    /// How it is reached from outside.
    url: Option<String>,
}

type IsPushed = bool;

impl Streams {
    pub fn new(set: &SetOutput, streams: &[Arc<Stream>], signer: Signer, jwks: String) -> Streams {
        let of = |receiver: &Receiver| {
            let stream = streams.iter().find(|stream| *stream.name == *receiver.name)?;
            Some((receiver.token_digest?, Arc::clone(stream), receiver.push.is_some()))
        };
        Streams { receivers: set.receivers.iter().filter_map(of).collect(), signer, jwks, url: set.url.clone() }
    }

    /// Each digest is compared, in constant time (that is how BLAKE3 compares), whichever it is.
    fn who(&self, headers: &HeaderMap) -> Option<&(blake3::Hash, Arc<Stream>, IsPushed)> {
        let digest = bearer(headers)?;
        self.receivers.iter().fold(None, |found, receiver| if receiver.0 == digest { Some(receiver) } else { found })
    }
}

pub(super) fn router(streams: Arc<Streams>) -> Router {
    Router::new()
        .route("/ssf/poll", post(poll))
        .route("/ssf/verify", post(verify))
        .route("/jwks.json", get(async |State(s): Shared| answer(StatusCode::OK, "application/jwk-set+json", s.jwks.clone())))
        .route("/.well-known/ssf-configuration", get(async |State(s): Shared| configuration(&s)))
        .with_state(streams)
}

type Shared = State<Arc<Streams>>;

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn said(status: StatusCode, value: &Value) -> Response {
    answer(status, "application/json", value.to_string())
}

/// In the words of RFC 8935, 2.4, which RFC 8936 shares.
fn refused(status: StatusCode, err: &str, description: impl ToString) -> Response {
    said(status, &json!({ "err": err, "description": description.to_string() }))
}

fn stranger() -> Response {
    let why = "the token of a receiver in output.set.receivers is wanted: `Authorization: Bearer ...`";
    ([(header::WWW_AUTHENTICATE, "Bearer")], refused(StatusCode::UNAUTHORIZED, "authentication_failed", why)).into_response()
}

/// RFC 8936, 2.2.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Poll {
    max_events: Option<usize>,
    return_immediately: bool,
    ack: Vec<String>,
    set_errs: BTreeMap<String, SetErr>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SetErr {
    err: String,
    description: String,
}

async fn poll(State(streams): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Some((_, stream, is_pushed)) = streams.who(&headers) else { return stranger() };
    if *is_pushed {
        return refused(
            StatusCode::FORBIDDEN,
            "access_denied",
            "SETs of this receiver are pushed: take `push` out of its configuration to poll",
        );
    }
    let asked: Poll = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "invalid_request", error),
    };
    asked.ack.iter().for_each(|jti| stream.acknowledge(jti));
    asked.set_errs.iter().for_each(|(jti, why)| stream.refuse(jti, &why.err, &why.description));
    let most = asked.max_events.unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
    let until = Instant::now() + POLL_MAX;
    let (sets, more) = loop {
        let arrival = stream.arrival();
        let (sets, more) = stream.first(most);
        if !sets.is_empty() || asked.return_immediately || most == 0 || timeout_at(until, arrival).await.is_err() {
            break (sets, more);
        }
    };
    let sets: Map<String, Value> = sets.into_iter().map(|set| (set.jti.to_string(), json!(*set.jws))).collect();
    said(StatusCode::OK, &json!({ "sets": sets, "moreAvailable": more }))
}

/// SSF 1.0, 8.1.4.2.
#[derive(Deserialize)]
struct Verify {
    /// The receiver's token names its stream, too.
    #[serde(default)]
    stream_id: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

async fn verify(State(streams): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Some((_, stream, _)) = streams.who(&headers) else { return stranger() };
    let asked: Verify = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "invalid_request", error),
    };
    if asked.stream_id.is_some_and(|id| *id != *stream.name) {
        return refused(StatusCode::NOT_FOUND, "invalid_request", format!("the stream of this receiver is {}", stream.name));
    }
    let set = Set::verification(&stream.name, asked.state.as_deref(), wall_clock());
    let jws = streams.signer.sign_set(&set);
    match stream.verify(set.jti, jws) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => refused(StatusCode::TOO_MANY_REQUESTS, "invalid_request", "verifications wait that are not delivered yet"),
    }
}

/// SSF 1.0, 7.1.
fn configuration(streams: &Streams) -> Response {
    let Some(url) = streams.url.as_deref().map(|url| url.trim_end_matches('/')) else {
        return refused(StatusCode::NOT_FOUND, "invalid_request", "output.set.url does not say how this is reached");
    };
    let value = json!({
        "spec_version": "1_0",
        "issuer": streams.signer.issuer(),
        "jwks_uri": format!("{url}/jwks.json"),
        "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
        "verification_endpoint": format!("{url}/ssf/verify"),
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6750" }],
        "default_subjects": "ALL",
    });
    said(StatusCode::OK, &value)
}
