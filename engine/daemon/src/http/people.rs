//! Who asks over HTTP: a person by the token that they carry. The configuration keeps its digest, never the token.

use crate::config;
use crate::jws::{KeyFault, Signer};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A token: 32 bytes of randomness, in base64url. Nobody guesses it, so its digest needs no salt and no slowness.
pub struct Token(String);

impl Token {
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> anyhow::Result<Token> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness from the system: {e}"))?;
        Ok(Token(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// BLAKE3, hex: what the configuration keeps.
    pub fn digest(&self) -> String {
        blake3::hash(self.0.as_bytes()).to_hex().to_string()
    }
}

/// Somebody who may ask.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    token: blake3::Hash,
    /// What their answers are signed with. None: they may look, and nothing else.
    pub signer: Option<Signer>,
}

/// All who may.
#[derive(Clone)]
pub struct People(Vec<Person>);

impl People {
    /// Reads everybody's key.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(people: &[config::Person]) -> Result<People, KeyFault> {
        let person = |p: &config::Person| {
            let signer = p.key_file.as_ref().map(|file| Signer::open(file, "", "")).transpose()?;
            Ok(Person { name: p.name.clone(), token: p.token_digest, signer })
        };
        people.iter().map(person).collect::<Result<_, _>>().map(People)
    }

    /// Whose token a request carries. Each digest is compared, in constant time (that is how BLAKE3 compares), whichever it is.
    pub fn who(&self, headers: &HeaderMap) -> Option<&Person> {
        let digest = bearer(headers)?;
        self.0.iter().fold(None, |found, person| if person.token == digest { Some(person) } else { found })
    }
}

/// The digest of the bearer token that a request carries (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<blake3::Hash> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| blake3::hash(token.trim().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_and_nothing_else_is() {
        let (anna, ben) = (Token::generate().unwrap(), Token::generate().unwrap());
        let person = |name: &str, token: &Token| config::Person {
            name: name.to_owned(),
            token_digest: blake3::Hash::from_hex(token.digest()).unwrap(),
            key_file: None,
        };
        let people = People::of(&[person("anna", &anna), person("ben", &ben)]).unwrap();
        let who = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            people.who(&headers).map(|p| p.name.clone())
        };
        assert_eq!(who(&format!("Bearer {}", anna.reveal())).as_deref(), Some("anna"));
        assert_eq!(who(&format!("bearer {}", ben.reveal())).as_deref(), Some("ben"));
        for value in [format!("Basic {}", anna.reveal()), format!("Bearer {}", anna.digest()), "Bearer ".to_owned(), "Bearer".to_owned()] {
            assert_eq!(who(&value), None, "{value}");
        }
        assert_eq!(people.who(&HeaderMap::new()).map(|p| p.name.clone()), None);
    }
}
