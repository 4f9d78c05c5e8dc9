//! What INGEST knows of the identities of an inventory: their class, their other names, and who is gone. A cache of `inventory.identity` records.

use portcullis_core::event::{Class, Event, EventType, IdentityStatus, Stamp};
use portcullis_core::text::Text;
// Its hash function is several times faster on short names than that of std, and seeded at random as well.
use hashbrown::HashMap;

/// By tenant and name. Canonical ids and aliases both lead to the canonical id.
#[derive(Default, Debug)]
pub struct Inventory {
    tenants: HashMap<String, Names>,
}

#[derive(Default, Debug)]
struct Names {
    known: HashMap<String, Known>,
    /// By canonical id, so that a new record takes back what it no longer lists.
    aliases: HashMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    canonical: String,
    class: Option<Class>,
    is_offboarded: bool,
}

impl Names {
    /// A name no longer leads to `canonical`. It may have gone over to somebody else meanwhile.
    fn take_back(&mut self, name: &str, canonical: &str) {
        if self.known.get(name).is_some_and(|known| known.canonical == canonical) {
            self.known.remove(name);
        }
    }
}

impl Names {
    fn is_principal_gone(&self, event: &Event<'_>) -> bool {
        let is_gone = |name: &str| self.known.get(name).is_some_and(|known| known.is_offboarded);
        if let (EventType::InventoryIdentity, Some(inventory)) = (event.kind, &event.inventory) {
            let delegators = inventory.delegated_by.iter().map(|d| d.principal.as_str());
            return inventory.owner.as_deref().into_iter().chain(delegators).any(is_gone);
        }
        event.identity.as_ref().and_then(|identity| identity.on_behalf_of.as_deref()).is_some_and(is_gone)
    }
}

impl Inventory {
    /// Takes an `inventory.identity` event in; other events are left alone.
    pub fn learn(&mut self, event: &Event<'_>) {
        let (EventType::InventoryIdentity, Some(identity), Some(inventory)) = (event.kind, &event.identity, &event.inventory) else {
            return;
        };
        let is_offboarded = inventory.status == Some(IdentityStatus::Offboarded);
        let known = Known { canonical: identity.id.as_str().to_owned(), class: inventory.class, is_offboarded };
        let names = self.tenants.entry(event.tenant.as_str().to_owned()).or_default();
        let aliases: Vec<String> = inventory.aliases.iter().map(|a| a.as_str().to_owned()).collect();
        for gone in names.aliases.insert(known.canonical.clone(), aliases.clone()).unwrap_or_default() {
            names.take_back(&gone, &known.canonical);
        }
        for alias in aliases {
            names.known.insert(alias, known.clone());
        }
        names.known.insert(known.canonical.clone(), known);
    }

    /// Its record was deleted (a tombstone): nobody knows it any more.
    pub fn forget(&mut self, tenant: &str, id: &str) {
        let Some(names) = self.tenants.get_mut(tenant) else { return };
        let aliases = names.aliases.remove(id).unwrap_or_default();
        for name in aliases.iter().map(String::as_str).chain([id]) {
            names.take_back(name, id);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Stamps what is known: the canonical id behind an alias (the native name is kept), the class, which outranks what the event says, and
    /// that whom it acts for, or in its own record its owner or somebody who delegated to it, is offboarded.
    pub fn stamp(&self, event: &mut Event<'_>) {
        let Some(names) = self.tenants.get(event.tenant.as_str()) else { return };
        if names.is_principal_gone(event) {
            event.stamp.get_or_insert_with(Stamp::default).principal_gone = true;
        }
        let Some(identity) = &mut event.identity else { return };
        let Some(known) = names.known.get(identity.id.as_str()) else { return };
        if known.canonical != identity.id.as_str() {
            let native = std::mem::replace(&mut identity.id, Text::from(known.canonical.clone()));
            identity.native_id.get_or_insert(native);
        }
        if known.class.is_some() {
            identity.class = known.class;
        }
        event.stamp.get_or_insert_with(Stamp::default).inventoried = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &'static str) -> Event<'static> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn whose_principal_is_gone_is_said() {
        let mut inventory = Inventory::default();
        let gone =
            r#"{"time":0,"type":"inventory.identity","identity":{"id":"wim"},"inventory":{"status":"offboarded","aliases":["wim@acme"]}}"#;
        inventory.learn(&event(gone));
        for (json, wanted) in [
            (r#"{"time":0,"type":"inventory.identity","identity":{"id":"svc"},"inventory":{"owner":"wim@acme"}}"#, true),
            (r#"{"time":0,"type":"inventory.identity","identity":{"id":"bot"},"inventory":{"delegated_by":[{"principal":"wim"}]}}"#, true),
            (r#"{"time":0,"type":"inventory.identity","identity":{"id":"svc"},"inventory":{"owner":"ana"}}"#, false),
            (r#"{"time":0,"type":"api.request","identity":{"id":"bot","on_behalf_of":"wim"}}"#, true),
            (r#"{"time":0,"type":"api.request","identity":{"id":"wim"}}"#, false),
        ] {
            let mut seen = event(json);
            inventory.stamp(&mut seen);
            assert_eq!(seen.stamp.is_some_and(|stamp| stamp.principal_gone), wanted, "{json}");
        }
    }

    #[test]
    fn an_alias_leads_to_the_canonical_identity_and_the_inventory_names_its_class() {
        let mut inventory = Inventory::default();
        inventory.learn(&event(
            r#"{"time":0,"type":"inventory.identity","identity":{"id":"svc-pay"},"inventory":{"class":"service","aliases":["arn:aws:iam::1:role/pay"]}}"#,
        ));
        let mut seen = event(r#"{"time":0,"type":"api.request","identity":{"id":"arn:aws:iam::1:role/pay","class":"customer"}}"#);
        inventory.stamp(&mut seen);
        let identity = seen.identity.unwrap();
        assert_eq!(
            (identity.id.as_str(), identity.native_id.as_deref(), identity.class),
            ("svc-pay", Some("arn:aws:iam::1:role/pay"), Some(Class::Service))
        );
        assert!(seen.stamp.unwrap().inventoried);

        let mut stranger = event(r#"{"time":0,"type":"api.request","tenant":"other","identity":{"id":"svc-pay"}}"#);
        inventory.stamp(&mut stranger);
        assert_eq!((stranger.identity.unwrap().class, stranger.stamp), (None, None));

        inventory.learn(&event(r#"{"time":0,"type":"inventory.identity","identity":{"id":"svc-pay"},"inventory":{"class":"service"}}"#));
        let mut gone = event(r#"{"time":0,"type":"api.request","identity":{"id":"arn:aws:iam::1:role/pay"}}"#);
        inventory.stamp(&mut gone);
        assert_eq!(gone.identity.unwrap().native_id, None);
    }

    #[test]
    fn who_was_deleted_is_a_stranger_under_all_names() {
        let mut inventory = Inventory::default();
        inventory.learn(&event(
            r#"{"time":0,"type":"inventory.identity","identity":{"id":"ann"},"inventory":{"class":"admin","aliases":["a.meier","ann@old.example"]}}"#,
        ));
        inventory.learn(&event(
            r#"{"time":0,"type":"inventory.identity","identity":{"id":"bob"},"inventory":{"class":"admin","aliases":["a.meier"]}}"#,
        ));
        inventory.forget("default", "ann");
        inventory.forget("default", "nobody");
        inventory.forget("other", "bob");
        let class_of = |id: &str| {
            let mut seen = Event::new(EventType::ApiRequest, portcullis_core::time::Time(0));
            seen.identity = Some(portcullis_core::event::Identity { id: id.to_owned().into(), ..Default::default() });
            inventory.stamp(&mut seen);
            seen.identity.unwrap().class
        };
        assert_eq!(["ann", "ann@old.example", "a.meier", "bob"].map(class_of), [None, None, Some(Class::Admin), Some(Class::Admin)]);
    }
}
