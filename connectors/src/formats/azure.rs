//! What the logs of Microsoft's clouds have in common: the envelope of diagnostic settings (Event Hubs, storage, Log Analytics) around
//! the same records that the Graph API gives bare.

use super::fields;
use super::json::Json;
use portcullis_core::text::Text;

/// The record itself: `properties` of the envelope, or the whole.
pub fn properties<'j, 'a>(json: &'j Json<'a>) -> &'j Json<'a> {
    let within = json.get("properties");
    if within.is_object() { within } else { json }
}

/// The directory that wrote it: `tenantId`, or the one in `/tenants/{id}/providers/...`.
pub fn tenant<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    let of_resource = || {
        let resource = json.get("resourceId").text()?;
        let rest = fields::part(&resource, "/tenants/".len()..).filter(|_| resource.to_ascii_lowercase().starts_with("/tenants/"))?;
        let end = rest.find('/').unwrap_or(rest.len());
        fields::part(&rest, ..end)
    };
    json.get("tenantId").text().or_else(of_resource)
}

/// An object id; the one of all zeros, and `none`, name nobody.
pub fn object_id<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    let id = json.text()?;
    let says_nothing = id.eq_ignore_ascii_case("none") || id.bytes().all(|b| matches!(b, b'0' | b'-'));
    (!says_nothing).then_some(id)
}

/// The value of `name` in a list of `{"key": ..., "value": ...}`.
pub fn detail<'j, 'a>(list: &'j Json<'a>, name: &str) -> Option<&'j Json<'a>> {
    list.list().iter().find(|entry| entry.get("key").str().eq_ignore_ascii_case(name)).map(|entry| entry.get("value"))
}
