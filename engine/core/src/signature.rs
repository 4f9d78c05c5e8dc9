//! Who signed a record of the log: a compact JWS (RFC 7515) by a key that the policy names, Ed25519 (RFC 8037) or, for systems that know
//! nothing else, RSA (RS256, RFC 7518).
//!
//! Verification is a pure function of the record and the policy, so a replay believes whom the original believed.

use crate::policy::Policy;
use crate::record::PolicyRecord;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A person or a system whose signature the policy believes.
#[derive(Clone, PartialEq, Debug)]
pub struct Signatory {
    pub name: String,
    /// Names the key in the header of what it signs.
    pub kid: String,
    pub key: PublicKey,
}

/// A public key, and with it the one algorithm that its signatures are verified by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublicKey {
    Ed25519(VerifyingKey),
    /// The modulus, big-endian without leading zeros; the exponent is [`RSA_EXPONENT`].
    Rsa(Vec<u8>),
}

/// 65537, as every library makes it.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
const RSA_BITS: std::ops::RangeInclusive<u32> = 2_048..=8_192;

impl PublicKey {
    /// The `x` of a JWK: 32 bytes in base64url. `None` for anything else, and for the points that verify nothing.
    pub fn ed25519(x: &str) -> Option<PublicKey> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(x).ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak()).map(PublicKey::Ed25519)
    }

    /// The `n` and `e` of a JWK, in base64url. `None` for anything but 2048 to 8192 bits and the exponent 65537.
    pub fn rsa(n: &str, e: &str) -> Option<PublicKey> {
        if URL_SAFE_NO_PAD.decode(e).ok()? != RSA_EXPONENT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(n).ok()?;
        let modulus: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        let bits = (modulus.len() as u32).saturating_mul(8).saturating_sub(modulus.first()?.leading_zeros());
        (RSA_BITS.contains(&bits) && modulus.last()? % 2 == 1).then_some(PublicKey::Rsa(modulus))
    }

    /// The `alg` of what it verifies.
    pub const fn alg(&self) -> &'static str {
        match self {
            PublicKey::Ed25519(_) => "EdDSA",
            PublicKey::Rsa(_) => "RS256",
        }
    }

    /// The members of its JWK (RFC 7517) that hold the key.
    pub fn jwk(&self) -> Vec<(&'static str, String)> {
        match self {
            PublicKey::Ed25519(key) => {
                vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", URL_SAFE_NO_PAD.encode(key.as_bytes()))]
            }
            PublicKey::Rsa(modulus) => {
                vec![("kty", "RSA".to_owned()), ("n", URL_SAFE_NO_PAD.encode(modulus)), ("e", URL_SAFE_NO_PAD.encode(RSA_EXPONENT))]
            }
        }
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::Ed25519(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(signed, &signature).is_ok())
            }
            PublicKey::Rsa(n) => {
                RsaPublicKeyComponents { n: n.as_slice(), e: &RSA_EXPONENT }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
        }
    }
}

/// The type in the header of what an approver signs of a policy.
pub const POLICY_TYPE: &str = "portcullis-policy+jwt";

/// What an approver signs of a policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignedPolicy {
    pub version: String,
    /// BLAKE3 of the text, hex.
    pub digest: String,
}

/// Whether the approvers of the policy in force let this one take its place: two of them, or the only one. Where there are none, anybody may.
///
/// # Errors
/// What is missing, in a sentence.
pub fn may_follow(in_force: &Policy, record: &PolicyRecord) -> Result<(), String> {
    let approvers = &in_force.approvers;
    if approvers.is_empty() {
        return Ok(());
    }
    if record.version <= in_force.version {
        return Err(format!(
            "its version {} is not greater than {}, which is in force: an older policy does not come back",
            record.version, in_force.version
        ));
    }
    let of = SignedPolicy { version: record.version.clone(), digest: record.digest.clone() };
    let (mut agreed, mut refused) = (BTreeSet::new(), Vec::new());
    for jws in &record.signatures {
        match verify(jws, POLICY_TYPE, approvers) {
            Ok((signatory, payload)) if serde_json::from_slice::<SignedPolicy>(&payload).is_ok_and(|signed| signed == of) => {
                agreed.insert(signatory.name.as_str());
            }
            Ok((signatory, _)) => refused.push(format!("{} signed another policy", signatory.name)),
            Err(why) => refused.push(why),
        }
    }
    let people: BTreeSet<&str> = approvers.iter().map(|a| a.name.as_str()).collect();
    let needs = people.len().min(2);
    if agreed.len() >= needs {
        return Ok(());
    }
    let who = agreed.into_iter().collect::<Vec<_>>().join(", ");
    Err(format!(
        "{needs} of the approvers of the policy in force must sign it, {} did: `portcullis policy sign`{}",
        if who.is_empty() { "none" } else { &who },
        if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) }
    ))
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Who signed a JWS of that type, and what.
///
/// # Errors
/// Why it is not believed, in a sentence.
pub fn verify<'s>(jws: &str, typ: &str, signatories: &'s [Signatory]) -> Result<(&'s Signatory, Vec<u8>), String> {
    let (signed, signature) = jws.rsplit_once('.').ok_or("it is not a compact JWS")?;
    let (header, payload) = signed.split_once('.').ok_or("it is not a compact JWS")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of it is not base64url");
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "its header lacks alg, typ or kid")?;
    let signatory = signatories
        .iter()
        .find(|s| s.kid == header.kid)
        .ok_or_else(|| format!("the policy in force names no key {}", shown(&header.kid)))?;
    // The algorithm is the key's, never the signer's to choose.
    let alg = signatory.key.alg();
    if header.alg != alg || header.typ != typ {
        return Err(format!("it is signed as {} {}, expected {alg} {typ}", shown(&header.alg), shown(&header.typ)));
    }
    if !signatory.key.verifies(signed.as_bytes(), &decode(signature)?) {
        return Err(format!("its signature is not by key {} of {}, or it was changed", signatory.kid, signatory.name));
    }
    Ok((signatory, decode(payload)?))
}

/// Text of a stranger, fit for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn sign(key: &SigningKey, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    const HEADER: &str = r#"{"alg":"EdDSA","typ":"t","kid":"a1"}"#;

    #[test]
    fn what_a_known_key_signed_is_believed_and_nothing_else() {
        let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
        let known = [Signatory { name: "anna".to_owned(), kid: "a1".to_owned(), key: PublicKey::Ed25519(key.verifying_key()) }];
        let good = sign(&key, HEADER, "{}");
        assert_eq!(verify(&good, "t", &known).unwrap().1, b"{}");
        for (refused, why) in [
            (sign(&other, HEADER, "{}"), "not by key a1"),
            (sign(&key, r#"{"alg":"none","typ":"t","kid":"a1"}"#, "{}"), "expected EdDSA"),
            (sign(&key, r#"{"alg":"EdDSA","typ":"u","kid":"a1"}"#, "{}"), "expected EdDSA t"),
            (sign(&key, r#"{"alg":"EdDSA","typ":"t","kid":"b1"}"#, "{}"), "names no key b1"),
            (sign(&key, r#"{"alg":"EdDSA"}"#, "{}"), "lacks"),
            (good.replacen('.', ".AA", 1), "not by key"),
            ("a.b".to_owned(), "not a compact JWS"),
            (String::new(), "not a compact JWS"),
            (format!("{good}AAAA"), "not by key a1"),
        ] {
            let said = verify(&refused, "t", &known).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let known = [Signatory { name: "anna".to_owned(), kid: "a1".to_owned(), key: PublicKey::Ed25519(key.verifying_key()) }];
        let good = sign(&key, HEADER, r#"{"do":"approve"}"#);
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(verify(std::str::from_utf8(&bytes).unwrap(), "t", &known).is_err(), "byte {at} changed and nobody saw it");
        }
    }

    #[test]
    fn a_policy_follows_another_only_as_its_approvers_say() {
        let keys = [SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]), SigningKey::from_bytes(&[3; 32])];
        let signatory = |i: usize, name: &str| Signatory {
            name: name.to_owned(),
            kid: format!("k{i}"),
            key: PublicKey::Ed25519(keys[i].verifying_key()),
        };
        let mut in_force = Policy::built_in();
        in_force.version = "2".to_owned();
        let by = |i: usize, version: &str, digest: &str| {
            let header = format!(r#"{{"alg":"EdDSA","typ":"{POLICY_TYPE}","kid":"k{i}"}}"#);
            sign(&keys[i], &header, &format!(r#"{{"version":"{version}","digest":"{digest}"}}"#))
        };
        let record = |version: &str, signatures: Vec<String>| PolicyRecord {
            version: version.to_owned(),
            digest: "ab".to_owned(),
            text: String::new(),
            author: "me".to_owned(),
            applied_at: crate::time::Time(0),
            signatures,
        };
        assert_eq!(may_follow(&in_force, &record("1", vec![])), Ok(()), "nobody to ask");
        in_force.approvers = vec![signatory(0, "anna")];
        assert_eq!(may_follow(&in_force, &record("3", vec![by(0, "3", "ab")])), Ok(()));
        in_force.approvers.push(signatory(1, "ben"));
        for (refused, why) in [
            (record("3", vec![]), "none did"),
            (record("3", vec![by(0, "3", "ab")]), "anna did"),
            (record("3", vec![by(0, "3", "ab"), by(0, "3", "ab")]), "anna did"),
            (record("3", vec![by(0, "3", "ab"), by(1, "3", "cd")]), "ben signed another policy"),
            (record("3", vec![by(0, "3", "ab"), by(2, "3", "ab")]), "names no key k2"),
            (record("2", vec![by(0, "2", "ab"), by(1, "2", "ab")]), "does not come back"),
        ] {
            let said = may_follow(&in_force, &refused).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert_eq!(may_follow(&in_force, &record("3", vec![by(1, "3", "ab"), by(0, "3", "ab")])), Ok(()));
    }

    #[test]
    fn a_key_reads_back() {
        let key = PublicKey::Ed25519(SigningKey::from_bytes(&[7; 32]).verifying_key());
        assert_eq!(PublicKey::ed25519(&key.jwk()[2].1), Some(key));
        assert_eq!(PublicKey::ed25519("AAAA"), None);
        assert_eq!(PublicKey::ed25519(&URL_SAFE_NO_PAD.encode([0; 32])), None, "a weak point");
        let modulus = |bits: usize| {
            let mut bytes = vec![0xff; bits / 8];
            bytes.insert(0, 0); // as some libraries write it
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let key = PublicKey::rsa(&modulus(2_048), "AQAB").unwrap();
        assert_eq!((key.alg(), PublicKey::rsa(&key.jwk()[1].1, &key.jwk()[2].1)), ("RS256", Some(key.clone())));
        for (n, e) in
            [(modulus(2_040), "AQAB"), (modulus(8_200), "AQAB"), (modulus(2_048), "Aw"), ("!".to_owned(), "AQAB"), (String::new(), "AQAB")]
        {
            assert_eq!(PublicKey::rsa(&n, e), None);
        }
    }
}
