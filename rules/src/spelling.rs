//! Spelling: which labels and annotations belong to workload identity, and which of them a
//! misspelt key stands for. Kubernetes takes any key, so nobody else will tell.

use alloc::string::String;

use crate::model::{Pair, Pairs, annotation, is_like_ours, label};
use crate::near::edits_within;

/// The keys that the mutating webhook reads, of pods and of ServiceAccounts.
pub const KEYS: [&str; 8] = [
    label::USE,
    annotation::CLIENT_ID,
    annotation::TENANT_ID,
    annotation::EXPIRATION,
    annotation::SKIP_CONTAINERS,
    annotation::INJECT_PROXY,
    annotation::PROXY_PORT,
    annotation::USE_IDENTITY_BINDING,
];

/// The pairs whose keys look like ours and are not. A longer prefix may be somebody else's domain,
/// unless one of our names follows it.
pub fn misspelt(pairs: &Pairs) -> impl Iterator<Item = &Pair> {
    let ours = |key: &str| letters(key.split('/').next().unwrap_or_default()) == "azureworkloadidentity";
    pairs.iter().filter(move |pair| {
        let key = pair.key.as_str();
        is_like_ours(key) && !is_known(key) && (ours(key) || meant(key).is_some())
    })
}

/// The pairs whose keys workload identity reads somewhere, or that look like such keys.
#[cfg(feature = "audit")]
pub fn like_ours(pairs: &Pairs) -> impl Iterator<Item = &Pair> {
    let read = pairs.iter().filter(|pair| is_known(&pair.key) && !pair.key.starts_with("azure-workload-identity.io/"));
    read.chain(misspelt(pairs))
}

/// The key that a misspelt one stands for: the one with the same letters, else one that differs in
/// one or two of them.
pub fn meant(key: &str) -> Option<&'static str> {
    let letters = letters(key);
    let find = |edits| KEYS.into_iter().find(|known| edits_within(&self::letters(known), &letters, edits));
    find(0).or_else(|| find(1)).or_else(|| find(2))
}

/// Whether a key is read by the webhook, or set by it. `use-…` asks for a token endpoint of that
/// suffix (azure-workload-identity v1.6.0, `--custom-token-endpoint-annotation-suffix`);
/// `azure-workload-identity.io/…` marks the webhook's own objects.
fn is_known(key: &str) -> bool {
    KEYS.contains(&key)
        || key.strip_prefix("azure.workload.identity/use-").is_some_and(|suffix| !suffix.is_empty())
        || key.starts_with("azure-workload-identity.io/")
}

fn letters(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_traced_to_the_one_meant() {
        for (key, expected) in [
            ("azure.workload-identity/client-id", Some(annotation::CLIENT_ID)),
            ("azure.workload.identity/client_id", Some(annotation::CLIENT_ID)),
            ("azure.workload.identity/clientId", Some(annotation::CLIENT_ID)),
            ("Azure.Workload.Identity/Use", Some(label::USE)),
            ("azure.workload.identity/used", Some(label::USE)),
            ("azure.workload.identity/tenant", Some(annotation::TENANT_ID)),
            ("azure.workload.identity/skip-container", Some(annotation::SKIP_CONTAINERS)),
            ("azure-workload-identity", None),
            ("azure.workload.identity/team", None),
        ] {
            assert_eq!(meant(key), expected, "{key}");
        }
    }

    #[test]
    fn only_what_is_like_ours_is_misspelt() {
        for (key, expected) in [
            ("azure.workload-identity/client-id", true),
            ("azure.workload.identity/team", true),
            ("AZURE_WORKLOAD_IDENTITY/use", true),
            ("azure.workload.identity.io/use", true),
            ("azure.workload.identify/use", false),
            ("azure.wrokload.identity/use", false),
            ("azure.workloads.identity/client-id", false),
            ("azureworkloadidenty/use", false),
            ("azure.workload.identify/team", false),
            ("azure.wrokload.identify/use", false),
            ("azure.workload.identify.use", false),
            ("workload.identity/use", false),
            ("azure.workload.identity/use", false),
            ("azure-workload-identity.example.com/team", false),
            ("azure-workload-identity.io/system", false),
            ("azure.com/workload-identity", false),
            ("app.kubernetes.io/name", false),
            ("", false),
        ] {
            let pairs = Pairs(alloc::vec![Pair { key: key.into(), value: "true".into(), is_string: true }]);
            assert_eq!(misspelt(&pairs).next().is_some(), expected, "{key}");
        }
    }

    #[test]
    fn known_keys_are_not_misspelt() {
        for (key, expected) in [
            ("azure.workload.identity/use", true),
            ("azure.workload.identity/use-identity-binding", true),
            ("azure.workload.identity/use-proxy", true),
            ("azure-workload-identity.io/system", true),
            ("azure.workload.identity/use-", false),
            ("azure.workload-identity/use", false),
            ("azure.workload.identity/USE", false),
        ] {
            assert_eq!(is_known(key), expected, "{key}");
        }
    }
}
