//! Deterministic ids: what made a thing gives its id, so a repeat is byte-identical and safe to drop.

/// 128 bits of BLAKE3 over the parts (each with its length), hex, behind a prefix that says what it is.
pub fn id(prefix: &str, parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(prefix.as_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    format!("{prefix}-{}", &hasher.finalize().to_hex()[..32])
}

/// BLAKE3 of some bytes, hex.
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_id_and_their_borders_count() {
        assert_eq!(id("v", &[b"a", b"bc"]), id("v", &[b"a", b"bc"]));
        assert_ne!(id("v", &[b"a", b"bc"]), id("v", &[b"ab", b"c"]));
        assert_eq!(id("v", &[]).len(), 34);
    }
}
