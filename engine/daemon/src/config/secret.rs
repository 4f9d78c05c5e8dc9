//! A value that is not shown, and how to tell one by its name.

use std::fmt;

/// A value that may be a secret; it never appears in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value itself, for the library that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Librdkafka properties that are safe to show: a list of what is known, since a new property may be a secret.
pub(super) fn is_public_property(name: &str) -> bool {
    const PUBLIC: [&str; 8] = [
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.scope",
        "ssl.endpoint.identification.algorithm",
        "client.id",
    ];
    const PUBLIC_ENDS: [&str; 6] = [".location", ".ms", ".bytes", ".messages", ".kbytes", ".enable"];
    let suspicious = ["password", "secret", "token", "key", "pem"].iter().any(|word| name.contains(word));
    !suspicious && (PUBLIC.contains(&name) || PUBLIC_ENDS.iter().any(|end| name.ends_with(end)))
}
