//! Questions over HTTP to a service beside Kafka (a schema registry, an issuer of tokens): each blocks its caller, ends within seconds, and follows
//! no redirect, which would carry a password to somebody else.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder};
use std::time::Duration;
use tokio::runtime::Runtime;

const CONNECT_MAX: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Http {
    client: Client,
    runtime: Runtime,
}

impl Http {
    /// `authorities`: certificates in PEM that are believed beside the system's.
    ///
    /// # Errors
    /// What is wrong with the authorities.
    pub fn new(authorities: Option<&[u8]>) -> Result<Http, String> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .redirect(Policy::none())
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = authorities {
            let read = Certificate::from_pem_bundle(pem).map_err(|e| format!("no certificates in PEM: {}", chain(&e)))?;
            if read.is_empty() {
                return Err("no certificate in PEM is in it".to_owned());
            }
            builder = read.into_iter().fold(builder, |builder, authority| builder.add_root_certificate(authority));
        }
        let client = builder.build().map_err(|e| chain(&e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        Ok(Http { client, runtime })
    }

    /// Status and body of the answer.
    ///
    /// # Errors
    /// Why there is none, or none that is read.
    pub fn ask(&self, question: impl FnOnce(&Client) -> RequestBuilder, bytes_max: usize) -> Result<(u16, Vec<u8>), Unanswered> {
        let request = question(&self.client);
        let answered: reqwest::Result<_> = self.runtime.block_on(async {
            let mut answer = request.send().await?;
            let (status, mut body) = (answer.status().as_u16(), Vec::new());
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > bytes_max {
                    return Ok(Err(Unanswered::TooLong));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Ok((status, body)))
        });
        answered.unwrap_or_else(|error| Err(Unanswered::Failed(chain(&error))))
    }
}

pub(crate) enum Unanswered {
    Failed(String),
    /// The answer has more bytes than are read.
    TooLong,
}

/// An error and what lies beneath it, since the first line of HTTP's errors says little.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}
