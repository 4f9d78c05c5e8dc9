//! `schema_registry`: where it is, who we are there, and where what it says is kept.

use super::read::{NAME_BYTES_MAX, PATH_BYTES_MAX, path, secret_file};
use super::{SchemaRegistry, Secret};
use portcullis_connectors::registry::{Client, Settings};
use portcullis_core::policy::yaml::At;
use std::path::Path;

/// The folder within `state.directory`.
pub(super) const DIRECTORY: &str = "schemas";

/// `state`: where the schemas are kept if nothing is said.
pub(super) fn read(at: &At<'_>, state: &Path) -> Option<SchemaRegistry> {
    let map = at.map()?;
    let url_at = map.need("url");
    let url = url_at.as_ref().and_then(|at| at.short_text(PATH_BYTES_MAX)).map(str::to_owned);
    let username = map.get("username");
    let password = map.get("password");
    let password = match (map.get("password_file"), password) {
        (Some(file), None) => file.short_text(PATH_BYTES_MAX).and_then(|name| secret_file(&file, name)),
        (Some(_), Some(password)) => {
            password.fault_with("is in a file too", "remove one of password and password_file");
            None
        }
        (None, password) => password.and_then(|at| at.short_text(NAME_BYTES_MAX).map(Secret::new)),
    };
    let basic = match (&username, password) {
        (Some(at), Some(password)) => at.short_text(NAME_BYTES_MAX).map(|user| (user.to_owned(), password)),
        (Some(at), None) => {
            at.fault_with("has no password beside it", "write `password_file: FILE`");
            None
        }
        (None, Some(_)) => {
            at.fault_with("has a password and no username", "write `username: NAME`");
            None
        }
        (None, None) => None,
    };
    let registry = SchemaRegistry {
        url: url?,
        basic,
        ca_file: path(&map, "ca_file"),
        directory: path(&map, "directory").unwrap_or_else(|| state.join(DIRECTORY)),
        register: map.get("register").and_then(|at| at.bool()).unwrap_or(false),
    };
    if registry.url.contains('@') {
        url_at?.fault_with("holds a user or a password", "write them as username and password_file");
        return None;
    }
    if let Err(what) = registry.client() {
        at.fault(what);
        return None;
    }
    Some(registry)
}

impl SchemaRegistry {
    /// One who asks it.
    ///
    /// # Errors
    /// What is wrong with the address, or with the file of the authorities.
    pub fn client(&self) -> Result<Client, String> {
        let read = |file: &std::path::PathBuf| std::fs::read(file).map_err(|e| format!("ca_file: {} cannot be read: {e}", file.display()));
        let authorities = self.ca_file.as_ref().map(read).transpose()?;
        let basic = self.basic.as_ref().map(|(user, password)| (user.clone(), password.reveal().to_owned()));
        Client::new(Settings { url: self.url.clone(), basic, authorities })
    }
}
