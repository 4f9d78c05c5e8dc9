//! The event: what an identity did, as every format is normalised to it and as it stands in the keyed log.
//!
//! The field names are the contract (`docs/contracts.md`); the Avro schema `schemas/avro/event.avsc` lists the same fields in the
//! same order. Sections that most events lack are boxed, so that the common event stays small.

use crate::named_enum;
use crate::text::Text;
use crate::time::{Span, Time};
use crate::verdict::Level;
use serde::{Deserialize, Serialize};

named_enum! {
    /// What happened.
    pub enum EventType {
        AuthLogin = "auth.login", AuthMfa = "auth.mfa", AuthToken = "auth.token", AuthLogout = "auth.logout", AuthRecovery = "auth.recovery",
        AccountCreate = "account.create", AccountUpdate = "account.update", AccountDisable = "account.disable", AccountEnable = "account.enable",
        AccountDelete = "account.delete", CredentialCreate = "credential.create", CredentialRotate = "credential.rotate",
        CredentialRevoke = "credential.revoke", PrivilegeGrant = "privilege.grant", PrivilegeRevoke = "privilege.revoke", SecretRead = "secret.read",
        PrivilegedCheckout = "privileged.checkout", PrivilegedSessionStart = "privileged.session_start", PrivilegedCommand = "privileged.command",
        PrivilegedSessionEnd = "privileged.session_end", ConsentGrant = "consent.grant", ApiRequest = "api.request",
        CheckoutAttempt = "checkout.attempt", CheckoutRefund = "checkout.refund",
        InventoryIdentity = "inventory.identity", ContainmentOutcome = "containment.outcome", FeedbackLabel = "feedback.label",
        CredentialExposed = "credential.exposed", DevicePosture = "device.posture", RiskExternal = "risk.external",
    }
}

impl EventType {
    /// Control records change what is believed about identities; only inputs marked `trust: control` may carry them.
    pub const fn is_control(self) -> bool {
        use EventType::*;
        matches!(self, InventoryIdentity | ContainmentOutcome | FeedbackLabel | CredentialExposed | DevicePosture | RiskExternal)
    }

    pub const fn is_auth(self) -> bool {
        use EventType::*;
        matches!(self, AuthLogin | AuthMfa | AuthToken | AuthLogout | AuthRecovery)
    }

    pub const fn is_checkout(self) -> bool {
        matches!(self, EventType::CheckoutAttempt | EventType::CheckoutRefund)
    }
}

named_enum! {
    /// How it ended.
    pub enum Outcome { Success = "success", Failure = "failure", Challenge = "challenge", Unknown = "unknown" }
}

named_enum! {
    /// What kind of actor an identity is.
    pub enum Class {
        Customer = "customer", Workforce = "workforce", Admin = "admin", Support = "support", Service = "service", Agent = "agent",
        Partner = "partner", Test = "test", BreakGlass = "break_glass",
    }
}

impl Class {
    /// Machines keep no office hours and do not travel; people do not call 900 times a minute.
    pub const fn is_machine(self) -> bool {
        matches!(self, Class::Service | Class::Agent | Class::Partner | Class::Test)
    }
}

named_enum! {
    pub enum CredentialKind {
        Password = "password", Passkey = "passkey", Session = "session", AccessToken = "access_token", RefreshToken = "refresh_token",
        ApiKey = "api_key", ClientSecret = "client_secret", Certificate = "certificate", WorkloadIdentity = "workload_identity",
    }
}

named_enum! {
    /// What sort of network an address belongs to.
    pub enum Network {
        Residential = "residential", Mobile = "mobile", Hosting = "hosting", Vpn = "vpn", Proxy = "proxy", Tor = "tor", Relay = "relay",
        Corporate = "corporate",
    }
}

named_enum! {
    /// How a workload proved its name; a bare claim counts for little.
    pub enum WorkloadProof { Mtls = "mtls", JwtSvid = "jwt_svid", Cloud = "cloud", None = "none" }
}

named_enum! {
    pub enum Posture { Compliant = "compliant", Risky = "risky", Unknown = "unknown" }
}

named_enum! {
    pub enum AuthMethod {
        Password = "password", Push = "push", Totp = "totp", Sms = "sms", Webauthn = "webauthn", Kerberos = "kerberos", Federated = "federated",
        DeviceCode = "device_code", Legacy = "legacy", Oauth = "oauth", ClientCredentials = "client_credentials", Mtls = "mtls", Saml = "saml",
        ApiKey = "api_key",
    }
}

named_enum! {
    pub enum AuthFailure {
        BadPassword = "bad_password", UnknownIdentity = "unknown_identity", MfaDenied = "mfa_denied", MfaTimeout = "mfa_timeout",
        Locked = "locked", Expired = "expired", Policy = "policy", Benign = "benign", Other = "other",
    }
}

named_enum! {
    pub enum CheckoutResult { Approved = "approved", Declined = "declined", Review = "review" }
}

named_enum! {
    /// What kind of program a user agent is, stamped by INGEST.
    pub enum AgentClass { Browser = "browser", Mobile = "mobile", Cli = "cli", Library = "library", Crawler = "crawler", Other = "other" }
}

named_enum! {
    pub enum IdentityStatus { Active = "active", Offboarded = "offboarded" }
}

named_enum! {
    /// What became of a containment, said by whoever carried it out.
    pub enum OutcomeStatus {
        Accepted = "accepted", Done = "done", AlreadyDone = "already_done", Partial = "partial", Failed = "failed", Rejected = "rejected",
        NotFound = "not_found", Unsupported = "unsupported", Reverted = "reverted",
    }
}

named_enum! {
    pub enum Label { TruePositive = "true_positive", FalsePositive = "false_positive", Chargeback = "chargeback" }
}

/// Declares a section of the event: every field optional, absent fields left out of JSON, unknown fields skipped.
macro_rules! section {
    ($(#[$meta:meta])* $type:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $type<'a> {
            $($(#[$fmeta])* #[serde(borrow, skip_serializing_if = "Option::is_none")] pub $field: Option<$ty>),+
        }
    };
}

/// The principal that acted, or that was attempted.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Identity<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Who names it so: `https://idp.example/realms/lab`, an AWS account.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Text<'a>>,
    /// The name it has there, kept when an alias is resolved to the canonical `id`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub native_id: Option<Text<'a>>,
    /// The principal that an agent or a support person acts for.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Text<'a>>,
}

section! {
    /// The system that wrote the log and can act on it.
    Provider { product: Text<'a>, instance: Text<'a> }
}

/// What was presented to prove the identity.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Credential<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub id: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<CredentialKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Text<'a>>,
    /// What it was issued from: a refresh token, a key, a session.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Text<'a>>,
}

section! {
    Session { id: Text<'a>, parent: Text<'a> }
}

/// Where the request came from.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Source<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// ISO 3166-1 alpha-2.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub country: Option<Text<'a>>,
    /// Degrees north, -90..=90.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Degrees east, -180..=180.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// Error of the place, kilometres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius_km: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub ja4: Option<Text<'a>>,
    /// SPIFFE ID or cloud resource name.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_proof: Option<WorkloadProof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture: Option<Posture>,
}

/// How it was authenticated.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<AuthMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<AuthFailure>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<Text<'a>>,
}

/// What was asked of an API.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Request<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// The template (`/v1/accounts/{id}`), not the path.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub route: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The id of what was touched.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub object: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Text<'a>>,
    /// Another identity that was touched.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub target: Option<Text<'a>>,
}

/// A purchase, payment, transfer or refund.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkout<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub order: Option<Text<'a>>,
    /// Minor units of `currency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// ISO 4217.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Text<'a>>,
    /// The card's fingerprint, never its number.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub card: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub card_country: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub payee: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub merchant: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<CheckoutResult>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub decline: Option<Text<'a>>,
}

section! {
    /// What was changed, granted or read.
    Change { role: Text<'a>, scope: Text<'a>, secret: Text<'a>, target: Text<'a>, value: Text<'a> }
}

section! {
    /// An AI agent's act.
    Agent {
        tool: Text<'a>, model: Text<'a>, delegation: Text<'a>, task: Text<'a>,
        /// The agent that called it.
        parent: Text<'a>,
    }
}

section! {
    /// A privileged session, as a PAM logs it.
    Privileged { account: Text<'a>, target: Text<'a>, ticket: Text<'a>, session: Text<'a> }
}

section! {
    /// What an EDR, an IdP or a fraud vendor thinks.
    ExternalRisk { provider: Text<'a>, name: Text<'a>, level: Text<'a> }
}

/// Where and when an identity is expected to be active; leaving it is `envelope_breach`.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected<'a> {
    /// CIDR blocks or kinds of network.
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asns: Vec<u32>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Text<'a>>,
    /// `Mon-Fri 01:00-04:00 Europe/Zurich`; UTC where no zone is named.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rate_per_minute: Option<u32>,
}

/// A principal that delegated to an agent.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Delegation<'a> {
    #[serde(borrow)]
    pub principal: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// What an inventory knows of an identity (`inventory.identity`).
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text<'a>>,
    /// 0 (nobody would notice) to 3 (the business stops).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<u8>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Other names of the same workload or person: ARN, SPIFFE ID, CI/CD OIDC subject, SaaS log-in, client id.
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<IdentityStatus>,
    /// Services that depend on it. `None`: unknown, which counts as shared.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<Vec<Text<'a>>>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub delegated_by: Vec<Delegation<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_token_age: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_every: Option<Span>,
}

/// A thing by its kind and id: a subject in an outcome or a label, a target that was acted on.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Named<'a> {
    #[serde(borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub id: Text<'a>,
}

/// What became of a containment (`containment.outcome`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ContainmentOutcome<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Named<'a>>,
    pub status: OutcomeStatus,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text<'a>>,
    /// For a containment that somebody did by hand, without a request of ours.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Named<'a>>,
    /// Compact JWS of [`crate::outcome::Claims`], by a responder of the policy: then it is believed for that, whatever its input.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<Text<'a>>,
}

impl ContainmentOutcome<'_> {
    pub fn is_signed(&self) -> bool {
        self.jws.is_some()
    }
}

/// What an analyst says a verdict was (`feedback.label`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Feedback<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Named<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub verdict_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Text<'a>>,
    pub label: Label,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Text<'a>>,
}

/// Where a record was read, stamped by INGEST. Serves ids and audit.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Origin<'a> {
    /// The Kafka cluster's id; `file` for files.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// The topic, or the file's name as it was given.
    #[serde(borrow)]
    pub topic: Text<'a>,
    pub partition: i32,
    /// The Kafka offset, or the byte offset of the line.
    pub offset: i64,
    /// The place within one record that holds several events (a JSON array, `Records`); 0 otherwise.
    pub index: u32,
}

/// What INGEST found out and stamped on the event.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Stamp<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_class: Option<AgentClass>,
    /// The user agent's family without its version: `Chrome`, `aws-cli`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub agent_family: Option<Text<'a>>,
    /// The operating system's family: `Mac OSX`, `Linux`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub agent_os: Option<Text<'a>>,
    /// The type in the vendor's own words: `user.session.start`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub native_type: Option<Text<'a>>,
    /// The identity's inventory record was known to INGEST.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inventoried: bool,
    /// The highest level at which the event's source, device or card stood when it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reputation: Option<Level>,
    /// The principal that is acted for (`identity.on_behalf_of`) is offboarded, or contained.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub principal_gone: bool,
}

/// One event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event<'a> {
    /// Unique per tenant and source. INGEST derives one from the origin where the log has none.
    #[serde(borrow, default)]
    pub id: Text<'a>,
    pub time: Time,
    #[serde(rename = "type")]
    pub kind: EventType,
    #[serde(default = "unknown_outcome", skip_serializing_if = "is_unknown")]
    pub outcome: Outcome,
    #[serde(borrow, default = "default_tenant")]
    pub tenant: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<Box<Checkout<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<Change<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Box<Agent<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<Box<Privileged<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Box<ExternalRisk<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Box<Inventory<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<Box<ContainmentOutcome<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Box<Feedback<'a>>>,
    /// Stamped by INGEST; what an input says here is dropped.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin<'a>>,
    /// Stamped by INGEST; what an input says here is dropped.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp<'a>>,
}

fn unknown_outcome() -> Outcome {
    Outcome::Unknown
}

fn is_unknown(outcome: &Outcome) -> bool {
    *outcome == Outcome::Unknown
}

fn default_tenant() -> Text<'static> {
    Text::borrowed(DEFAULT_TENANT)
}

/// The tenant of events that name none.
pub const DEFAULT_TENANT: &str = "default";

impl<'a> Event<'a> {
    /// An event with nothing but the required fields.
    pub fn new(kind: EventType, time: Time) -> Event<'a> {
        Event {
            id: Text::default(),
            time,
            kind,
            outcome: Outcome::Unknown,
            tenant: default_tenant(),
            identity: None,
            provider: None,
            credential: None,
            session: None,
            source: None,
            auth: None,
            request: None,
            checkout: None,
            change: None,
            agent: None,
            privileged: None,
            risk: None,
            inventory: None,
            containment: None,
            feedback: None,
            origin: None,
            stamp: None,
        }
    }

    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Success
    }

    pub fn failed(&self) -> bool {
        self.outcome == Outcome::Failure
    }

    pub fn identity_id(&self) -> Option<&str> {
        self.identity.as_ref().map(|i| i.id.as_str())
    }

    pub fn failure(&self) -> Option<AuthFailure> {
        self.auth.as_ref().and_then(|a| a.failure)
    }

    pub fn method(&self) -> Option<AuthMethod> {
        self.auth.as_ref().and_then(|a| a.method)
    }

    pub fn session_id(&self) -> Option<&str> {
        self.session.as_ref().and_then(|s| s.id.as_deref())
    }

    pub fn credential_id(&self) -> Option<&str> {
        self.credential.as_ref().and_then(|c| c.id.as_deref())
    }

    pub fn device_id(&self) -> Option<&str> {
        self.source.as_ref().and_then(|s| s.device_id.as_deref())
    }

    pub fn ip(&self) -> Option<&str> {
        self.source.as_ref().and_then(|s| s.ip.as_deref())
    }

    pub fn card(&self) -> Option<&str> {
        self.checkout.as_ref().and_then(|c| c.card.as_deref())
    }

    pub fn network(&self) -> Option<Network> {
        self.source.as_ref().and_then(|s| s.network)
    }

    /// Done, as far as the log tells: an attempt to authenticate counts only when it says so.
    pub fn accepted(&self) -> bool {
        self.succeeded() || (self.outcome == Outcome::Unknown && !self.kind.is_auth())
    }

    /// The other identity that the event acts upon, if it names one.
    ///
    /// Accounts, credentials and privileges name it in `change.target`, what support does for somebody in `request.target`, a privileged
    /// session in `privileged.account`.
    pub fn acts_upon(&self) -> Option<&str> {
        use EventType::*;
        let request = self.request.as_ref().and_then(|r| r.target.as_deref());
        let other = match self.kind {
            AccountCreate | AccountDisable | AccountEnable | AccountDelete | CredentialCreate | CredentialRotate | CredentialRevoke
            | PrivilegeGrant | PrivilegeRevoke => self.change.as_ref().and_then(|c| c.target.as_deref()).or(request),
            AccountUpdate | AuthRecovery => request,
            PrivilegedCheckout | PrivilegedSessionStart => self.privileged.as_ref().and_then(|p| p.account.as_deref()),
            _ => None,
        };
        other.filter(|id| !id.is_empty() && Some(*id) != self.identity_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: &str = r#"{"id":"e-1","time":1760000000280,"type":"auth.login","outcome":"success","identity":{"id":"u-13","class":"customer"},"source":{"ip":"192.0.2.1","lat":1.5,"unheard_of":[1,{"a":2}]},"auth":{"method":"push","amr":["pwd","mfa"]},"also_unknown":null}"#;

    #[test]
    fn json_borrows_and_reads_back() {
        let event: Event = serde_json::from_str(LOGIN).unwrap();
        assert!(matches!(event.identity.as_ref().unwrap().id.0, std::borrow::Cow::Borrowed("u-13")));
        assert!(matches!(event.source.as_ref().unwrap().ip.as_ref().unwrap().0, std::borrow::Cow::Borrowed(_)));
        assert_eq!(event.tenant.as_str(), "default");
        let again = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&again).unwrap(), event);
        assert!(std::mem::size_of::<Event>() <= 1_400, "{}", std::mem::size_of::<Event>());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let missing = serde_json::from_str::<Event>(r#"{"type":"auth.login"}"#).unwrap_err().to_string();
        assert!(missing.contains("missing field `time`"), "{missing}");
        let unknown = serde_json::from_str::<Event>(r#"{"time":0,"type":"auth.logon"}"#).unwrap_err().to_string();
        assert!(unknown.contains("did you mean \"auth.login\"?"), "{unknown}");
    }
}
