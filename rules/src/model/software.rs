//! Software: what a bill of materials or a lock file says that a program is made of, as far as it
//! is a library that asks Microsoft Entra for tokens.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::{ImageReference, Origin, Workload};

/// A program and its libraries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Software {
    /// What it is called where it is described; a lock file's is its path.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub name: String,
    /// The images that it is, by repository and tag.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub images: Vec<String>,
    /// The digests of these images.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub digests: Vec<String>,
    /// Its libraries, only those of [`PACKAGES`].
    #[cfg_attr(feature = "facts", serde(default))]
    pub libraries: Vec<Library>,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// A library in one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Library {
    /// Which one.
    pub package: &'static Package,
    /// Its version as it was written; empty if none was, or none that is fixed.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub version: String,
    /// Whether it is there for tests or development alone, or is said not to be delivered.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub development: bool,
}

/// Where a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Ecosystem {
    /// NuGet: .NET.
    NuGet,
    /// Modules of Go.
    Go,
    /// Maven: Java. A name is `GROUP:ARTIFACT`.
    Maven,
    /// npm: JavaScript.
    Npm,
    /// The Python Package Index.
    PyPi,
    /// vcpkg or Conan: C++.
    Cpp,
}

/// A package that asks for tokens, or carries what does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// Its name there.
    pub name: &'static str,
    /// What it is.
    pub part: Part,
    /// The first version that exchanges the token of a workload, if any does.
    pub least: Option<&'static str>,
    /// The first version that does so through an identity binding of AKS, if that is up to it.
    pub binding: Option<&'static str>,
}

/// What a package is to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The Azure Identity library of its language.
    Identity,
    /// What was used before there was one.
    Legacy,
    /// What carries the requests of .NET's, identity bindings among them.
    Transport,
}

const fn identity(
    ecosystem: Ecosystem,
    name: &'static str,
    least: &'static str,
    binding: Option<&'static str>,
) -> Package {
    Package { ecosystem, name, part: Part::Identity, least: Some(least), binding }
}

const fn legacy(ecosystem: Ecosystem, name: &'static str, least: Option<&'static str>) -> Package {
    Package { ecosystem, name, part: Part::Legacy, least, binding: None }
}

/// The packages that rules read, with the minimum versions of Microsoft's documentation (AKS,
/// *workload identity overview*, and *identity bindings* of December 2025).
pub static PACKAGES: [Package; 16] = [
    identity(Ecosystem::NuGet, "Azure.Identity", "1.9.0", None),
    identity(Ecosystem::Go, "github.com/Azure/azure-sdk-for-go/sdk/azidentity", "1.3.0", Some("1.14.0-beta.3")),
    identity(Ecosystem::Maven, "com.azure:azure-identity", "1.9.0", Some("1.19.0-beta.2")),
    identity(Ecosystem::Npm, "@azure/identity", "3.2.0", Some("4.14.0-beta.2")),
    identity(Ecosystem::PyPi, "azure-identity", "1.13.0", Some("1.26.0b2")),
    identity(Ecosystem::Cpp, "azure-identity-cpp", "1.6.0", None),
    Package {
        ecosystem: Ecosystem::NuGet,
        name: "Azure.Core",
        part: Part::Transport,
        least: None,
        binding: Some("1.55.0"),
    },
    legacy(Ecosystem::NuGet, "Microsoft.Azure.Services.AppAuthentication", None),
    legacy(Ecosystem::NuGet, "Microsoft.IdentityModel.Clients.ActiveDirectory", None),
    // From 0.9.19 on it can (go-autorest, issue 671), which operators made use of.
    legacy(Ecosystem::Go, "github.com/Azure/go-autorest/autorest/adal", Some("0.9.19")),
    legacy(Ecosystem::Maven, "com.microsoft.azure:adal4j", None),
    legacy(Ecosystem::Maven, "com.microsoft.azure:azure-client-authentication", None),
    legacy(Ecosystem::Npm, "adal-node", None),
    legacy(Ecosystem::Npm, "@azure/ms-rest-nodeauth", None),
    legacy(Ecosystem::PyPi, "adal", None),
    legacy(Ecosystem::PyPi, "msrestazure", None),
];

// === impl Software ===

impl Software {
    /// Whether a container of this image runs it: by digest where both have one, else by
    /// repository and tag.
    pub fn is(&self, image: &str) -> bool {
        let image = ImageReference::of(image);
        if let (Some(digest), false) = (image.digest, self.digests.is_empty()) {
            return self.digests.iter().any(|own| own == digest);
        }
        image.pulled_tag().is_some_and(|tag| {
            self.images.iter().any(|own| {
                let own = ImageReference::of(own);
                own.repository == image.repository && own.tag == Some(tag)
            })
        })
    }

    /// Whether the pods of a workload run it.
    pub fn is_run_by(&self, workload: &Workload) -> bool {
        workload.containers().any(|(container, _)| container.image.as_deref().is_some_and(|image| self.is(image)))
    }

    /// Its libraries that are delivered.
    pub fn delivered(&self) -> impl Iterator<Item = &Library> {
        self.libraries.iter().filter(|library| !library.development)
    }
}

// === impl Library ===

impl Library {
    /// Its name and version, for people.
    pub fn shown(&self) -> String {
        let Self { package, version, .. } = self;
        if version.is_empty() { package.name.into() } else { alloc::format!("{} {version}", package.name) }
    }
}

// === impl Package ===

impl Package {
    /// The package of that name, as far as rules read it. Names are compared as the ecosystems
    /// do, or more loosely: purls of Go modules are in lower case, and PyPI takes `_` for `-`.
    pub fn find(ecosystem: Ecosystem, name: &str) -> Option<&'static Self> {
        let folded = |byte: u8| match byte {
            b'_' | b'.' if ecosystem == Ecosystem::PyPi => b'-',
            _ => byte.to_ascii_lowercase(),
        };
        let same = |known: &str| known.bytes().map(folded).eq(name.trim().bytes().map(folded));
        PACKAGES.iter().find(|known| known.ecosystem == ecosystem && same(known.name))
    }
}

#[cfg(feature = "facts")]
impl Serialize for Package {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.ecosystem, self.name).serialize(serializer)
    }
}

#[cfg(feature = "facts")]
impl<'de> Deserialize<'de> for &'static Package {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ecosystem, name) = <(Ecosystem, String)>::deserialize(deserializer)?;
        Package::find(ecosystem, &name).ok_or_else(|| serde::de::Error::custom("no rule reads this package"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_as_their_ecosystems_compare_names() {
        let found = |ecosystem, name| Package::find(ecosystem, name).map(|package| package.name);
        assert_eq!(found(Ecosystem::NuGet, "azure.identity"), Some("Azure.Identity"));
        assert_eq!(found(Ecosystem::PyPi, "Azure_Identity"), Some("azure-identity"));
        assert_eq!(found(Ecosystem::PyPi, "azure.identity"), Some("azure-identity"));
        assert_eq!(found(Ecosystem::Npm, "azure-identity"), None);
        assert_eq!(found(Ecosystem::NuGet, "Azure-Identity"), None);
        assert_eq!(
            found(Ecosystem::Go, "github.com/azure/azure-sdk-for-go/sdk/azidentity"),
            Some("github.com/Azure/azure-sdk-for-go/sdk/azidentity")
        );
    }

    #[test]
    fn an_image_is_told_by_digest_else_by_name_and_tag() {
        let software = Software {
            images: alloc::vec!["reg.io/shop/cart:1.4".into()],
            digests: alloc::vec!["sha256:ab".into()],
            ..Software::default()
        };
        for image in ["reg.io/shop/cart:1.4", "reg.io/shop/cart@sha256:ab", "mirror/cart:9@sha256:ab"] {
            assert!(software.is(image), "{image}");
        }
        for image in ["reg.io/shop/cart:1.5", "reg.io/shop/cart", "shop/cart:1.4", "reg.io/shop/cart:1.4@sha256:cd"] {
            assert!(!software.is(image), "{image}");
        }
        let tagged = Software { digests: Vec::new(), ..software };
        assert!(tagged.is("reg.io/shop/cart:1.4@sha256:cd") && !tagged.is("reg.io/shop/cart@sha256:ab"));
    }
}
