//! Push-based delivery (RFC 8935): each SET is posted, and the receiver's answer says what became of it.
//!
//! | answer | the SET |
//! |---|---|
//! | 2xx (202 by the RFC) | is delivered |
//! | 400 with an `err` about the SET | is refused: it is kept, and the next one is sent |
//! | 400 with `authentication_failed` or `access_denied`, any other status, none | is sent again, after 1 s, 2 s, ... 60 s: it is not the SET that is wrong |

use super::Stream;
use crate::config::{Push, Secret};
use crate::telemetry::{self, SetEnd};
use anyhow::Context;
use portcullis_connectors::outputs::set::MEDIA_TYPE;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// For one answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// A turn of the worker sends no longer than that, then writes down how far it is.
const TURN_MAX: Duration = Duration::from_secs(1);
const WAIT_LEAST: Duration = Duration::from_secs(1);
const WAIT_MOST: Duration = Duration::from_secs(60);
/// Of an answer's body.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Posts SETs to one receiver.
pub struct Pusher {
    url: Url,
    token: Option<Secret>,
    client: Client,
    runtime: Runtime,
    /// After a failure: not before then, and how long was waited.
    waits: Option<(Instant, Duration)>,
}

/// What became of a SET.
#[derive(PartialEq, Debug)]
enum Answer {
    Delivered,
    Refused(ErrorBody),
    Failed(String),
}

/// RFC 8935, 2.3.
#[derive(Deserialize, Default, PartialEq, Debug)]
#[serde(default)]
struct ErrorBody {
    err: String,
    description: String,
}

impl Pusher {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(push: &Push) -> anyhow::Result<Pusher> {
        // A redirect would carry the token to somebody else.
        let client = Client::builder().timeout(ANSWER_MAX).redirect(Policy::none()).build().context("a client for HTTPS")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().context("a client for HTTPS")?;
        let token = push.token.as_ref().map(|(_, token)| token.clone());
        Ok(Pusher { url: push.url.clone(), token, client, runtime, waits: None })
    }

    /// Sends what waits, one after the other.
    pub fn push(&mut self, stream: &Stream) {
        let began = Instant::now();
        if self.waits.is_some_and(|(until, _)| began < until) {
            return;
        }
        while let Some(set) = stream.first(1).0.pop() {
            match self.runtime.block_on(self.post(&set.jws)) {
                Answer::Delivered => stream.acknowledge(&set.jti),
                Answer::Refused(why) => stream.refuse(&set.jti, &why.err, &why.description),
                Answer::Failed(why) => {
                    let wait = self.waits.map_or(WAIT_LEAST, |(_, waited)| (waited * 2).min(WAIT_MOST));
                    tracing::warn!(receiver = %stream.name, jti = %set.jti, again_in = ?wait, "a SET is not delivered: {why}");
                    telemetry::set(&stream.name, SetEnd::Failed);
                    self.waits = Some((Instant::now() + wait, wait));
                    return;
                }
            }
            if self.waits.take().is_some() {
                tracing::info!(receiver = %stream.name, "SETs are delivered again");
            }
            if began.elapsed() >= TURN_MAX {
                return;
            }
        }
    }

    async fn post(&self, jws: &str) -> Answer {
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, MEDIA_TYPE).header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        match request.body(jws.to_owned()).send().await {
            Ok(response) => {
                let status = response.status();
                // Only an error has a body that says something.
                let body = if status.is_success() { Vec::new() } else { body(response).await };
                judge(status, &body)
            }
            // The cause is what helps; the URL is in the configuration.
            Err(error) => Answer::Failed(format!("{:#}", anyhow::Error::from(error.without_url()))),
        }
    }
}

async fn body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_BYTES_MAX {
            break;
        }
    }
    body
}

fn judge(status: StatusCode, body: &[u8]) -> Answer {
    let said: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    match (status, said.err.as_str()) {
        _ if status.is_success() => Answer::Delivered,
        (StatusCode::BAD_REQUEST, "") => {
            Answer::Failed("400 without an `err` (RFC 8935, 2.3): does something else answer there?".to_owned())
        }
        (StatusCode::BAD_REQUEST, err) if !["authentication_failed", "access_denied"].contains(&err) => Answer::Refused(said),
        (_, "") => Answer::Failed(status.to_string()),
        (_, err) => Answer::Failed(format!("{status}: {err}: {}", said.description)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_set_itself_refuses_it() {
        let judged = |status, body: &str| judge(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(judged(202, ""), Answer::Delivered);
        let Answer::Refused(why) = judged(400, r#"{"err":"invalid_request","description":"no such user"}"#) else {
            panic!("it is refused")
        };
        assert_eq!((why.err.as_str(), why.description.as_str()), ("invalid_request", "no such user"));
        for (status, body, why) in [
            (400, "<html>Bad Request", "without an `err`"),
            (400, r#"{"err":"authentication_failed","description":"who?"}"#, "authentication_failed: who?"),
            (401, "", "401"),
            (503, r#"{"err":"invalid_request"}"#, "503"),
            (302, "", "302"),
        ] {
            let Answer::Failed(said) = judged(status, body) else { panic!("{status} {body} is no failure") };
            assert!(said.contains(why), "{said}");
        }
    }
}
