//! Tokens and secrets: random, known to the cloud, and looked for in everything that is written.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

/// Who may ask: an app registration in Entra, or a machine's identity.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its client id.
    pub client_id: String,
    /// Its secret.
    pub secret: String,
    /// What its projected token must hold.
    pub assertion: String,
    /// The tenants that it is in; the first is its own.
    pub tenants: Vec<usize>,
    /// Whether it has `Application.Read.All`.
    pub reads_applications: bool,
}

/// What a token says of its bearer.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) tenant: usize,
    pub(super) audience: String,
    pub(super) caller: usize,
    pub(super) expires: Instant,
}

/// All tokens that were ever issued.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<String, Grant>);

// === impl Tokens ===

impl Tokens {
    pub(super) fn issue(&mut self, tenant: usize, audience: &str, caller: usize, lifetime: Duration) -> String {
        let token = format!("eyJ0eXAiOiJKV1Qi{}.{}.{}", random(2), random(8), random(4));
        let expires = Instant::now() + lifetime;
        self.0.insert(token.clone(), Grant { tenant, audience: audience.into(), caller, expires });
        token
    }

    pub(super) fn get(&self, token: &str) -> Option<&Grant> {
        self.0.get(token)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

/// Letters that nobody guesses and that stand nowhere else.
pub(super) fn random(words: usize) -> String {
    let word = |_| format!("{:016x}", RandomState::new().build_hasher().finish());
    (0..words).map(word).collect()
}

/// The places where something secret occurs in a text, wholly or in a part that gives it away.
pub(super) fn found<'a>(secrets: impl Iterator<Item = &'a String>, text: &[u8]) -> Vec<String> {
    // Their random middle is enough to find them by, however they are cut or wrapped.
    let part = |secret: &String| {
        let middle = secret.len() / 2;
        secret.get(middle - 8..middle + 8).unwrap_or(secret).to_owned()
    };
    let parts = secrets.flat_map(|secret| [part(secret), secret.get(16..32).unwrap_or(secret).to_owned()]);
    parts.filter(|part| text.windows(part.len()).any(|window| window == part.as_bytes())).collect()
}
