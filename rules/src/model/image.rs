//! The reference of a container image: `REPOSITORY[:TAG][@DIGEST]`.

/// A reference, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageReference<'a> {
    /// Registry and path, as people write it: what every container runtime adds by itself
    /// (`docker.io/library/`) is left out.
    pub repository: &'a str,
    /// The tag, if one is written.
    pub tag: Option<&'a str>,
    /// The digest, `sha256:…`, if one is written.
    pub digest: Option<&'a str>,
}

/// Programs that act in Azure for others, by the last segment of their images' repositories.
#[cfg(feature = "audit")]
pub const OPERATORS: [&str; 10] = [
    "cert-manager-controller",
    "external-dns",
    "velero-plugin-for-microsoft-azure",
    "azureserviceoperator",
    "source-controller",
    "image-reflector-controller",
    "keda",
    "cluster-api-azure-controller",
    "external-secrets",
    "prometheus",
];

// === impl ImageReference ===

impl<'a> ImageReference<'a> {
    /// Takes a reference apart. A colon before the last slash is that of a port.
    pub fn of(text: &'a str) -> Self {
        let text = text.trim();
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let path = named.rfind('/').map_or(0, |slash| slash + 1);
        let colon = named.get(path..).and_then(|last| last.find(':')).map(|colon| path + colon);
        let (repository, tag) = match colon {
            Some(colon) => (named.get(..colon), named.get(colon + 1..)),
            None => (Some(named), None),
        };
        Self { repository: familiar(repository.unwrap_or_default()), tag: tag.filter(|tag| !tag.is_empty()), digest }
    }

    /// The last segment of the repository: mirrors keep it.
    pub fn name(&self) -> &'a str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// Whether a runtime could take it for a reference: a path, and behind `@` nothing but a digest,
    /// so that nobody's password stands there.
    pub fn is_sound(&self) -> bool {
        let path = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:[]".contains(&byte);
        let digest = |digest: &str| {
            let hexadecimal = digest.split_once(':').map_or("", |(_, hexadecimal)| hexadecimal);
            !hexadecimal.is_empty() && hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        !self.repository.is_empty()
            && self.repository.len() <= 255
            && !self.repository.contains("://")
            && self.repository.bytes().all(path)
            && self.tag.is_none_or(|tag| tag.len() <= 128 && tag.bytes().all(path))
            && self.digest.is_none_or(digest)
    }

    /// The tag by which it is pulled: `latest` if neither a tag nor a digest is written.
    pub fn pulled_tag(&self) -> Option<&'a str> {
        self.tag.or_else(|| self.digest.is_none().then_some("latest"))
    }
}

/// A repository without what is understood (distribution, `reference/normalize.go`).
fn familiar(repository: &str) -> &str {
    let hosts = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"];
    let path = hosts.iter().find_map(|host| repository.strip_prefix(host)).unwrap_or(repository);
    path.strip_prefix("library/").filter(|name| !name.contains('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::ImageReference;

    fn parts(text: &str) -> (&str, Option<&str>, Option<&str>) {
        let it = ImageReference::of(text);
        (it.repository, it.pulled_tag(), it.digest)
    }

    #[test]
    fn what_is_no_reference_is_told() {
        for sound in ["cart", "reg:5000/shop/cart:1.4", "[::1]:5000/cart", "reg.io/cart:1@sha256:0aF"] {
            assert!(ImageReference::of(sound).is_sound(), "{sound}");
        }
        for unsound in
            ["", "a b", "user:word@reg.io/cart", "https://reg.io/cart", "cart@sha256:", "cart@sha256:x", "c\u{e4}rt"]
        {
            assert!(!ImageReference::of(unsound).is_sound(), "{unsound}");
        }
    }

    #[test]
    fn references_are_taken_apart() {
        assert_eq!(parts("cart"), ("cart", Some("latest"), None));
        assert_eq!(parts("docker.io/library/cart:1"), ("cart", Some("1"), None));
        assert_eq!(parts("index.docker.io/shop/cart"), ("shop/cart", Some("latest"), None));
        assert_eq!(parts("reg:5000/shop/cart"), ("reg:5000/shop/cart", Some("latest"), None));
        assert_eq!(parts("reg:5000/cart:1.4@sha256:ab"), ("reg:5000/cart", Some("1.4"), Some("sha256:ab")));
        assert_eq!(parts("reg.io/cart@sha256:ab"), ("reg.io/cart", None, Some("sha256:ab")));
        assert_eq!(parts("library/a/b"), ("library/a/b", Some("latest"), None));
        assert_eq!(parts(""), ("", Some("latest"), None));
        assert_eq!(parts("a/:@"), ("a/", None, Some("")));
    }
}
