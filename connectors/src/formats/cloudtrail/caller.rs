//! `userIdentity`: who called, which session and which key it was.
//!
//! `identity.id` is the name under which habits are remembered, so it must be the same in every session and different for different
//! actors:
//!
//! | `type` | `identity.id` | `class` |
//! |---|---|---|
//! | `IAMUser` | the user's ARN; built from account and user name where a failed sign-in has none | `workforce` when it signs in to the console |
//! | `Root` | `arn:aws:iam::ACCOUNT:root` | `admin` |
//! | `AssumedRole`, `Role` | the role's ARN (`sessionIssuer.arn`): session names are chosen by the caller and often random | `service` for service-linked roles and EC2 instance roles |
//! | ... of a role `AWSReservedSSO_*` | the session's ARN: IAM Identity Center lets many people share the role and always puts the person's user name as the session name | `workforce` |
//! | `FederatedUser` | the federated user's ARN; the IAM user who vouched is `on_behalf_of` and `credential.parent` | |
//! | `IdentityCenterUser` | `onBehalfOf.userId`, issuer is the identity store | `workforce` |
//! | `SAMLUser`, `WebIdentityUser` | `principalId` (provider and subject), issuer is the provider | `workforce` for SAML, `customer` for Cognito |
//! | `AWSService` | `invokedBy` | `service` |
//! | `AWSAccount` | `principalId` without the session, else the account | |
//! | `Directory`, `Unknown` and others | ARN, else `principalId`, else user name at account | |
//!
//! ARNs and not the unique ids (`AIDA...`, `AROA...`): people, inventories and policies speak in ARNs, and failed sign-ins have no
//! unique id. The price: a user deleted and made again under the same name inherits its habits, which a lifecycle event shows.
//! `identity.native_id` is the ARN as logged (with the session's name), which is what the AWS APIs take.
//!
//! The session is `principalId/creationDate`: what one log-in or AssumeRole gave, whatever temporary keys the console draws from it,
//! and exactly what can be revoked in AWS ("tokens issued before"). `sessionContext.sourceIdentity`, which survives role chaining,
//! is `on_behalf_of`.

use super::super::json::Json;
use portcullis_core::event::{Class, Credential, CredentialKind, Identity, Session};
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::borrow::Cow;

/// `userIdentity`, or what OCSF made of it.
#[derive(Debug, Default)]
pub struct Caller<'a> {
    pub kind: Option<Text<'a>>,
    pub arn: Option<Text<'a>>,
    pub principal: Option<Text<'a>>,
    pub account: Option<Text<'a>>,
    pub key: Option<Text<'a>>,
    pub user_name: Option<Text<'a>>,
    pub invoked_by: Option<Text<'a>>,
    /// `sessionContext.sessionIssuer.arn`: the role, or the user who vouched.
    pub issuer: Option<Text<'a>>,
    pub session_created: Option<Time>,
    pub source_identity: Option<Text<'a>>,
    /// `identityProvider` of SAML and web identities.
    pub provider: Option<Text<'a>>,
    /// `sessionContext.webIdFederationData.federatedProvider`.
    pub federated_provider: Option<Text<'a>>,
    /// `onBehalfOf.userId` of IAM Identity Center.
    pub center_user: Option<Text<'a>>,
    /// `onBehalfOf.identityStoreArn`.
    pub store: Option<Text<'a>>,
    /// The keys came from an EC2 instance's metadata service.
    pub on_instance: bool,
    /// Nobody in particular: a public bucket was read.
    pub anonymous: bool,
}

impl<'a> Caller<'a> {
    pub(in super::super) fn from_record(json: &Json<'a>, extra: &Json<'a>) -> Caller<'a> {
        let session = json.get("sessionContext");
        Caller {
            kind: json.get("type").text(),
            arn: json.get("arn").text(),
            principal: json.get("principalId").text(),
            account: json.get("accountId").name().filter(|a| a.as_str() != "ANONYMOUS_PRINCIPAL"),
            key: json.get("accessKeyId").text().or_else(|| json.get("credentialId").text()),
            user_name: json.get("userName").text().or_else(|| extra.get("UserName").text()),
            invoked_by: json.get("invokedBy").text(),
            issuer: session.at("sessionIssuer.arn").text(),
            session_created: session.at("attributes.creationDate").time(),
            source_identity: session.get("sourceIdentity").text(),
            provider: json.get("identityProvider").text(),
            federated_provider: session.at("webIdFederationData.federatedProvider").text(),
            center_user: json.at("onBehalfOf.userId").text(),
            store: json.at("onBehalfOf.identityStoreArn").text(),
            on_instance: session.get("ec2RoleDelivery").text().is_some(),
            anonymous: json.get("accountId").str() == "ANONYMOUS_PRINCIPAL" || json.get("accountId").str() == "anonymous",
        }
    }

    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("")
    }

    pub fn is_iam_user(&self) -> bool {
        self.kind() == "IAMUser"
    }

    pub fn is_root(&self) -> bool {
        self.kind() == "Root"
    }

    /// AWS hides what was typed where a user name should have been: it may be a password.
    pub fn is_hidden(&self) -> bool {
        self.user_name.as_deref() == Some("HIDDEN_DUE_TO_SECURITY_REASONS")
    }

    /// See the module's table. `None`: the record names no principal.
    pub fn identity(&self, account: Option<&str>, region: Option<&str>) -> Option<Identity<'a>> {
        let account = self.account.as_deref().or(account);
        let mut identity = Identity {
            id: Text::default(),
            class: None,
            issuer: self.account.clone().or_else(|| account.map(|a| Text::from(a.to_owned()))),
            native_id: self.arn.clone(),
            on_behalf_of: self.source_identity.clone(),
        };
        identity.id = match self.kind() {
            "Root" => {
                identity.class = Some(Class::Admin);
                self.arn.clone().or_else(|| Some(arn(region, account?, "root")))
            }
            "IAMUser" => self.arn.clone().or_else(|| Some(arn(region, account?, &format!("user/{}", self.user_name.as_deref()?)))),
            "AssumedRole" | "Role" => {
                identity.class = self.role_class();
                self.role()
            }
            "FederatedUser" => {
                if identity.on_behalf_of.is_none() {
                    identity.on_behalf_of = self.issuer.clone();
                }
                self.arn.clone()
            }
            "IdentityCenterUser" => {
                identity.class = Some(Class::Workforce);
                if self.store.is_some() {
                    identity.issuer = self.store.clone();
                }
                identity.native_id = self.user_name.clone();
                self.center_user.clone()
            }
            "SAMLUser" | "WebIdentityUser" => {
                identity.class = match self.provider.as_deref() {
                    _ if self.kind() == "SAMLUser" => Some(Class::Workforce),
                    Some(provider) if provider.contains("cognito-identity") => Some(Class::Customer),
                    _ => None,
                };
                if self.provider.is_some() {
                    identity.issuer = self.provider.clone();
                }
                identity.native_id = self.user_name.clone();
                self.principal.clone()
            }
            "AWSService" => {
                identity.class = Some(Class::Service);
                identity.issuer = Some(Text::borrowed("aws"));
                self.invoked_by.clone()
            }
            "AWSAccount" => self.principal.as_ref().map(without_session).or_else(|| self.account.clone()),
            _ => None,
        }
        .or_else(|| self.anything(account))?;
        Some(identity)
    }

    /// The best name that any kind of caller has.
    fn anything(&self, account: Option<&str>) -> Option<Text<'a>> {
        let named = || Some(Text::from(format!("{}@{}", self.user_name.as_deref()?, account.unwrap_or("aws"))));
        self.arn
            .as_ref()
            .map(without_session_of_arn)
            .or_else(|| self.principal.as_ref().map(without_session))
            .or_else(named)
            .or_else(|| self.invoked_by.clone())
    }

    fn role(&self) -> Option<Text<'a>> {
        let arn = self.arn.as_ref();
        if let Some(arn) = arn.filter(|a| a.contains("/AWSReservedSSO_")) {
            return Some(arn.clone());
        }
        self.issuer.clone().or_else(|| arn.map(without_session_of_arn))
    }

    fn role_class(&self) -> Option<Class> {
        let role = self.issuer.as_deref().unwrap_or("");
        if self.arn.as_deref().is_some_and(|a| a.contains("/AWSReservedSSO_")) {
            Some(Class::Workforce)
        } else if role.contains(":role/aws-service-role/") || self.on_instance {
            Some(Class::Service)
        } else if self.federated_provider.as_deref().is_some_and(|p| p.contains("cognito-identity")) {
            Some(Class::Customer)
        } else {
            None
        }
    }

    /// What one log-in or AssumeRole gave.
    pub fn session(&self) -> Option<Session<'a>> {
        let created = self.session_created?;
        let principal = self.principal.as_deref().or(self.arn.as_deref())?;
        Some(Session { id: Some(Text::from(format!("{principal}/{created}"))), parent: None })
    }

    /// What was presented: `AKIA...` is a long-lived key, `ASIA...` a temporary one.
    pub fn credential(&self) -> Option<Credential<'a>> {
        let id = self.key.clone()?;
        let temporary = id.starts_with("ASIA");
        let kind = match () {
            () if self.kind() == "IdentityCenterUser" => CredentialKind::Session,
            () if self.on_instance || (temporary && self.federated_provider.is_some()) => CredentialKind::WorkloadIdentity,
            () if temporary => CredentialKind::AccessToken,
            () => CredentialKind::ApiKey,
        };
        let parent = if self.kind() == "FederatedUser" { self.issuer.clone() } else { None };
        Some(Credential {
            id: Some(id),
            kind: Some(kind),
            issued_at: self.session_created.filter(|_| temporary),
            parent,
            ..Credential::default()
        })
    }
}

/// `arn:aws:iam::ACCOUNT:rest`, in the partition of the region.
pub fn arn(region: Option<&str>, account: &str, rest: &str) -> Text<'static> {
    let partition = match region.unwrap_or("") {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Text::from(format!("arn:{partition}:iam::{account}:{rest}"))
}

/// `AROA1` of `AROA1:session`.
fn without_session<'a>(principal: &Text<'a>) -> Text<'a> {
    cut(principal, principal.find(':'))
}

/// `arn:aws:sts::1:assumed-role/Admin` of `arn:aws:sts::1:assumed-role/Admin/session`; other ARNs as they are.
fn without_session_of_arn<'a>(arn: &Text<'a>) -> Text<'a> {
    if arn.contains(":assumed-role/") && arn.matches('/').count() > 1 { cut(arn, arn.rfind('/')) } else { arn.clone() }
}

fn cut<'a>(text: &Text<'a>, at: Option<usize>) -> Text<'a> {
    match (&text.0, at) {
        (Cow::Borrowed(s), Some(at)) => Text::borrowed(&s[..at]),
        (Cow::Owned(s), Some(at)) => Text::from(s[..at].to_owned()),
        (_, None) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(json: &str) -> Caller<'_> {
        Caller::from_record(&serde_json::from_str::<Json>(json).unwrap(), &Json::Null)
    }

    fn id(json: &str) -> String {
        caller(json).identity(Some("1"), Some("us-east-1")).map_or("-".into(), |i| i.id.as_str().to_owned())
    }

    #[test]
    fn the_same_actor_in_every_session() {
        let role = r#"{"type":"AssumedRole","principalId":"AROA1:i-0abc","arn":"arn:aws:sts::1:assumed-role/Admin/i-0abc","accountId":"1","accessKeyId":"ASIA1","sessionContext":{
            "sessionIssuer":{"type":"Role","arn":"arn:aws:iam::1:role/path/Admin"},"attributes":{"creationDate":"2026-05-01T10:00:00Z"},"ec2RoleDelivery":"2.0","sourceIdentity":"alice"}}"#;
        assert_eq!(id(role), "arn:aws:iam::1:role/path/Admin");
        let caller = caller(role);
        let identity = caller.identity(None, None).unwrap();
        assert_eq!(identity.class, Some(Class::Service));
        assert_eq!(identity.on_behalf_of.as_deref(), Some("alice"));
        assert_eq!(identity.native_id.as_deref(), Some("arn:aws:sts::1:assumed-role/Admin/i-0abc"));
        assert_eq!(caller.session().unwrap().id.as_deref(), Some("AROA1:i-0abc/2026-05-01T10:00:00.000Z"));
        let credential = caller.credential().unwrap();
        assert_eq!((credential.kind, credential.issued_at), (Some(CredentialKind::WorkloadIdentity), Time::parse("2026-05-01T10:00:00Z")));
    }

    #[test]
    fn people_who_share_a_role_are_told_apart() {
        let sso = |who: &str| {
            format!(
                r#"{{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_0a/{who}","sessionContext":{{"sessionIssuer":{{"arn":"arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0a"}}}}}}"#
            )
        };
        assert_ne!(id(&sso("alice@example.com")), id(&sso("bob@example.com")));
    }

    #[test]
    fn every_kind_has_a_name() {
        for (json, expected) in [
            (r#"{"type":"IAMUser","userName":"a","accountId":"1"}"#, "arn:aws:iam::1:user/a"),
            (r#"{"type":"Root","accountId":"1"}"#, "arn:aws:iam::1:root"),
            (r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s"}"#, "arn:aws:sts::1:assumed-role/R"),
            (r#"{"type":"FederatedUser","arn":"arn:aws:sts::1:federated-user/F"}"#, "arn:aws:sts::1:federated-user/F"),
            (r#"{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u-1","identityStoreArn":"s"}}"#, "u-1"),
            (r#"{"type":"SAMLUser","principalId":"p:alice","userName":"alice","identityProvider":"p"}"#, "p:alice"),
            (r#"{"type":"WebIdentityUser","principalId":"arn:x:app:sub"}"#, "arn:x:app:sub"),
            (r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#, "ec2.amazonaws.com"),
            (r#"{"type":"AWSAccount","principalId":"AROA2:s","accountId":"2"}"#, "AROA2"),
            (r#"{"type":"Unknown","principalId":"P","userName":"x"}"#, "P"),
            (r#"{"type":"Directory","userName":"x"}"#, "x@1"),
            (r#"{"accountId":"1","invokedBy":"AWS Internal"}"#, "AWS Internal"),
            (r#"{"type":"AWSAccount","accountId":"ANONYMOUS_PRINCIPAL","principalId":""}"#, "-"),
            ("{}", "-"),
        ] {
            assert_eq!(id(json), expected, "{json}");
        }
    }
}
