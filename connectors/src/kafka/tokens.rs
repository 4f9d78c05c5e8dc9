//! That each client has an access token which is good for a while yet, where the cluster wants one.
//!
//! A client gets one when it is made, before its first call that waits for a broker. From then on librdkafka asks when four fifths of a token's
//! life are over, as soon as the client is polled. All clients of a process share what its [`Settings`](super::Settings) hold: one is asked for when
//! half its life is over, beside the work, so that an issuer that is down for a while is not felt.

use super::context::lock;
use super::fault::KafkaFault;
use super::grant::{Grant, Token, now_ms};
use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Before an issuer that had none is asked again.
const AGAIN: Duration = Duration::from_secs(3);
/// How often the thread that renews looks whether anybody still needs it to.
const LOOK: Duration = Duration::from_secs(10);
/// What librdkafka calls whoever comes; the broker takes the name from the token.
const PRINCIPAL: &CStr = c"portcullis";

/// The tokens of some settings, and of their clones.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Option<Arc<Tokens>>>>);

impl Shared {
    /// Those that the properties want; `None` where no token is wanted.
    ///
    /// # Errors
    /// As [`Grant::read`].
    pub fn of(&self, properties: &BTreeMap<String, String>) -> Result<Option<Arc<Tokens>>, KafkaFault> {
        let Some(grant) = Grant::read(properties)? else { return Ok(None) };
        let mut shared = lock(&self.0);
        let tokens = match shared.take().filter(|tokens| tokens.grant == grant) {
            Some(tokens) => tokens,
            None => Arc::new(Tokens { grant, held: Mutex::default() }),
        };
        *shared = Some(Arc::clone(&tokens));
        Ok(Some(tokens))
    }
}

pub(super) struct Tokens {
    grant: Grant,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    is_renewed: bool,
    /// Why the latest try gave none, and when it was.
    trouble: Option<(Instant, String)>,
}

impl Held {
    fn good(&self) -> Option<Token> {
        self.token.as_ref().filter(|token| token.is_good(now_ms())).cloned()
    }

    fn learn(&mut self, asked: &Result<Token, String>) {
        match asked {
            Ok(token) => {
                self.token = Some(token.clone());
                self.trouble = None;
            }
            Err(why) => self.trouble = Some((Instant::now(), why.clone())),
        }
    }
}

impl Tokens {
    /// One that is good now; waits for the issuer where there is none, unless it has just said no.
    fn token(self: &Arc<Self>) -> Result<Token, String> {
        if matches!(self.grant, Grant::File(_)) {
            return self.grant.token();
        }
        let mut held = lock(&self.held);
        if let Some(token) = held.good() {
            return Ok(token);
        }
        if let Some((when, why)) = &held.trouble
            && when.elapsed() < AGAIN
        {
            return Err(why.clone());
        }
        // The others wait meanwhile, and find what came. On a thread of its own: the caller's may belong to a runtime, in which none may be started.
        let grant = self.grant.clone();
        let asked = std::thread::spawn(move || grant.token()).join().unwrap_or_else(|_| Err("the asking thread panicked".to_owned()));
        held.learn(&asked);
        if !std::mem::replace(&mut held.is_renewed, true) {
            let this = Arc::downgrade(self);
            std::thread::spawn(move || renew(&this));
        }
        asked
    }

    /// One that is good now, without a wait: librdkafka asks on the thread that polls it, within a transaction too.
    fn held(&self) -> Result<Token, String> {
        if matches!(self.grant, Grant::File(_)) {
            return self.grant.token();
        }
        let held = lock(&self.held);
        held.good().ok_or_else(|| held.trouble.as_ref().map_or_else(|| "the token has ended".to_owned(), |(_, why)| why.clone()))
    }

    /// Why a new one has not come so far, though it was asked for.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.held).trouble.as_ref().map(|(_, why)| format!("no new token so far, the one that is held is used: {why}"))
    }

    /// What [`ClientContext::generate_oauth_token`] answers.
    pub fn answer(&self) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let token = self.held()?;
        let principal_name = PRINCIPAL.to_string_lossy().into_owned();
        Ok(OAuthToken { token: token.value, principal_name, lifetime_ms: token.until_ms })
    }

    /// Gives a client its first one.
    ///
    /// # Errors
    /// [`KafkaFault::NoToken`].
    pub fn give<C: ClientContext>(self: &Arc<Self>, client: &Client<C>) -> Result<(), KafkaFault> {
        let token = self.token().map_err(|reason| KafkaFault::NoToken { reason })?;
        let value = CString::new(token.value).map_err(|_| KafkaFault::Misuse("a token has no NUL"))?;
        let mut why = [0; 512];
        // SAFETY: the client is alive; all that is pointed at is copied before the call returns.
        let code = unsafe {
            rd::rd_kafka_oauthbearer_set_token(
                client.native_ptr(),
                value.as_ptr(),
                token.until_ms,
                PRINCIPAL.as_ptr(),
                ptr::null_mut(),
                0,
                why.as_mut_ptr(),
                why.len(),
            )
        };
        if Code::from(code) == Code::NoError {
            return Ok(());
        }
        // SAFETY: librdkafka ends what it writes there by a NUL.
        let why = unsafe { CStr::from_ptr(why.as_ptr()) }.to_string_lossy().into_owned();
        Err(KafkaFault::NoToken { reason: format!("librdkafka refuses it: {why}") })
    }
}

/// Has a new token asked for when half the life of one is over, again and again until it comes, as long as somebody needs tokens.
fn renew(tokens: &Weak<Tokens>) {
    let mut wait = Duration::ZERO;
    loop {
        std::thread::sleep(wait);
        let Some(tokens) = tokens.upgrade() else { return };
        let half_over_ms = || lock(&tokens.held).token.as_ref().map_or(0, Token::half_over_ms);
        let due_ms = half_over_ms();
        wait = Duration::from_millis(u64::try_from(due_ms - now_ms()).unwrap_or(0)).min(LOOK);
        if !wait.is_zero() {
            continue;
        }
        let asked = tokens.grant.token();
        wait = if asked.is_ok() { Duration::ZERO } else { AGAIN };
        // Somebody who needed one may have got it meanwhile.
        if half_over_ms() == due_ms {
            lock(&tokens.held).learn(&asked);
        }
    }
}
