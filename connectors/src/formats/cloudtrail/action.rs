//! `eventSource` and `eventName` to our type of event, and what it changed.
//!
//! | operation | type |
//! |---|---|
//! | signin ConsoleLogin, UserAuthentication, ExternalIdPDirectoryLogin; sso Authenticate | `auth.login` |
//! | signin CredentialChallenge, CredentialVerification | `auth.login` (password: failed, or `challenge` when more is to come) or `auth.mfa` (all other kinds) |
//! | signin CheckMfa | `auth.mfa` |
//! | signin Password{RecoveryRequested,RecoveryCompleted}, PasswordRecovery... | `auth.recovery` |
//! | signin SwitchRole, GetSigninToken; sso CreateToken, Federate; sts AssumeRole*, AssumeRoot, GetFederationToken, GetSessionToken | `auth.token` |
//! | signin ExitRole, Logout; sso Logout | `auth.logout` |
//! | secretsmanager GetSecretValue, BatchGetSecretValue; ssm GetParameter* with decryption; ec2 GetPasswordData | `secret.read` |
//! | iam Create{User,Role,ServiceLinkedRole} | `account.create`; Update{User,Role}: `account.update`; Delete...: `account.delete` |
//! | iam CreateAccessKey, CreateLoginProfile, EnableMFADevice, ... | `credential.create`; Update...: `credential.rotate`; Delete..., DeactivateMFADevice: `credential.revoke` |
//! | iam Attach*Policy, Put*Policy, AddUserToGroup, UpdateAssumeRolePolicy, CreatePolicyVersion, SetDefaultPolicyVersion, Delete*PermissionsBoundary | `privilege.grant`; the reverse: `privilege.revoke` |
//! | everything else | `api.request` |
//!
//! In a `credential.*` event, `credential` is the one that was made, replaced or revoked and its `parent` the key that the caller
//! presented; elsewhere `credential` is what the caller presented.

use super::super::fields;
use super::super::json::Json;
use super::Trail;
use super::caller::arn;
use portcullis_core::event::{Change, Credential, CredentialKind, EventType, Outcome};
use portcullis_core::text::Text;

/// What an operation means.
pub struct Action<'a> {
    pub kind: EventType,
    /// Where it is not what the record's error says.
    pub outcome: Option<Outcome>,
    /// The credential acted on, of `credential.*`.
    pub credential: Option<Credential<'a>>,
    pub change: Change<'a>,
    pub object: Option<Text<'a>>,
    /// Another identity that was touched.
    pub target: Option<Text<'a>>,
}

/// See the module's table.
pub(super) fn action<'a>(trail: &Trail<'a>, outcome: Outcome) -> Action<'a> {
    let kind = kind(&trail.service, &trail.operation, trail);
    let mut action = Action { kind, outcome: None, credential: None, change: Change::default(), object: None, target: None };
    match &*trail.service {
        "signin" => sign_in(trail, outcome, &mut action),
        "sts" => token(trail, &mut action),
        "iam" => iam(trail, &mut action),
        "secretsmanager" | "ssm" | "ec2" if kind == EventType::SecretRead => secret(trail, &mut action),
        _ => {}
    }
    action
}

fn kind(service: &str, operation: &str, trail: &Trail) -> EventType {
    use EventType::*;
    match (service, operation) {
        ("signin", "ConsoleLogin" | "UserAuthentication" | "ExternalIdPDirectoryLogin") | ("sso", "Authenticate") => AuthLogin,
        ("signin", "CredentialChallenge" | "CredentialVerification") => match trail.credential_type.as_deref() {
            Some("PASSWORD" | "EXTERNAL_IDP") | None => AuthLogin,
            Some(_) => AuthMfa,
        },
        ("signin", "CheckMfa") => AuthMfa,
        ("signin", "PasswordUpdated") => CredentialRotate,
        ("signin", op) if op.starts_with("PasswordRecovery") => AuthRecovery,
        ("signin", "SwitchRole" | "GetSigninToken") | ("sso", "CreateToken" | "Federate") => AuthToken,
        ("signin", "ExitRole" | "Logout") | ("sso", "Logout") => AuthLogout,
        ("sts", "AssumeRoot" | "GetFederationToken" | "GetSessionToken") => AuthToken,
        ("sts", op) if op.starts_with("AssumeRole") => AuthToken,
        ("secretsmanager", "GetSecretValue" | "BatchGetSecretValue") | ("ec2", "GetPasswordData") => SecretRead,
        ("ssm", "GetParameter" | "GetParameters" | "GetParametersByPath" | "GetParameterHistory")
            if trail.params.get("withDecryption").bool() == Some(true) =>
        {
            SecretRead
        }
        ("iam", op) => iam_kind(op, trail),
        _ => ApiRequest,
    }
}

fn iam_kind(operation: &str, trail: &Trail) -> EventType {
    use EventType::*;
    match operation {
        "CreateUser" | "CreateRole" | "CreateServiceLinkedRole" => AccountCreate,
        "UpdateUser" | "UpdateRole" | "UpdateRoleDescription" => AccountUpdate,
        "DeleteUser" | "DeleteRole" | "DeleteServiceLinkedRole" => AccountDelete,
        "CreateAccessKey"
        | "CreateLoginProfile"
        | "CreateServiceSpecificCredential"
        | "EnableMFADevice"
        | "UploadSSHPublicKey"
        | "UploadSigningCertificate" => CredentialCreate,
        "UpdateAccessKey" | "UpdateSSHPublicKey" | "UpdateSigningCertificate" | "UpdateServiceSpecificCredential" => {
            if trail.params.get("status").str() == "Inactive" { CredentialRevoke } else { CredentialCreate }
        }
        "UpdateLoginProfile" | "ChangePassword" | "ResetServiceSpecificCredential" => CredentialRotate,
        "DeleteAccessKey"
        | "DeleteLoginProfile"
        | "DeleteServiceSpecificCredential"
        | "DeactivateMFADevice"
        | "DeleteSSHPublicKey"
        | "DeleteSigningCertificate" => CredentialRevoke,
        "AttachUserPolicy"
        | "AttachRolePolicy"
        | "AttachGroupPolicy"
        | "PutUserPolicy"
        | "PutRolePolicy"
        | "PutGroupPolicy"
        | "AddUserToGroup"
        | "AddRoleToInstanceProfile"
        | "UpdateAssumeRolePolicy"
        | "CreatePolicyVersion"
        | "SetDefaultPolicyVersion"
        | "DeleteUserPermissionsBoundary"
        | "DeleteRolePermissionsBoundary" => PrivilegeGrant,
        "DetachUserPolicy"
        | "DetachRolePolicy"
        | "DetachGroupPolicy"
        | "DeleteUserPolicy"
        | "DeleteRolePolicy"
        | "DeleteGroupPolicy"
        | "RemoveUserFromGroup"
        | "RemoveRoleFromInstanceProfile"
        | "DeletePolicyVersion"
        | "PutUserPermissionsBoundary"
        | "PutRolePermissionsBoundary" => PrivilegeRevoke,
        _ => ApiRequest,
    }
}

fn sign_in<'a>(trail: &Trail<'a>, outcome: Outcome, action: &mut Action<'a>) {
    match &*trail.operation {
        // One step of several: only `UserAuthentication` says that the log-in succeeded.
        "CredentialChallenge" if outcome == Outcome::Success => action.outcome = Some(Outcome::Challenge),
        "CredentialVerification" if outcome == Outcome::Success && action.kind == EventType::AuthLogin => {
            action.outcome = Some(Outcome::Challenge)
        }
        "PasswordUpdated" => action.credential = Some(Credential { kind: Some(CredentialKind::Password), ..Credential::default() }),
        "SwitchRole" => action.target = trail.params.get("roleArn").text(),
        _ => {}
    }
}

/// The role that was taken is another identity; the key that was issued is the object.
fn token<'a>(trail: &Trail<'a>, action: &mut Action<'a>) {
    if action.kind == EventType::AuthToken {
        action.target = trail
            .params
            .get("roleArn")
            .text()
            .or_else(|| trail.params.get("targetPrincipal").name())
            .or_else(|| trail.response.at("federatedUser.arn").text());
        action.object = trail.response.at("credentials.accessKeyId").text();
    }
}

/// One secret's name, or the names of a batch in one field (the batch is one event).
fn secret<'a>(trail: &Trail<'a>, action: &mut Action<'a>) {
    let params = &trail.params;
    let single = ["secretId", "name", "path", "instanceId"].iter().find_map(|key| params.get(key).text());
    let many = ["secretIdList", "names"].iter().find_map(|key| fields::joined(params.get(key)));
    action.change.secret = single.or(many);
    action.object = action.change.secret.clone();
}

fn iam<'a>(trail: &Trail<'a>, action: &mut Action<'a>) {
    let (params, response) = (&trail.params, &trail.response);
    if action.kind == EventType::ApiRequest {
        return;
    }
    action.change.target = iam_target(trail);
    action.change.role = ["policyArn", "groupName", "policyName", "instanceProfileName", "permissionsBoundary"]
        .iter()
        .find_map(|key| params.get(key).text());
    if action.change.target.is_none()
        && matches!(&*trail.operation, "AttachGroupPolicy" | "PutGroupPolicy" | "DetachGroupPolicy" | "DeleteGroupPolicy")
    {
        action.change.target = params.get("groupName").text();
        action.change.role = params.get("policyArn").text().or_else(|| params.get("policyName").text());
    }
    if trail.operation.as_str() == "UpdateAssumeRolePolicy" {
        // The trust itself: who may take the role.
        action.change.value = params.get("policyDocument").text();
    }
    if matches!(action.kind, EventType::CredentialCreate | EventType::CredentialRotate | EventType::CredentialRevoke) {
        let (id, kind) = iam_credential(&trail.operation, params, response);
        action.credential = Some(Credential { id, kind, parent: trail.caller.key.clone(), ..Credential::default() });
    }
}

/// The user or role that was acted on; nobody named means the caller.
fn iam_target<'a>(trail: &Trail<'a>) -> Option<Text<'a>> {
    let (params, response) = (&trail.params, &trail.response);
    if let Some(arn) = ["user.arn", "role.arn"].iter().find_map(|path| response.at(path).text()) {
        return Some(arn);
    }
    let account = trail.account.as_deref()?;
    let named = |path: &str, name: Option<Text>| name.map(|n| arn(trail.region.as_deref(), account, &format!("{path}/{n}")));
    let user = params
        .get("userName")
        .text()
        .or_else(|| response.at("accessKey.userName").text())
        .or_else(|| response.at("loginProfile.userName").text());
    named("user", user).or_else(|| named("role", params.get("roleName").text()))
}

fn iam_credential<'a>(operation: &str, params: &Json<'a>, response: &Json<'a>) -> (Option<Text<'a>>, Option<CredentialKind>) {
    if operation.contains("AccessKey") {
        (response.at("accessKey.accessKeyId").text().or_else(|| params.get("accessKeyId").text()), Some(CredentialKind::ApiKey))
    } else if operation.contains("LoginProfile") || operation == "ChangePassword" {
        (None, Some(CredentialKind::Password))
    } else if operation.contains("MFADevice") {
        (params.get("serialNumber").text(), None)
    } else if operation.contains("Certificate") {
        (params.get("certificateId").text().or_else(|| response.at("certificate.certificateId").text()), Some(CredentialKind::Certificate))
    } else {
        let ids = ["sSHPublicKeyId", "serviceSpecificCredentialId"];
        (ids.iter().find_map(|key| params.get(key).text()), None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use portcullis_core::event::{CredentialKind, EventType, Outcome};

    fn record(service: &str, operation: &str, rest: &str) -> String {
        format!(
            r#"{{"eventTime":"2026-05-01T10:00:00Z","eventSource":"{service}.amazonaws.com","eventName":"{operation}","recipientAccountId":"1","awsRegion":"eu-west-1",
            "userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::1:user/a","accountId":"1","accessKeyId":"AKIA1","userName":"a"}}{rest}}}"#
        )
    }

    #[test]
    fn a_key_for_somebody_else() {
        let raw = record(
            "iam",
            "CreateAccessKey",
            r#","requestParameters":{"userName":"b"},"responseElements":{"accessKey":{"accessKeyId":"AKIA2","userName":"b"}}"#,
        );
        with(&raw, |event| {
            assert_eq!(event.kind, EventType::CredentialCreate);
            assert_eq!(event.change.as_ref().unwrap().target.as_deref(), Some("arn:aws:iam::1:user/b"));
            let credential = event.credential.as_ref().unwrap();
            assert_eq!(
                (credential.id.as_deref(), credential.kind, credential.parent.as_deref()),
                (Some("AKIA2"), Some(CredentialKind::ApiKey), Some("AKIA1"))
            );
        });
    }

    #[test]
    fn policies_are_privileges() {
        let raw = record(
            "iam",
            "AttachUserPolicy",
            r#","requestParameters":{"userName":"b","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#,
        );
        with(&raw, |event| {
            assert_eq!(event.kind, EventType::PrivilegeGrant);
            assert_eq!(event.change.as_ref().unwrap().role.as_deref(), Some("arn:aws:iam::aws:policy/AdministratorAccess"));
        });
    }

    #[test]
    fn secrets_are_secrets_only_in_the_clear() {
        with(&record("secretsmanager", "GetSecretValue", r#","requestParameters":{"secretId":"db"}"#), |event| {
            assert_eq!(event.kind, EventType::SecretRead);
            assert_eq!(event.change.unwrap().secret.as_deref(), Some("db"));
        });
        with(&record("ssm", "GetParameters", r#","requestParameters":{"names":["/a","/b"],"withDecryption":true}"#), |event| {
            assert_eq!((event.kind, event.change.unwrap().secret.as_deref()), (EventType::SecretRead, Some("/a,/b")));
        });
        with(&record("ssm", "GetParameters", r#","requestParameters":{"names":["/a"],"withDecryption":false}"#), |event| {
            assert_eq!(event.kind, EventType::ApiRequest);
        });
    }

    #[test]
    fn tokens_name_the_role_and_the_key() {
        let raw = record(
            "sts",
            "AssumeRole",
            r#","requestParameters":{"roleArn":"arn:aws:iam::2:role/R"},"responseElements":{"credentials":{"accessKeyId":"ASIA9"}}"#,
        );
        with(&raw, |event| {
            let request = event.request.as_ref().unwrap();
            assert_eq!(event.kind, EventType::AuthToken);
            assert_eq!((request.target.as_deref(), request.object.as_deref()), (Some("arn:aws:iam::2:role/R"), Some("ASIA9")));
        });
    }

    #[test]
    fn steps_of_a_log_in_are_not_log_ins() {
        let step = |operation: &str, kind: &str, result: &str| {
            record(
                "signin",
                operation,
                &format!(r#","additionalEventData":{{"CredentialType":"{kind}"}},"serviceEventDetails":{{"{operation}":"{result}"}}"#),
            )
        };
        with(&step("CredentialVerification", "PASSWORD", "Success"), |e| {
            assert_eq!((e.kind, e.outcome), (EventType::AuthLogin, Outcome::Challenge))
        });
        with(&step("CredentialVerification", "PASSWORD", "Failure"), |e| {
            assert_eq!((e.kind, e.outcome), (EventType::AuthLogin, Outcome::Failure))
        });
        with(&step("CredentialVerification", "TOTP", "Success"), |e| {
            assert_eq!((e.kind, e.outcome), (EventType::AuthMfa, Outcome::Success))
        });
        with(&step("CredentialChallenge", "TOTP", "Success"), |e| {
            assert_eq!((e.kind, e.outcome), (EventType::AuthMfa, Outcome::Challenge))
        });
        with(&step("UserAuthentication", "PASSWORD", "Success"), |e| {
            assert_eq!((e.kind, e.outcome), (EventType::AuthLogin, Outcome::Success))
        });
    }

    #[test]
    fn a_key_set_inactive_is_revoked() {
        let raw = record("iam", "UpdateAccessKey", r#","requestParameters":{"accessKeyId":"AKIA3","status":"Inactive"}"#);
        with(&raw, |event| {
            assert_eq!(event.kind, EventType::CredentialRevoke);
            assert_eq!(event.credential.unwrap().id.as_deref(), Some("AKIA3"));
        });
    }
}
