//! Placing: objects of files that state no namespace, into the one that the user says. Charts leave it to
//! `helm install -n`, and bases to whoever builds on them.

use std::path::PathBuf;

use wiguard_rules::manifest::Manifest;

use super::facts::Facts;
use super::{Reading, Tie};

/// Reads `NAMESPACE`, which is of every file, or `NAMESPACE=PATH`.
///
/// # Errors
/// If no namespace has such a name, or nothing comes after the `=`.
pub(crate) fn parse(text: &str) -> Result<Tie, String> {
    let tie = if text.contains('=') {
        Tie::parse(text).map_err(|_| "expected NAMESPACE or NAMESPACE=PATH")?
    } else {
        Tie { name: text.into(), path: PathBuf::new() }
    };
    check(&tie.name)?;
    Ok(tie)
}

/// Whether a namespace may have a name: a label of DNS (RFC 1123).
///
/// # Errors
/// If not: why.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let is_end = |end: Option<u8>| end.is_some_and(|end| end.is_ascii_lowercase() || end.is_ascii_digit());
    let bytes = name.as_bytes();
    let inner = bytes.iter().all(|byte| *byte == b'-' || is_end(Some(*byte)));
    if inner && bytes.len() <= 63 && is_end(bytes.first().copied()) && is_end(bytes.last().copied()) {
        return Ok(());
    }
    Err(format!("`{name}` is no name of a namespace: up to 63 lower-case letters, digits and hyphens between them"))
}

impl Reading {
    /// Puts objects that state no namespace into the one that is said of their file.
    pub(crate) fn place(&mut self, said: &[Tie]) {
        for (source, facts) in &mut self.facts {
            if let Some(namespace) = namespace_of(&source.path, said) {
                facts.place(namespace);
            }
        }
    }
}

/// The namespace that is said of the objects of a file that state none.
pub(crate) fn namespace_of<'t>(path: &str, said: &'t [Tie]) -> Option<&'t str> {
    Tie::of(path, said).map(|tie| tie.name.as_str())
}

impl Facts {
    fn place(&mut self, namespace: &str) {
        for read in self.manifests.iter_mut().filter(|read| read.unplaced) {
            read.unplaced = false;
            if let Some(own) = own_namespace(&mut read.manifest) {
                *own = namespace.into();
            }
        }
    }
}

/// The namespace of an object, if its kind has such a thing.
fn own_namespace(manifest: &mut Manifest) -> Option<&mut String> {
    Some(match manifest {
        Manifest::Workload(it) => &mut it.namespace,
        Manifest::ServiceAccount(it) => &mut it.namespace,
        Manifest::Secret(it) => &mut it.namespace,
        Manifest::SecretProviderClass(it) => &mut it.namespace,
        Manifest::Custom(it) => &mut it.namespace,
        Manifest::Role(it) => &mut it.namespace,
        Manifest::RoleBinding(it) => &mut it.namespace,
        Manifest::WebhookSettings(it) => &mut it.namespace,
        Manifest::Namespace(_) | Manifest::Registration(_) | Manifest::List(_) | Manifest::Other { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_namespace_has_a_name_that_kubernetes_takes() {
        for good in ["shop", "a", "7", "prod-weu-1", &"n".repeat(63)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "Shop", "-a", "a-", "a.b", "a_b", "a b", &"n".repeat(64), "ä"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_said_of_the_longest_path_counts() {
        let said: Vec<Tie> = ["base", "shop=apps/shop", "rest", "cart=apps/shop/cart.yaml"]
            .iter()
            .map(|text| parse(text).unwrap())
            .collect();
        let of = |path| namespace_of(path, &said);
        assert_eq!(of("apps/shop/cart.yaml"), Some("cart"));
        assert_eq!(of("./apps/shop/more.yaml"), Some("shop"));
        assert_eq!(of("apps/shopping.yaml"), Some("rest"), "of two alike the last");
        assert_eq!(of("-"), Some("rest"));
        assert_eq!(namespace_of("apps/a.yaml", said.get(1..2).unwrap()), None);
        assert_eq!(parse("shop=").unwrap_err(), "expected NAMESPACE or NAMESPACE=PATH");
        assert!(parse("Shop=a").is_err() && parse("=a").is_err());
    }
}
