//! `azure_activity`: the Azure Activity Log (what is done to resources and who may do it) and the audit log of Key Vault.
//!
//! | form | how it is told |
//! |---|---|
//! | Activity Log through diagnostic settings | `category` `Administrative`, `Policy`, ...; `operationName` `MICROSOFT.../WRITE` |
//! | Activity Log of the REST API and its webhooks | `operationName.value`, `eventTimestamp`, `caller` |
//! | Key Vault through diagnostic settings | `category` `AuditEvent`, `operationName` `SecretGet` |
//!
//! | Azure | event |
//! |---|---|
//! | `eventDataId`, else none: `correlationId` is shared by several records | `id` |
//! | `eventTimestamp`, `time` | `time` |
//! | `operationName` | `type` by [`meaning`]; `stamp.native_type`, `request.route` |
//! | `resultType`, `status.value`; Key Vault's `httpStatusCode`, `resultSignature` | `outcome`, `request.status` |
//! | claims `oid`, else `appid`, `upn`, `caller` (`identity.claims`, Key Vault: `identity.claim`) | `identity.id`; `native_id` is `upn` |
//! | claim `idtyp` `app`, or an application without a user | `identity.class` `service` |
//! | claims `iss`/`tid` of the directory; the subscription in `resourceId` | `identity.issuer`; `provider.instance` |
//! | claims `uti`, `appid`, `sid` | `credential.{id,client_id}` (`uti` is the `uniqueTokenIdentifier` of the sign-in), `session.id` |
//! | `callerIpAddress`, `httpRequest.clientIpAddress`; `properties.clientInfo` | `source.{ip,user_agent}` |
//! | `identity.authorization.evidence.role`, the role definition and principal of `properties.requestbody` | `change.role`, `change.target` |
//! | `properties.id` without its version | `change.secret`, `request.object` of Key Vault |
//! | `resourceId` | `request.object` |
//!
//! Ignored and counted: the beginning of an operation (`Start`: another record tells how it ended), and records that name no caller
//! (Azure's own work; Key Vault's `Authentication` handshake, service health, autoscaling, alerts).
//!
//! Examples: written from the documented fields ("Azure Activity Log event schema", "Azure Key Vault logging").

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{Change, Class, Credential, CredentialKind, EventType, Outcome, Provider, Request, Session, Source};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let operation = fields::first(json, &["operationName.value", "operationName"]);
    let Some(operation) = operation else {
        return Err(Fault::new("operationName", "missing: not a record of Azure's activity or of Key Vault"));
    };
    let time = fields::time(json, &["eventTimestamp", "time"], Json::time)?;
    let is_vault = json.get("category").str() == "AuditEvent";
    let result = fields::first(json, &["status.value", "resultType", "resultSignature"]).unwrap_or_default();
    if matches!(&*result.to_ascii_lowercase(), "start" | "started") {
        return Ok(Item::ignored(format!("{} begun", kind_of("azure_activity", Some(&operation)))));
    }
    let claims = Claims::of(json);
    let Some(id) = claims.id(json) else { return Ok(Item::ignored(format!("{} of nobody", kind_of("azure_activity", Some(&operation))))) };
    let properties = json.get("properties");
    let meaning = meaning(&operation, is_vault);
    let mut event = fields::event(meaning.kind, time, operation.clone());
    event.id = json.get("eventDataId").text().unwrap_or_default();
    let status = [properties.get("httpStatusCode"), json.get("httpStatusCode"), json.get("resultSignature"), properties.get("statusCode")]
        .into_iter()
        .find_map(fields::status);
    event.outcome = match &*result.to_ascii_lowercase() {
        "failure" | "failed" | "clienterror" | "servererror" => Outcome::Failure,
        _ if status.is_some() => fields::http_outcome(status),
        "success" | "succeeded" | "accept" | "accepted" => Outcome::Success,
        _ => Outcome::Unknown,
    };
    let mut identity = fields::identity(id, claims.name(json), claims.directory());
    identity.class = claims.is_application().then_some(Class::Service);
    event.identity = Some(identity);
    event.provider = Some(Provider { product: Some(Text::borrowed("azure")), instance: subscription(json) });
    event.session = Session { id: claims.text(&["sid"]), parent: None }.unless_empty();
    event.credential = Credential {
        id: claims.text(&["uti"]),
        kind: meaning.credential,
        client_id: claims.text(&["appid", "azp"]),
        ..Credential::default()
    }
    .unless_empty();
    event.source = Source {
        ip: fields::ip(json.get("callerIpAddress")).or_else(|| fields::ip(json.at("httpRequest.clientIpAddress"))),
        user_agent: properties.get("clientInfo").text(),
        ..Source::default()
    }
    .unless_empty();
    let object = if is_vault { properties.get("id").text().map(unversioned) } else { None };
    let object = object.or_else(|| json.get("resourceId").text());
    let mut change = Change::default();
    use EventType::*;
    match meaning.kind {
        SecretRead => change.secret = object.clone(),
        PrivilegeGrant | PrivilegeRevoke => grant(json, &mut change),
        AccountCreate | AccountDelete | CredentialCreate | CredentialRotate => change.target = object.clone(),
        _ => {}
    }
    event.change = change.boxed_unless_empty();
    event.request = Some(Request { route: Some(operation), status, object, ..Request::default() });
    Ok(Item::Event(event))
}

/// What the caller's token said.
struct Claims<'j, 'a>(&'j Json<'a>);

impl<'j, 'a> Claims<'j, 'a> {
    fn of(json: &'j Json<'a>) -> Claims<'j, 'a> {
        let there = ["identity.claims", "identity.claim", "claims"].iter().map(|path| json.at(path)).find(|claims| claims.is_object());
        Claims(there.unwrap_or(json.get("identity")))
    }

    /// By a short name, or as the last part of the address that Azure spells some names with.
    fn text(&self, names: &[&str]) -> Option<Text<'a>> {
        let Json::Object(claims) = self.0 else { return None };
        let named = |name: &str| claims.iter().find(|(key, _)| key.rsplit('/').next() == Some(name)).and_then(|(_, value)| value.text());
        names.iter().find_map(|name| named(name))
    }

    fn id(&self, json: &Json<'a>) -> Option<Text<'a>> {
        self.text(&["oid", "objectidentifier", "appid"]).or_else(|| self.name(json))
    }

    fn name(&self, json: &Json<'a>) -> Option<Text<'a>> {
        self.text(&["upn", "unique_name"]).or_else(|| json.get("caller").text()).map(fields::lower)
    }

    fn is_application(&self) -> bool {
        match self.text(&["idtyp"]) {
            Some(kind) => kind.as_str() == "app",
            None => self.text(&["upn", "unique_name", "name"]).is_none() && self.text(&["appid"]).is_some(),
        }
    }

    fn directory(&self) -> Option<Text<'a>> {
        self.text(&["tid", "tenantid", "iss"])
    }
}

/// `/subscriptions/{id}/...`
fn subscription<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    let resource = json.get("resourceId").text()?;
    let start = "/subscriptions/".len();
    let rest = resource.get(start..).filter(|_| resource.get(..start).is_some_and(|head| head.eq_ignore_ascii_case("/subscriptions/")))?;
    let end = rest.find('/').unwrap_or(rest.len());
    fields::part(&resource, start..start + end)
}

/// `https://v.vault.azure.net/secrets/db` of `https://v.vault.azure.net/secrets/db/0123...`: every version is the same secret.
fn unversioned(id: Text<'_>) -> Text<'_> {
    match id.match_indices('/').nth(4) {
        Some((at, _)) => fields::part(&id, ..at).unwrap_or_default(),
        None => id,
    }
}

/// Which role for whom: in the request's body, or in the evidence of the caller's own right where the log has no body.
fn grant<'a>(json: &Json<'a>, change: &mut Change<'a>) {
    let body = json.at("properties.requestbody").nested();
    let asked = ["Properties", "properties"].iter().map(|key| body.get(key)).find(|p| p.is_object());
    if let Some(asked) = asked {
        change.role = asked.get("RoleDefinitionId").text().map(|role| fields::last_part(&role, '/'));
        change.target = asked.get("PrincipalId").text();
        change.scope = asked.get("Scope").text();
    }
    if change.scope.is_none() {
        change.scope = fields::first(json, &["identity.authorization.scope", "authorization.scope"]);
    }
}

/// Our type for an operation, and the kind of credential that it makes.
struct Meaning {
    kind: EventType,
    credential: Option<CredentialKind>,
}

/// The table of operations; Azure writes them in capitals or not.
fn meaning(operation: &str, is_vault: bool) -> Meaning {
    use EventType::*;
    let operation = operation.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| operation.ends_with(end));
    let is = |kind| Meaning { kind, credential: None };
    if is_vault {
        return match operation.as_str() {
            "secretget" | "secretbackup" | "keybackup" | "certificatebackup" | "storagegetsas" => is(SecretRead),
            "vaultaccesspolicychanged" => is(PrivilegeGrant),
            _ => is(ApiRequest),
        };
    }
    if ends(&[
        "microsoft.authorization/roleassignments/write",
        "/elevateaccess/action",
        "/accesspolicies/write",
        "/roleeligibilityschedulerequests/write",
    ]) {
        is(PrivilegeGrant)
    } else if ends(&["microsoft.authorization/roleassignments/delete", "/accesspolicies/delete"]) {
        is(PrivilegeRevoke)
    } else if ends(&["/federatedidentitycredentials/write"]) {
        Meaning { kind: CredentialCreate, credential: Some(CredentialKind::WorkloadIdentity) }
    } else if ends(&["/userassignedidentities/write"]) {
        is(AccountCreate)
    } else if ends(&["/userassignedidentities/delete"]) {
        is(AccountDelete)
    } else if ends(&["/regeneratekey/action", "/regeneratekeys/action"]) {
        Meaning { kind: CredentialRotate, credential: Some(CredentialKind::ApiKey) }
    } else if ends(&[
        "/listkeys/action",
        "/listsecrets/action",
        "/listconnectionstrings/action",
        "/listcredentials/action",
        "/listaccountsas/action",
        "/listservicesas/action",
        "/publishxml/action",
    ]) || operation.contains("/listclusteradmincredential")
    {
        is(SecretRead)
    } else {
        is(ApiRequest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{Class, CredentialKind, Event, EventType};

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("azure", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::AzureActivity, raw, &Input::behaviour("azure", None), check);
    }

    fn activity(operation: &str, result: &str, claims: &str, rest: &str) -> String {
        format!(
            r#"{{"time":"2026-05-01T10:00:00.3530000Z","resourceId":"/SUBSCRIPTIONS/s-1/RESOURCEGROUPS/rg/PROVIDERS/X","operationName":"{operation}","category":"Administrative",
            "resultType":"{result}","callerIpAddress":"192.0.2.7","correlationId":"c","identity":{{"authorization":{{"scope":"/subscriptions/s-1"}},"claims":{{{claims}}}}}{rest}}}"#
        )
    }

    const USER: &str = r#""http://schemas.microsoft.com/identity/claims/objectidentifier":"u-1","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"Alice@example.com","appid":"a-1","uti":"uti-1","http://schemas.microsoft.com/identity/claims/tenantid":"t-1""#;

    #[test]
    fn a_role_assignment() {
        let body = serde_json::Value::from(
            r#"{"Id":"x","Properties":{"PrincipalId":"u-2","RoleDefinitionId":"/subscriptions/s-1/providers/Microsoft.Authorization/roleDefinitions/8e3af657","Scope":"/subscriptions/s-1"}}"#,
        );
        let rest = format!(r#","properties":{{"statusCode":"Created","requestbody":{body}}}"#);
        assert_eq!(
            read(&activity("MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", "Success", USER, &rest)),
            concat!(
                r#"{"id":"","time":"2026-05-01T10:00:00.353Z","type":"privilege.grant","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"u-1","issuer":"t-1","native_id":"alice@example.com"},"provider":{"product":"azure","instance":"s-1"},"#,
                r#""credential":{"id":"uti-1","client_id":"a-1"},"source":{"ip":"192.0.2.7"},"#,
                r#""request":{"route":"MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE","object":"/SUBSCRIPTIONS/s-1/RESOURCEGROUPS/rg/PROVIDERS/X"},"#,
                r#""change":{"role":"8e3af657","scope":"/subscriptions/s-1","target":"u-2"},"stamp":{"native_type":"MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE"}}"#
            )
        );
    }

    #[test]
    fn operations() {
        for (operation, expected) in [
            ("Microsoft.Storage/storageAccounts/listKeys/action", EventType::SecretRead),
            ("Microsoft.Storage/storageAccounts/regenerateKey/action", EventType::CredentialRotate),
            ("Microsoft.ManagedIdentity/userAssignedIdentities/write", EventType::AccountCreate),
            ("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", EventType::CredentialCreate),
            ("Microsoft.Authorization/roleAssignments/delete", EventType::PrivilegeRevoke),
            ("Microsoft.Compute/virtualMachines/write", EventType::ApiRequest),
        ] {
            event(&activity(operation, "Success", USER, ""), |event| assert_eq!(event.kind, expected, "{operation}"));
        }
        event(
            &activity("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", "Failure", USER, ""),
            |event| {
                assert_eq!((event.failed(), event.credential.unwrap().kind), (true, Some(CredentialKind::WorkloadIdentity)));
            },
        );
        assert_eq!(
            read(&activity("Microsoft.Compute/virtualMachines/write", "Start", USER, "")),
            "azure_activity:Microsoft.Compute/virtualMachines/write begun"
        );
    }

    #[test]
    fn a_secret_is_read_from_key_vault() {
        let raw = r#"{"time":"2026-05-01T10:00:00.353Z","category":"AuditEvent","operationName":"SecretGet","resultType":"Success","resultSignature":"OK","callerIPAddress":"192.0.2.9",
            "correlationId":"c","identity":{"claim":{"http://schemas.microsoft.com/identity/claims/objectidentifier":"sp-1","appid":"a-2","idtyp":"app"}},
            "properties":{"clientInfo":"azsdk-go","httpStatusCode":200,"id":"https://v.vault.azure.net/secrets/db/0123456789abcdef"},
            "resourceId":"/SUBSCRIPTIONS/s-1/RESOURCEGROUPS/rg/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/V"}"#;
        event(raw, |event| {
            let identity = event.identity.as_ref().unwrap();
            assert_eq!(
                (event.kind, identity.id.as_str(), identity.class, event.ip()),
                (EventType::SecretRead, "sp-1", Some(Class::Service), Some("192.0.2.9"))
            );
            assert_eq!(event.change.unwrap().secret.as_deref(), Some("https://v.vault.azure.net/secrets/db"));
        });
        let denied = raw.replace("\"httpStatusCode\":200", "\"httpStatusCode\":403");
        event(&denied, |event| assert!(event.failed()));
        let handshake = r#"{"time":"2026-05-01T10:00:00Z","category":"AuditEvent","operationName":"Authentication","resultType":"Success","identity":{},"properties":{},"resourceId":"/x"}"#;
        assert_eq!(read(handshake), "azure_activity:Authentication of nobody");
    }

    #[test]
    fn the_form_of_the_rest_api() {
        let raw = r#"{"eventDataId":"e","eventTimestamp":"2026-05-01T10:00:00Z","caller":"Alice@example.com","operationName":{"value":"Microsoft.Authorization/elevateAccess/action"},
            "status":{"value":"Succeeded"},"claims":{"name":"Alice"},"httpRequest":{"clientIpAddress":"192.0.2.7"},"resourceId":"/providers/Microsoft.Authorization"}"#;
        event(raw, |event| {
            assert_eq!(
                (event.kind, event.id.as_str(), event.identity_id(), event.succeeded()),
                (EventType::PrivilegeGrant, "e", Some("alice@example.com"), true)
            )
        });
    }
}
