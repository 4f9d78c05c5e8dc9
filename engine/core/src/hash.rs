//! Short names for long values: habits and sketches keep 64 bits of a device id, a route or a network, not its text.
//!
//! SipHash-1-3 (Aumasson, Bernstein 2012) with fixed keys: the same on every machine and in every run. Subjects are never told apart
//! by it (the store compares whole keys); a second value that collides with a known device has to be searched for among 2^64.

use siphasher::sip::SipHasher13;

/// What a hashed value is, so that equal texts of different kinds differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Of {
    EventId = 1,
    Source = 2,
    Device = 3,
    AgentFamily = 4,
    Country = 5,
    Asn = 6,
    Session = 7,
    Credential = 8,
    Workload = 9,
    Route = 10,
    Scope = 11,
    Card = 12,
    Identity = 13,
    Ja4 = 14,
    Payee = 15,
    Target = 16,
    Object = 17,
    Secret = 18,
    Client = 19,
    Tool = 20,
    Order = 21,
    Act = 22,
    Fact = 23,
    Verdict = 24,
}

/// The hash of a value, never 0: 0 means "none" in scopes.
pub fn hash(of: Of, value: &[u8]) -> u64 {
    SipHasher13::new_with_keys(0x706f_7274_6375_6c6c, of as u64).hash(value).max(1)
}

/// Several parts as one value: each part's length is part of it.
pub fn hash_parts(of: Of, parts: &[&[u8]]) -> u64 {
    use std::hash::Hasher;
    // In one piece where it fits, which it nearly always does: the same hash, without the hasher's bookkeeping between pieces.
    let mut whole = [0u8; 192];
    let mut len = 0;
    for part in parts {
        let end = len + 8 + part.len();
        if end > whole.len() {
            len = usize::MAX;
            break;
        }
        whole[len..len + 8].copy_from_slice(&(part.len() as u64).to_le_bytes());
        whole[len + 8..end].copy_from_slice(part);
        len = end;
    }
    if let Some(whole) = whole.get(..len) {
        return hash(of, whole);
    }
    let mut hasher = SipHasher13::new_with_keys(0x706f_7274_6375_6c6c, of as u64);
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_parts_are_told_apart_and_values_are_pinned() {
        assert_ne!(hash(Of::Device, b"a"), hash(Of::Source, b"a"));
        assert_ne!(hash_parts(Of::EventId, &[b"ab", b"c"]), hash_parts(Of::EventId, &[b"a", b"bc"]));
        // Stored in profiles: these may never change.
        assert_eq!(hash(Of::Device, b"d-1"), 14_471_645_749_256_689_571);
    }

    #[test]
    fn long_and_short_parts_are_hashed_alike() {
        use std::hash::Hasher;
        for len in [0, 1, 7, 80, 167, 168, 169, 184, 500] {
            let long = vec![b'x'; len];
            let mut hasher = SipHasher13::new_with_keys(0x706f_7274_6375_6c6c, Of::Route as u64);
            for part in [&long[..], b"GET"] {
                hasher.write(&(part.len() as u64).to_le_bytes());
                hasher.write(part);
            }
            assert_eq!(hash_parts(Of::Route, &[&long, b"GET"]), hasher.finish().max(1), "{len}");
        }
    }
}
