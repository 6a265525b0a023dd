//! The names by which the parts of the chain find each other. Equality is exact, as it is at
//! Entra; what is merely alike has methods of its own.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! exact_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name, verbatim.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }
    };
}

exact_name! {
    /// The `iss` of a ServiceAccount token: the URL by which Entra finds the cluster's keys.
    Issuer
}
exact_name! {
    /// The `sub` of a ServiceAccount token: `system:serviceaccount:NAMESPACE:NAME`.
    Subject
}
exact_name! {
    /// The `aud` of a ServiceAccount token.
    Audience
}
exact_name! {
    /// The client id (application id) of an identity. Entra reads GUIDs without regard to case.
    ClientId
}

/// What every token exchange of workload identity asks for unless told otherwise
/// (azure-workload-identity, `pkg/webhook/consts.go`, `DefaultAudience`; the same in all clouds).
pub const DEFAULT_AUDIENCE: &str = "api://AzureADTokenExchange";

// === impl Issuer ===

impl Issuer {
    /// Whether the two differ by a trailing slash alone.
    pub fn differs_by_slash(&self, other: &Self) -> bool {
        self != other && self.0.trim_end_matches('/') == other.0.trim_end_matches('/')
    }

    /// Whether the two differ by case alone.
    pub fn differs_by_case(&self, other: &Self) -> bool {
        self != other && self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The host of the URL, without port; empty if there is none.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        host.split(':').next().unwrap_or_default()
    }

    /// The path segments of the URL, without empty ones.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').skip(1).filter(|segment| !segment.is_empty())
    }

    /// Whether AKS or Azure Arc issues under this host: `*.oic.prod-aks.azure.com`, the legacy
    /// `oidc.prod-aks.azure.com`, `*.oic.prod-arc.azure.com`, and the sovereign clouds' `.us` and `.cn`.
    pub fn is_azure_kubernetes(&self) -> bool {
        let host = self.host();
        [".prod-aks.azure.", ".prod-arc.azure."].iter().any(|infix| {
            host.split_once(infix).is_some_and(|(head, tld)| {
                ["com", "us", "cn"].contains(&tld) && (head == "oidc" || head.ends_with(".oic"))
            })
        })
    }

    /// Whether it is a public one of neither AKS nor Arc. The tokens of a cluster of AKS that has no issuer name its
    /// API server, under the hosts of the AKS resource provider.
    pub fn is_ones_own(&self) -> bool {
        let host = self.host();
        let of_a_server = [".azmk8s.", ".azk8s.", ".containerservice.azure."];
        let is_inner = host.starts_with("kubernetes.default") || !host.contains('.');
        let is_public = self.0.starts_with("https://") && !is_inner;
        is_public && !self.is_azure_kubernetes() && !of_a_server.iter().any(|infix| host.contains(infix))
    }

    /// Whether this is the issuer shared by all AKS identity bindings of one identity
    /// (`https://ib.oic.prod-aks.azure.com/TENANT/CLIENT`, without trailing slash).
    pub fn is_identity_binding(&self) -> bool {
        self.is_azure_kubernetes() && self.host().starts_with("ib.oic.")
    }

    /// Host and tenant of an issuer of AKS or Arc in its current form, `https://HOST/TENANT/UUID/`.
    pub fn azure_home(&self) -> Option<(&str, &str)> {
        let mut segments = self.segments();
        let tenant = segments.next().filter(|tenant| is_guid(tenant))?;
        segments.next().filter(|uuid| is_guid(uuid))?;
        (self.is_azure_kubernetes() && !self.is_identity_binding()).then(|| (self.host(), tenant))
    }
}

// === impl Subject ===

impl Subject {
    /// The subject of a ServiceAccount (Kubernetes, `staging/src/k8s.io/apiserver/pkg/authentication/serviceaccount`).
    pub fn of(namespace: &str, service_account: &str) -> Self {
        Self(alloc::format!("system:serviceaccount:{namespace}:{service_account}"))
    }

    /// Namespace and name, if it has the form of a ServiceAccount's subject.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.0.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        (!name.contains(':')).then_some((namespace, name))
    }

    /// Whether the two differ by case alone.
    pub fn differs_by_case(&self, other: &Self) -> bool {
        self != other && self.0.eq_ignore_ascii_case(&other.0)
    }
}

// === impl ClientId ===

impl ClientId {
    /// The form under which it is looked up.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Whether `text` is a bare GUID, `8-4-4-4-12` hexadecimal digits.
pub fn is_guid(text: &str) -> bool {
    let mut groups = text.split('-');
    [8, 4, 4, 4, 12].iter().all(|&length| {
        groups.next().is_some_and(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }) && groups.next().is_none()
}

/// Whether `text` holds something a template or a person should have filled in: `${…}`, `{{ … }}`,
/// `<…>`, `$(…)`, `#{…}`, `%VAR%`, `__NAME__`, a GUID of zeros or of the letter x, `changeme` and its like.
pub fn is_placeholder(text: &str) -> bool {
    const WORDS: [&str; 8] =
        ["changeme", "change-me", "change_me", "replaceme", "replace-me", "replace_me", "todo", "placeholder"];
    let inner = |open: &str, close: &str| {
        let (_, rest) = text.split_once(open)?;
        rest.split_once(close).map(|(inner, _)| inner).filter(|inner| !inner.trim().is_empty())
    };
    let folded = text.trim().to_ascii_lowercase();
    let between = |mark: &str| folded.len() > 2 * mark.len() && folded.starts_with(mark) && folded.ends_with(mark);
    // Within a longer value, lower case between underscores may be a real name: `repo:org/__tests__`.
    let shouts =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let all = |letter: u8| folded.len() == 36 && folded.bytes().all(|byte| byte == letter || byte == b'-');
    [("${", "}"), ("{{", "}}"), ("<", ">"), ("$(", ")"), ("#{", "}")].iter().any(|(open, close)| inner(open, close).is_some())
        || inner("__", "__").is_some_and(shouts)
        || between("__")
        || between("%")
        || all(b'0')
        || all(b'x')
        || WORDS.contains(&folded.as_str())
        // A tenant may be named by its domain, and `your-company.com` is one that could exist.
        || ((folded.starts_with("your-") || folded.starts_with("your_")) && !folded.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_have_been_filled_in_is_seen() {
        for text in [
            "${CLIENT_ID}",
            "{{ .Values.clientId }}",
            "${{ secrets.CLIENT_ID }}",
            "<client-id>",
            "$(clientId)",
            "#{clientId}#",
            "%CLIENT_ID%",
            "__clientId__",
            "system:serviceaccount:__NAMESPACE__:app",
            "system:serviceaccount:<namespace>:<name>",
            "00000000-0000-0000-0000-000000000000",
            "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            " CHANGEME ",
            "your-client-id",
            "YOUR_TENANT_ID",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn real_values_are_no_placeholders() {
        for text in [
            "",
            "true",
            "system:serviceaccount:todo:app",
            "system:serviceaccount:your-team:placeholder",
            "repo:org/__tests__:environment:prod%3AEU%3Awest",
            "https://oidc.example.com/id/changeme-not",
            "your-company.com",
            "yourapp",
            "00000000-0000-0000-0000-000000000001",
            "a<b",
            "100%",
            "__",
            "3600",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn an_issuer_of_ones_own_is_public_and_not_of_azure() {
        for (text, is) in [
            ("https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF", true),
            ("https://store.blob.core.windows.net/oidc/", true),
            ("https://oidc.example.com:8443/prod", true),
            ("http://oidc.example.com/prod", false),
            ("https://localhost:6443", false),
            ("https://kubernetes.default.svc.cluster.local", false),
            ("https://westeurope.oic.prod-aks.azure.com/t/u/", false),
            ("https://europe.oic.prod-arc.azure.com/t/u/", false),
            ("https://prod-dns-0a1b2c3d.hcp.westeurope.azmk8s.io", false),
            ("https://prod-dns-0a1b2c3d.hcp.chinaeast2.cx.prod.service.azk8s.cn", false),
            ("https://prod-dns-0a1b2c3d.hcp.usgovvirginia.cx.aks.containerservice.azure.us", false),
        ] {
            assert_eq!(Issuer::from(text).is_ones_own(), is, "{text}");
        }
    }

    #[test]
    fn a_guid_is_bare() {
        assert!(is_guid("ea5b0137-CB86-4f16-9b4f-e7559c8d5bf9"));
        for text in [
            "",
            "ea5b0137cb864f169b4fe7559c8d5bf9",
            "{ea5b0137-cb86-4f16-9b4f-e7559c8d5bf9}",
            "ea5b0137-cb86-4f16-9b4f-e7559c8d5bf9\n",
            "ea5b0137-cb86-4f16-9b4f-e7559c8d5bf9-",
        ] {
            assert!(!is_guid(text), "{text}");
        }
    }
}
