//! Signing: by which algorithms a cluster's API server says that its tokens are signed, in its
//! discovery document and in its JSON Web Key Set (OpenID Connect Discovery 1.0; RFC 7517).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wiguard_rules::model::Issuer;

/// The algorithms of a cluster's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    /// The issuer, where the document says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// What the file of the key set is called, without its ending: of a discovery document, what its
    /// `jwks_uri` ends in. Empty if nothing says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key_set: String,
    /// Algorithms as JSON Web Algorithms name them, sorted.
    pub algorithms: Vec<String>,
}

/// What a key set is called that says by its name alone where it was read: at `/openid/v1/jwks`.
pub(crate) const BY_NAME: &str = "openid-v1-jwks";

/// What a discovery document says; nothing if it says nothing.
pub(crate) fn of_discovery(document: &Value) -> Option<Signing> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let listed = document.get("id_token_signing_alg_values_supported").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let algorithms: Vec<String> = listed.collect::<BTreeSet<_>>().into_iter().collect();
    let key_set = called(text("jwks_uri").unwrap_or_default()).to_owned();
    let says = !algorithms.is_empty() || !key_set.is_empty();
    says.then(|| Signing { issuer: text("issuer").map(Issuer::from), key_set, algorithms })
}

/// What a file is called, by its path or address, without the ending that tells what is in it.
pub(crate) fn called(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    [".gz", ".zst", ".json", ".yaml", ".yml"]
        .iter()
        .fold(name, |name, ending| name.strip_suffix(ending).unwrap_or(name))
}

/// What a key set says, if it is one.
pub(super) fn of_keys(document: &Value) -> Option<Signing> {
    let keys = document.get("keys")?.as_array()?;
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
    if keys.is_empty() || !keys.iter().all(|key| text(key, "kty").is_some()) {
        return None;
    }
    let signs = keys.iter().filter(|key| text(key, "use").is_none_or(|used| used == "sig"));
    let algorithm = |key: &Value| {
        text(key, "alg").or_else(|| {
            Some(match text(key, "kty")?.as_str() {
                "RSA" => "RS256".to_owned(),
                "EC" => match text(key, "crv").as_deref() {
                    Some("P-384") => "ES384".to_owned(),
                    Some("P-521") => "ES512".to_owned(),
                    _ => "ES256".to_owned(),
                },
                other => other.to_owned(),
            })
        })
    };
    let algorithms: Vec<String> = signs.filter_map(algorithm).collect::<BTreeSet<_>>().into_iter().collect();
    (!algorithms.is_empty()).then_some(Signing { issuer: None, key_set: String::new(), algorithms })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{called, of_discovery, of_keys};

    fn algorithms(keys: &[Value]) -> Option<Vec<String>> {
        of_keys(&json!({"keys": keys})).map(|signing| signing.algorithms)
    }

    #[test]
    fn a_key_says_its_algorithm_or_has_that_of_its_curve() {
        let curve = |crv: &str| json!({"kty": "EC", "crv": crv});
        let keys = [curve("P-256"), curve("P-384"), curve("P-521"), json!({"kty": "RSA", "alg": "PS256"})];
        assert_eq!(algorithms(&keys), Some(["ES256", "ES384", "ES512", "PS256"].map(String::from).into()));
        assert_eq!(algorithms(&[json!({"kty": "RSA", "use": "enc"})]), None);
        assert_eq!(algorithms(&[json!({"kid": "a"})]), None, "no key set");
    }

    #[test]
    fn a_key_set_is_called_as_its_address_ends() {
        let named = |uri: &str| {
            let signing = of_discovery(&json!({"issuer": "https://i", "jwks_uri": uri}));
            signing.map(|signing| signing.key_set)
        };
        assert_eq!(named("https://10.0.0.1:6443/openid/v1/jwks").as_deref(), Some("jwks"));
        assert_eq!(named("https://oidc.example.com/keys.json").as_deref(), Some("keys"));
        assert_eq!(named("https://oidc.example.com/"), None);
        assert_eq!(["prod/jwks.json.gz", "a\\jwks.json", "jwks", ""].map(called), ["jwks", "jwks", "jwks", ""]);
    }

    #[test]
    fn the_last_of_many_keys_counts() {
        let mut keys = vec![json!({"kty": "EC", "crv": "P-256"}); 100];
        keys.push(json!({"kty": "RSA"}));
        assert_eq!(algorithms(&keys), Some(["ES256", "RS256"].map(String::from).into()));
    }
}
