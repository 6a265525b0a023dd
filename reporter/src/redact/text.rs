//! Texts: words and ids replaced one by one, everything between them kept.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use ring::hmac;
use wiguard_rules::model::{is_guid, is_placeholder};
use wiguard_rules::parameters::Parameters;

use super::words::{HOSTS, KNOWN};

/// What replaces names.
pub(crate) struct Redactor {
    key: hmac::Key,
    /// Words of clusters, namespaces and identities, which prose may name without a mark.
    seen: BTreeSet<String>,
}

const ALPHABET: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

impl Redactor {
    pub(super) const fn new(key: hmac::Key) -> Self {
        Self { key, seen: BTreeSet::new() }
    }

    /// Replaces a name, and knows its words again in prose.
    pub(crate) fn name(&mut self, name: &mut String) {
        for word in name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| is_telling(word)) {
            if !self.seen.contains(word) {
                self.seen.insert(word.to_lowercase());
            }
        }
        self.text(name);
    }

    /// Replaces every word and id of a text.
    pub(super) fn text(&self, text: &mut String) {
        // A place that nobody filled names nothing yet.
        if !text.is_empty() && !is_placeholder(text) {
            *text = self.replaced(text);
        }
    }

    fn replaced(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len() + 16), text);
        while let Some(first) = rest.chars().next() {
            if let Some(guid) = guid_at(rest) {
                out.push_str(&self.guid(guid));
                rest = rest.get(guid.len()..).unwrap_or_default();
            } else if first.is_alphanumeric() {
                let end = rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                out.push_str(&self.word(word));
                rest = after;
                if let Some(host) = rest.strip_prefix("://").map(host_of) {
                    let kept = is_known_host(host);
                    out.push_str("://");
                    out.push_str(&if kept { host.to_owned() } else { self.replaced(host) });
                    rest = rest.get(3 + host.len()..).unwrap_or_default();
                }
            } else {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        out
    }

    /// Replaces what prose quotes, ids, addresses, and the names that were seen before it.
    pub(super) fn prose(&self, text: &mut String) {
        let quoted = text.split('`').enumerate().map(|(index, part)| {
            if index % 2 == 1 {
                return self.replaced(part);
            }
            part.split_inclusive(char::is_whitespace).map(|word| self.loose(word)).collect()
        });
        *text = quoted.collect::<Vec<String>>().join("`");
    }

    fn loose(&self, word: &str) -> String {
        let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        let marks = |letter: char| "/:@.-_".contains(letter) || letter.is_ascii_digit();
        if bare.contains(marks) || self.seen.contains(&bare.to_lowercase()) { self.replaced(word) } else { word.into() }
    }

    /// A word of letters and digits. Two that differ in case alone become two that do.
    fn word(&self, word: &str) -> String {
        if !is_telling(word) {
            return word.into();
        }
        let folded = word.to_lowercase();
        let tag = hmac::sign(&self.key, format!("word {folded}").as_bytes());
        let length = folded.chars().count().clamp(8, 24);
        let mut bits =
            tag.as_ref().iter().fold(0_u128, |bits, byte| bits.wrapping_mul(256).wrapping_add((*byte).into()));
        let mut made: Vec<char> = Vec::with_capacity(length);
        for _ in 0..length {
            made.push(ALPHABET.get((bits % 26) as usize).map_or('x', |byte| char::from(*byte)));
            bits /= 26;
        }
        let lower = word == folded;
        let upper = word == word.to_uppercase();
        if upper && !lower {
            return made.into_iter().map(|letter| letter.to_ascii_uppercase()).collect();
        }
        if !lower {
            for (letter, of) in made.iter_mut().zip(word.chars()) {
                if of.is_uppercase() {
                    letter.make_ascii_uppercase();
                }
            }
        }
        made.into_iter().collect()
    }

    fn guid(&self, guid: &str) -> String {
        if is_placeholder(guid) {
            return guid.into();
        }
        let folded = guid.to_ascii_lowercase();
        let tag = hmac::sign(&self.key, format!("guid {folded}").as_bytes());
        let mut digits = tag.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digit = |of: char| match (of, digits.next()) {
            ('-', _) => '-',
            (_, digit) => char::from_digit(digit.unwrap_or_default().into(), 16).unwrap_or('0'),
        };
        let made: String = folded.chars().map(digit).collect();
        if guid == folded {
            return made;
        }
        // Upper case must not be lost, wherever there is a letter.
        let cased: String = guid
            .chars()
            .zip(made.chars())
            .map(|(of, letter)| if of.is_ascii_uppercase() { letter.to_ascii_uppercase() } else { letter })
            .collect();
        if cased == made { made.to_ascii_uppercase() } else { cased }
    }
}

/// Whether a word may tell whose it is. One or two letters tell nothing, and versions are such words.
fn is_telling(word: &str) -> bool {
    word.chars().count() > 2 && !is_known(word) && !(word.len() < 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_known(word: &str) -> bool {
    // Operators and sidecars that the rules know by name are everybody's too.
    static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let Parameters { operators, injected_containers, .. } = Parameters::default();
        let names = operators.iter().chain(&injected_containers);
        let words = names.flat_map(|name| name.split(|letter: char| !letter.is_alphanumeric()));
        words.filter(|word| !word.is_empty()).chain(KNOWN.iter().copied()).map(str::to_owned).collect()
    });
    WORDS.contains(word) || WORDS.contains(word.to_ascii_lowercase().as_str())
}

/// The GUID that a text begins with.
fn guid_at(text: &str) -> Option<&str> {
    let guid = text.get(..36).filter(|guid| is_guid(guid))?;
    text.get(36..)?.chars().next().is_none_or(|next| !next.is_alphanumeric()).then_some(guid)
}

fn host_of(text: &str) -> &str {
    text.get(..text.find(['/', '?', '#', ':', ' ', '`']).unwrap_or(text.len())).unwrap_or_default()
}

fn is_known_host(host: &str) -> bool {
    let folded = host.to_ascii_lowercase();
    HOSTS.iter().any(|known| if known.starts_with('.') { folded.ends_with(known) } else { folded == *known })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]
    use super::*;

    #[test]
    fn what_rules_judge_by_and_tells_nobody_is_kept() {
        for text in [
            "https://login.sovcloud-identity.fr/",
            "https://login.partner.microsoftonline.cn/",
            "https://login.usgovcloudapi.net",
            "restricted",
        ] {
            let mut kept = text.to_owned();
            redactor().text(&mut kept);
            assert_eq!(kept, text);
        }
        let mut namespace = "openshift-orders".to_owned();
        redactor().text(&mut namespace);
        assert!(namespace.starts_with("openshift-") && !namespace.contains("orders"), "{namespace}");
    }

    fn redactor() -> Redactor {
        Redactor::new(hmac::Key::new(hmac::HMAC_SHA256, b"a key that is for tests alone"))
    }

    fn of(text: &str) -> String {
        let mut text = text.to_owned();
        redactor().text(&mut text);
        text
    }

    #[test]
    fn the_structure_of_texts_survives() {
        let subject = of("system:serviceaccount:shop:cart");
        let (namespace, name) = subject.strip_prefix("system:serviceaccount:").unwrap().split_once(':').unwrap();
        assert_eq!((namespace, name), (of("shop").as_str(), of("cart").as_str()));
        assert_eq!(of("shop-cart"), format!("{}-{}", of("shop"), of("cart")));
        assert!(of("Shop").eq_ignore_ascii_case(&of("shop")) && of("Shop") != of("shop"));
        assert!(of("sHop") != of("shOp") && of("SHOP").eq_ignore_ascii_case(&of("shop")));
        assert_eq!(of("shop/").trim_end_matches('/'), of("shop"));
        assert_eq!(of(" shop"), format!(" {}", of("shop")));
    }

    #[test]
    fn ids_stay_ids_and_their_case_stays() {
        let id = "5e0d2c1b-93a4-4f5e-8b6a-1c7d8e9f0a21";
        assert!(is_guid(&of(id)) && of(id) != id);
        assert!(of(&id.to_uppercase()).eq_ignore_ascii_case(&of(id)) && of(&id.to_uppercase()) != of(id));
        let issuer = of(&format!("https://westeurope.oic.prod-aks.azure.com/{id}/{id}/"));
        assert_eq!(issuer, format!("https://westeurope.oic.prod-aks.azure.com/{}/{}/", of(id), of(id)));
        let resource = of(&format!(
            "/subscriptions/{id}/resourceGroups/rg-shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x1"
        ));
        assert!(resource.starts_with(&format!("/subscriptions/{}/resourceGroups/rg-", of(id))), "{resource}");
        assert!(resource.ends_with("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x1"), "{resource}");
    }

    #[test]
    fn what_everybody_has_is_kept() {
        for text in [
            "kube-system",
            "default",
            "system:serviceaccount:kube-system:default",
            "azure-workload-identity-system",
            "https://kubernetes.default.svc.cluster.local",
            "https://token.actions.githubusercontent.com",
            "${CLIENT_ID}",
            "00000000-0000-0000-0000-000000000000",
            "api://AzureADTokenExchange",
            "true",
            "3600",
            "",
            "AZURE_CLIENT_SECRET",
        ] {
            assert_eq!(of(text), text);
        }
    }

    #[test]
    fn prose_names_nobody() {
        let mut redactor = redactor();
        redactor.name(&mut "harbour".to_owned());
        let mut text =
            "cluster `shop` at https://shop.example.net:6443/x refused harbour, see orders-eu and a@norvind".to_owned();
        redactor.prose(&mut text);
        for name in ["shop", "example", "harbour", "orders", "norvind"] {
            assert!(!text.contains(name), "{text}");
        }
        assert!(text.starts_with("cluster `") && text.contains(" refused ") && text.contains(":6443/"), "{text}");
    }

    #[test]
    fn another_key_makes_other_pseudonyms() {
        let mut other = "shop".to_owned();
        Redactor::new(hmac::Key::new(hmac::HMAC_SHA256, b"another key for tests alone")).text(&mut other);
        assert!(other != of("shop") && other != "shop");
    }
}
