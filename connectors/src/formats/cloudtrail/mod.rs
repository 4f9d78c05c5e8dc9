//! `cloudtrail`: AWS CloudTrail records, event versions 1.01 to 1.11, alone or in `{"Records": [...]}`, also with lower-case field
//! names and zoneless times as Athena writes them.
//!
//! | CloudTrail | event |
//! |---|---|
//! | `eventID` | `id` |
//! | `eventTime` | `time` |
//! | `eventSource` + `eventName` | `type` by [`action`]; `stamp.native_type` and `request.route` as `iam:CreateUser` |
//! | `errorCode`, `responseElements.ConsoleLogin`, `serviceEventDetails` | `outcome`, `request.status`, `auth.failure` |
//! | `userIdentity` | `identity`, `session`, `credential` by [`caller`] |
//! | `recipientAccountId` | `provider.instance` (`provider.product` is `aws`) |
//! | `sourceIPAddress` | `source.ip`; a service's name is `source.workload`; other text is left out |
//! | `userAgent` | `source.user_agent` |
//! | `resources[].ARN`, else a telling request parameter | `request.object` |
//! | `additionalEventData.bytesTransferredOut` | `request.bytes` |
//! | the user or role that `iam` acts on | `change.target`; the policy or group is `change.role`, the secret `change.secret` |
//!
//! Everything that is not log-in, token, account, credential, privilege or secret is an `api.request`, data events included.
//! Ignored, by `eventType`: insights, service events that name no principal, and what anybody may do (`ANONYMOUS_PRINCIPAL`).
//!
//! Source: "CloudTrail record contents", "CloudTrail userIdentity element" and "AWS Management Console sign-in events" in the AWS
//! CloudTrail User Guide; "Understanding IAM Identity Center sign-in events" in the IAM Identity Center User Guide.

pub mod action;
pub mod caller;

use super::fields::{Unless, aws_source};
use super::json::Json;
use super::{Fault, Item, kind_of};
use caller::Caller;
use portcullis_core::event::{Auth, AuthFailure, AuthMethod, Event, EventType, Outcome, Provider, Request, Source, Stamp};
use portcullis_core::text::Text;
use portcullis_core::time::Time;

/// A record's content as both CloudTrail itself and OCSF's rendering of it give it.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    pub id: Option<Text<'a>>,
    pub time: Option<Time>,
    /// `iam`, not `iam.amazonaws.com`.
    pub service: Text<'a>,
    pub operation: Text<'a>,
    /// `AwsApiCall`, `AwsServiceEvent`, `AwsConsoleSignIn`, `AwsConsoleAction`, `AwsCloudTrailInsight`, `AwsVpceEvent`.
    pub event_type: Option<Text<'a>>,
    /// The account whose log this is.
    pub account: Option<Text<'a>>,
    pub region: Option<Text<'a>>,
    pub error: Option<Text<'a>>,
    pub error_message: Option<Text<'a>>,
    /// `Success` or `Failure` where the record says so beside the error code.
    pub result: Option<Text<'a>>,
    pub user_agent: Option<Text<'a>>,
    pub params: Json<'a>,
    pub response: Json<'a>,
    pub resource: Option<Text<'a>>,
    pub mfa_used: Option<bool>,
    /// Of IAM Identity Center: `PASSWORD`, `TOTP`, `WEBAUTHN`, ...
    pub credential_type: Option<Text<'a>>,
    pub saml: bool,
    pub bytes_out: Option<u64>,
    pub caller: Caller<'a>,
}

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Item<'a> {
    let mut source = Source::default();
    aws_source(&mut source, json.get("sourceIPAddress"));
    match Trail::from_record(json) {
        Ok(trail) => trail.into_item(source),
        Err(fault) => Item::Fault(fault),
    }
}

impl<'a> Trail<'a> {
    fn from_record(json: &Json<'a>) -> Result<Trail<'a>, Fault> {
        let Some(operation) = json.get("eventName").text() else {
            return Err(Fault::new("eventName", "missing: not a CloudTrail record"));
        };
        let Some(service) = json.get("eventSource").text() else {
            return Err(Fault::new("eventSource", "missing: not a CloudTrail record"));
        };
        let time = json.get("eventTime");
        if time.is_null() {
            return Err(Fault::new("eventTime", "missing"));
        }
        let response = json.get("responseElements").clone();
        let extra = json.get("additionalEventData");
        let result = response.get(&operation).text().or_else(|| json.get("serviceEventDetails").get(&operation).text());
        Ok(Trail {
            id: json.get("eventID").text(),
            time: time.time(),
            service: short_service(service),
            operation,
            event_type: json.get("eventType").text(),
            account: json.get("recipientAccountId").name().or_else(|| json.at("userIdentity.accountId").name()),
            region: json.get("awsRegion").text(),
            error: json.get("errorCode").text(),
            error_message: json.get("errorMessage").text(),
            result,
            user_agent: json.get("userAgent").text(),
            params: json.get("requestParameters").clone(),
            resource: json.get("resources").list().iter().find_map(|r| r.get("ARN").text()),
            mfa_used: extra.get("MFAUsed").bool(),
            credential_type: extra.get("CredentialType").text(),
            saml: extra.get("SamlProviderArn").text().is_some(),
            bytes_out: extra.get("bytesTransferredOut").int().and_then(|n| u64::try_from(n).ok()),
            caller: Caller::from_record(json.get("userIdentity"), extra),
            response,
        })
    }

    /// The event, with `source` as far as the caller knows it.
    pub fn into_item(self, mut source: Source<'a>) -> Item<'a> {
        let native_type = Text::from(format!("{}:{}", self.service, self.operation));
        if self.event_type.as_deref() == Some("AwsCloudTrailInsight") {
            return Item::ignored(kind_of("cloudtrail", self.event_type.as_ref()));
        }
        let Some(time) = self.time else { return Item::fault("eventTime", "not a time: RFC 3339 is expected") };
        let Some(identity) = self.caller.identity(self.account.as_deref(), self.region.as_deref()) else {
            return self.without_principal();
        };
        let outcome = self.outcome();
        let action = action::action(&self, outcome);
        let mut event = Event::new(action.kind, time);
        event.id = self.id.clone().unwrap_or_default();
        event.outcome = action.outcome.unwrap_or(outcome);
        event.provider = Some(Provider { product: Some(Text::borrowed("aws")), instance: self.account.clone() });
        event.session = self.caller.session();
        event.credential = action.credential.or_else(|| self.caller.credential()).and_then(Unless::unless_empty);
        if source.workload.is_none()
            && let Some(service) = self.caller.invoked_by.as_ref().filter(|s| super::fields::is_aws_service(s))
        {
            source.workload = Some(service.clone());
            source.workload_proof = Some(portcullis_core::event::WorkloadProof::Cloud);
        }
        source.user_agent = self.user_agent.clone();
        event.source = source.unless_empty();
        if action.kind.is_auth() {
            event.auth = self.auth(event.outcome).unless_empty();
        }
        event.request = Some(Request {
            route: Some(native_type.clone()),
            status: self.status(outcome),
            bytes: self.bytes_out,
            object: action.object.or_else(|| self.object()),
            target: action.target,
            ..Request::default()
        });
        event.change = action.change.unless_empty().map(Box::new);
        event.stamp = Some(Stamp { native_type: Some(native_type), ..Stamp::default() });
        let mut identity = identity;
        if identity.class.is_none() && action.kind == EventType::AuthLogin && self.caller.is_iam_user() {
            // Machines use keys; who signs in to the console is a person.
            identity.class = Some(portcullis_core::event::Class::Workforce);
        }
        event.identity = Some(identity);
        Item::Event(event)
    }

    /// What AWS does of its own accord, and what anybody may do without a name, is not about identities. A call that somebody must
    /// have made, in a record that does not say who, has lost something.
    fn without_principal(&self) -> Item<'a> {
        let kind = kind_of("cloudtrail", self.event_type.as_ref());
        match self.event_type.as_deref() {
            _ if self.caller.anonymous => Item::ignored(format!("{kind} by anybody")),
            Some("AwsServiceEvent") => Item::ignored(format!("{kind} without a principal")),
            _ => Item::fault("userIdentity", "names nobody who called"),
        }
    }

    fn outcome(&self) -> Outcome {
        if self.error.is_some() || self.result.as_deref().is_some_and(|r| r.eq_ignore_ascii_case("failure")) {
            Outcome::Failure
        } else {
            Outcome::Success
        }
    }

    /// CloudTrail does not keep the HTTP status; the families of error codes tell it. No error: not said.
    fn status(&self, outcome: Outcome) -> Option<u16> {
        let code = self.error.as_deref()?;
        debug_assert_eq!(outcome, Outcome::Failure);
        let has = |parts: &[&str]| parts.iter().any(|p| code.contains(p));
        Some(if has(&["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden"]) {
            403
        } else if has(&["Throttl", "RequestLimitExceeded", "TooManyRequests", "SlowDown"]) {
            429
        } else if has(&["NotFound", "NoSuch", "DoesNotExist"]) {
            404
        } else if has(&["Internal", "ServiceUnavailable", "ServiceFailure", "InternalError"]) {
            500
        } else {
            400
        })
    }

    fn auth(&self, outcome: Outcome) -> Auth<'a> {
        let mut auth = Auth { method: self.method(), ..Auth::default() };
        if self.mfa_used == Some(true) {
            auth.amr.push(Text::borrowed("mfa"));
        }
        if outcome == Outcome::Failure {
            auth.failure = Some(self.failure());
        }
        auth
    }

    fn method(&self) -> Option<AuthMethod> {
        if let Some(kind) = self.credential_type.as_deref() {
            return Some(match kind {
                "PASSWORD" => AuthMethod::Password,
                "TOTP" | "EMAIL_OTP" => AuthMethod::Totp,
                "WEBAUTHN" => AuthMethod::Webauthn,
                "EXTERNAL_IDP" => AuthMethod::Federated,
                "RADIUS" => AuthMethod::Legacy,
                _ => return None,
            });
        }
        match &*self.operation {
            _ if self.saml => Some(AuthMethod::Saml),
            "AssumeRoleWithSAML" => Some(AuthMethod::Saml),
            "AssumeRoleWithWebIdentity" | "ExternalIdPDirectoryLogin" | "Federate" => Some(AuthMethod::Federated),
            "CreateToken" if self.params.get("grantType").str().ends_with("device_code") => Some(AuthMethod::DeviceCode),
            "ConsoleLogin" if self.caller.is_iam_user() || self.caller.is_root() => Some(AuthMethod::Password),
            _ => None,
        }
    }

    fn failure(&self) -> AuthFailure {
        let message = self.error_message.as_deref().unwrap_or("").to_ascii_lowercase();
        let code = self.error.as_deref().unwrap_or("");
        if message.contains("no username found") || self.caller.is_hidden() {
            AuthFailure::UnknownIdentity
        } else if message.contains("failed authentication") || message.contains("incorrect password") {
            AuthFailure::BadPassword
        } else if code.contains("Expired") || message.contains("expired") {
            AuthFailure::Expired
        } else if code.contains("AccessDenied") || code.contains("Unauthorized") {
            AuthFailure::Policy
        } else if self.credential_type.is_some() && self.method() != Some(AuthMethod::Password) {
            AuthFailure::MfaDenied
        } else if self.method() == Some(AuthMethod::Password) {
            AuthFailure::BadPassword
        } else {
            AuthFailure::Other
        }
    }

    /// What was touched: the record's own list of resources, or the first parameter that names one thing.
    fn object(&self) -> Option<Text<'a>> {
        const NAMING: &[&str] = &[
            "secretId",
            "bucketName",
            "instanceId",
            "functionName",
            "keyId",
            "tableName",
            "dBInstanceIdentifier",
            "dBClusterIdentifier",
            "repositoryName",
            "groupId",
            "imageId",
            "snapshotId",
            "volumeId",
            "policyArn",
            "trailName",
            "targetGroupArn",
            "modelId",
            "topicArn",
            "queueUrl",
            "clusterName",
            "documentName",
            "stackName",
            "logGroupName",
            "name",
        ];
        self.resource.clone().or_else(|| NAMING.iter().find_map(|key| self.params.get(key).text()))
    }
}

/// `iam` of `iam.amazonaws.com`.
pub(super) fn short_service(service: Text<'_>) -> Text<'_> {
    const SUFFIX: &str = ".amazonaws.com";
    match service.0 {
        std::borrow::Cow::Borrowed(s) => Text::borrowed(s.strip_suffix(SUFFIX).unwrap_or(s)),
        std::borrow::Cow::Owned(s) => Text::from(s.strip_suffix(SUFFIX).map(str::to_owned).unwrap_or(s)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, Item, decode, testing};
    use portcullis_core::event::Event;

    /// Decodes one record and hands the event to `check`.
    pub(super) fn with(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::CloudTrail, raw, &Input::behaviour("trail", None), check);
    }

    #[test]
    fn a_call_of_a_user() {
        with(
            r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::111122223333:user/ci","accountId":"111122223333",
            "accessKeyId":"AKIA1","userName":"ci"},"eventTime":"2026-05-01T10:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances",
            "awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2.15","requestParameters":null,"responseElements":null,
            "errorCode":"Client.UnauthorizedOperation","eventID":"e-1","eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#,
            |event| {
                assert_eq!(
                    serde_json::to_string(&event).unwrap(),
                    concat!(
                        r#"{"id":"e-1","time":"2026-05-01T10:00:00.000Z","type":"api.request","outcome":"failure","tenant":"default","#,
                        r#""identity":{"id":"arn:aws:iam::111122223333:user/ci","issuer":"111122223333","native_id":"arn:aws:iam::111122223333:user/ci"},"#,
                        r#""provider":{"product":"aws","instance":"111122223333"},"credential":{"id":"AKIA1","kind":"api_key"},"#,
                        r#""source":{"ip":"192.0.2.7","user_agent":"aws-cli/2.15"},"request":{"route":"ec2:DescribeInstances","status":403},"#,
                        r#""stamp":{"native_type":"ec2:DescribeInstances"}}"#
                    )
                );
            },
        );
    }

    #[test]
    fn a_failed_log_in_of_nobody() {
        with(
            r#"{"userIdentity":{"type":"IAMUser","accountId":"111122223333","accessKeyId":"","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"},
            "eventTime":"2026-05-01T10:00:00Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7",
            "errorMessage":"No username found in supplied account","responseElements":{"ConsoleLogin":"Failure"},"additionalEventData":{"MFAUsed":"No"},
            "eventID":"e","eventType":"AwsConsoleSignIn"}"#,
            |event| {
                assert!(event.failed());
                assert_eq!(event.failure(), Some(portcullis_core::event::AuthFailure::UnknownIdentity));
                assert_eq!(event.identity_id(), Some("arn:aws:iam::111122223333:user/HIDDEN_DUE_TO_SECURITY_REASONS"));
            },
        );
    }

    #[test]
    fn strange_addresses_never_cost_the_record() {
        for (address, kept) in [
            ("075.050.255.67", Some("075.050.255.67")),
            ("AWS Internal", None),
            ("secretsmanager.amazonaws.com", None),
            ("", None),
            ("not an address", None),
        ] {
            let raw = format!(
                r#"{{"userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::1:user/a"}},"eventTime":"2026-05-01T10:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"A","sourceIPAddress":"{address}"}}"#
            );
            with(&raw, |event| assert_eq!(event.ip(), kept, "{address}"));
        }
    }

    #[test]
    fn several_in_one_record_and_one_of_them_bad() {
        let raw = r#"{"Records":[{"eventTime":"2026-05-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","userIdentity":{"type":"AWSService","invokedBy":"athena.amazonaws.com"}},
            {"eventSource":"s3.amazonaws.com","eventName":"GetObject"},
            {"eventTime":"2026-05-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventType":"AwsApiCall","userIdentity":{"type":"AWSAccount","accountId":"ANONYMOUS_PRINCIPAL","principalId":""}}]}"#;
        let input = Input::behaviour("trail", None);
        let mut seen = Vec::new();
        decode(Format::Auto, raw.as_bytes(), &input, &mut |index, item| {
            seen.push(match item {
                Item::Event(event) => format!("{index} {} {}", event.kind, event.identity_id().unwrap_or("")),
                Item::Ignored { kind } => format!("{index} {kind}"),
                Item::Fault(fault) => format!("{index} {fault}"),
            });
        });
        assert_eq!(seen, ["0 api.request athena.amazonaws.com", "1 eventTime: missing", "2 cloudtrail:AwsApiCall by anybody"]);
    }
}
