//! Package URLs: `pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS#SUBPATH` (package-url specification).

use wiguard_rules::model::{Ecosystem, Library};

/// A package URL, taken apart and decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Purl {
    /// Its type, in lower case.
    pub(super) kind: String,
    /// Namespace and name, joined by a slash.
    pub(super) name: String,
    /// Empty if there is none.
    pub(super) version: String,
    qualifiers: Vec<(String, String)>,
    subpath: String,
}

// === impl Purl ===

impl Purl {
    /// Takes a URL apart; `None` if it is no package URL.
    pub(super) fn of(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("pkg:")?.trim_start_matches('/');
        let (rest, subpath) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, path) = rest.split_once('/')?;
        // An `@` before the last slash is that of a scope of npm.
        let name = path.rfind('/').map_or(0, |slash| slash + 1);
        let at = path.get(name..).and_then(|last| last.rfind('@')).map(|at| name + at).filter(|at| *at > 0);
        let (name, version) = match at {
            Some(at) => (path.get(..at)?, path.get(at + 1..)?),
            None => (path, ""),
        };
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_ascii_lowercase(), decoded(value)))
        };
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            name: decoded(name.trim_matches('/')),
            version: decoded(version),
            qualifiers: qualifiers.split('&').filter_map(pair).collect(),
            subpath: decoded(subpath.trim_matches('/')),
        })
    }

    /// The library it names, if rules read it.
    pub(super) fn library(&self, development: bool) -> Option<Library> {
        let ecosystem = match self.kind.as_str() {
            "nuget" => Ecosystem::NuGet,
            "golang" => Ecosystem::Go,
            "maven" => Ecosystem::Maven,
            "npm" => Ecosystem::Npm,
            "pypi" => Ecosystem::PyPi,
            "vcpkg" | "conan" | "generic" => Ecosystem::Cpp,
            _ => return None,
        };
        let own = match (ecosystem, self.name.rsplit_once('/')) {
            (Ecosystem::Maven, Some((group, artifact))) => format!("{group}:{artifact}"),
            (Ecosystem::Cpp, Some((_, name))) => name.into(),
            (Ecosystem::Go, _) if !self.subpath.is_empty() => format!("{}/{}", self.name, self.subpath),
            _ => self.name.clone(),
        };
        super::library(ecosystem, &own, &self.version, development)
            .or_else(|| super::library(ecosystem, &self.name, &self.version, development))
    }

    /// A qualifier, empty if there is none.
    pub(super) fn qualifier(&self, key: &str) -> &str {
        self.qualifiers.iter().find(|(own, _)| own == key).map_or("", |(_, value)| value)
    }
}

/// A text without percent-encoding; what is encoded wrongly stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digit = |at: usize| others.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = others.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]
    use super::Purl;

    #[test]
    fn libraries_are_named_as_in_their_ecosystems() {
        for (url, shown) in [
            ("pkg:nuget/Azure.Identity@1.8.2", "Azure.Identity 1.8.2"),
            ("pkg:npm/%40azure/identity@3.1.3", "@azure/identity 3.1.3"),
            ("pkg:npm/@azure/identity@3.1.3", "@azure/identity 3.1.3"),
            ("pkg:npm/@azure/identity", "@azure/identity"),
            ("pkg:maven/com.azure/azure-identity@1.8.0?type=jar", "com.azure:azure-identity 1.8.0"),
            ("pkg:pypi/azure_identity@1.12.0", "azure-identity 1.12.0"),
            (
                "pkg:golang/github.com/azure/azure-sdk-for-go/sdk/azidentity@v1.2.0",
                "github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.2.0",
            ),
            (
                "pkg:golang/github.com/Azure/azure-sdk-for-go@v1.2.0#sdk/azidentity",
                "github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.2.0",
            ),
            ("pkg:generic/azure-identity-cpp@1.5.0", "azure-identity-cpp 1.5.0"),
        ] {
            assert_eq!(Purl::of(url).unwrap().library(false).unwrap().shown(), shown, "{url}");
        }
        for url in ["pkg:deb/debian/azure-identity@1", "pkg:nuget/Azure.Storage@1", "Azure.Identity", "pkg:npm", "pkg:"]
        {
            assert!(Purl::of(url).and_then(|purl| purl.library(false)).is_none(), "{url}");
        }
    }

    #[test]
    fn broken_encoding_stays() {
        assert_eq!(super::decoded("a%4"), "a%4");
        assert_eq!(super::decoded("%zz%41%"), "%zzA%");
    }
}
