//! What users may tell the rules about their estate: the same words in the reporter's
//! configuration and in the policy's settings.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::json::{Fault, Json};
use crate::model::Audience;

/// The rules' parameters; every one has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameters {
    /// Audiences of the tokens that pods get: the webhook's `--audience`, and others declared.
    pub audiences: Vec<Audience>,
    /// Credentials an identity can hold (Microsoft Entra, federated credential considerations: 20).
    pub credential_limit: u32,
    /// Credentials from which an identity is reported as filling up.
    pub credential_warning: u32,
    /// Identities that may be shared, and by whom.
    pub shared_identities: Vec<SharedIdentity>,
    /// Subjects of operators, which serve others by design: `NAMESPACE:NAME`, with `*` and `?`.
    pub operators: Vec<String>,
    /// Namespaces whose pods may use the ServiceAccount `default`, with `*` and `?`.
    pub default_account_namespaces: Vec<String>,
    /// Namespaces that are provisioned later than their credentials, with `*` and `?`.
    pub pending_namespaces: Vec<String>,
    /// Regions in which no managed identity can have a federated credential, as documented in 2026.
    pub regions_without_federation: Vec<String>,
    /// Issuers that credentials may trust, with `*` and `?`; any, if there is none. Only the audit's.
    #[cfg(feature = "audit")]
    pub allowed_issuers: Vec<String>,
    /// Which places belong to which environment. Only the audit's.
    #[cfg(feature = "audit")]
    pub environments: Vec<Environment>,
    /// Containers that other admission controllers add, so that `skip-containers` may name them.
    pub injected_containers: Vec<String>,
    /// Whether `${…}` and the like are filled in by a later stage, and are no flaw here.
    pub templated: bool,
    /// Whether clusters may be served by a self-installed webhook that no source shows.
    pub self_managed_webhook: bool,
}

/// A declared group of subjects that share an identity: one application on many clusters, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedIdentity {
    /// Name or client id of the identity, with `*` and `?`.
    pub identity: String,
    /// Subjects that count as one: `NAMESPACE:NAME`, with `*` and `?`.
    pub subjects: Vec<String>,
    /// Why.
    pub reason: String,
}

/// An environment, such as production.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// What belongs to it: `CLUSTER:NAMESPACE`, with `*` and `?`.
    #[serde(default)]
    pub places: Vec<String>,
    /// Labels of namespaces and tags of clusters that say so: `KEY=VALUE`, with `*` and `?`, without regard
    /// to case.
    #[serde(default)]
    pub labels: Vec<String>,
}

impl Default for Parameters {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        Self {
            audiences: alloc::vec![crate::model::DEFAULT_AUDIENCE.into()],
            credential_limit: 20,
            credential_warning: 16,
            shared_identities: Vec::new(),
            operators: list(&[
                "*:keda-operator",
                "*:external-secrets",
                "cert-manager:cert-manager",
                "*:external-dns",
                "velero:velero*",
                "azureserviceoperator-system:azureserviceoperator-default",
                "flux-system:*-controller",
            ]),
            default_account_namespaces: Vec::new(),
            pending_namespaces: Vec::new(),
            regions_without_federation: list(&["malaysiasouth", "newzealandnorth"]),
            #[cfg(feature = "audit")]
            allowed_issuers: Vec::new(),
            #[cfg(feature = "audit")]
            environments: Environment::usual(),
            injected_containers: list(&[
                "istio-proxy",
                "istio-init",
                "istio-validation",
                "linkerd-proxy",
                "linkerd-init",
                "vault-agent",
                "vault-agent-init",
                "daprd",
            ]),
            templated: false,
            self_managed_webhook: false,
        }
    }
}

// === impl Environment ===

#[cfg(feature = "audit")]
impl Environment {
    /// Namespaces that say by their last word or by a label what they are for, and clusters that say it by a tag.
    fn usual() -> Vec<Self> {
        const KEYS: [&str; 4] = ["env", "environment", "*/env", "*/environment"];
        let known: [(&str, &[&str]); 4] = [
            ("production", &["prod", "production"]),
            ("staging", &["staging"]),
            ("test", &["test"]),
            ("development", &["dev", "development"]),
        ];
        let environment = |(name, words): (&str, &[&str])| Self {
            name: name.into(),
            places: words.iter().flat_map(|word| ["*:", "*:*-"].map(|head| alloc::format!("{head}{word}"))).collect(),
            labels: words.iter().flat_map(|word| KEYS.map(|key| alloc::format!("{key}={word}"))).collect(),
        };
        known.into_iter().map(environment).collect()
    }
}

// === impl Parameters ===

impl Parameters {
    /// Issuers that credentials may trust; any, if there is none.
    pub fn allowed_issuers(&self) -> &[String] {
        #[cfg(feature = "audit")]
        return &self.allowed_issuers;
        #[cfg(not(feature = "audit"))]
        &[]
    }

    /// Which places belong to which environment.
    pub fn environments(&self) -> &[Environment] {
        #[cfg(feature = "audit")]
        return &self.environments;
        #[cfg(not(feature = "audit"))]
        &[]
    }

    /// Reads those that are there.
    ///
    /// # Errors
    /// Says which is unknown, or not what it should be.
    pub fn read(&mut self, json: &mut dyn Json<'_>) -> Result<(), Fault> {
        json.exact_object(&mut [
            ("audiences", &mut |json| json.texts(&mut self.audiences)),
            ("credentialLimit", &mut |json| count(&mut self.credential_limit, json)),
            ("credentialWarning", &mut |json| count(&mut self.credential_warning, json)),
            ("sharedIdentities", &mut |json| {
                json.elements(&mut |json| shared_identity(&mut self.shared_identities, json))
            }),
            ("operators", &mut |json| json.texts(&mut self.operators)),
            ("defaultAccountNamespaces", &mut |json| json.texts(&mut self.default_account_namespaces)),
            ("pendingNamespaces", &mut |json| json.texts(&mut self.pending_namespaces)),
            ("regionsWithoutFederation", &mut |json| json.texts(&mut self.regions_without_federation)),
            // The audit's alone: the policy's settings may hold them, so that one list serves both.
            #[cfg(feature = "audit")]
            ("allowedIssuers", &mut |json| json.texts(&mut self.allowed_issuers)),
            #[cfg(feature = "audit")]
            ("environments", &mut |json| {
                let mut given = Vec::new();
                if json.elements_if_any(&mut |json| environment(&mut given, json))? {
                    self.environments = given;
                }
                Ok(())
            }),
            #[cfg(not(feature = "audit"))]
            ("allowedIssuers", &mut |_| Ok(())),
            #[cfg(not(feature = "audit"))]
            ("environments", &mut |_| Ok(())),
            ("injectedContainers", &mut |json| json.texts(&mut self.injected_containers)),
            ("templated", &mut |json| flag(&mut self.templated, json)),
            ("selfManagedWebhook", &mut |json| flag(&mut self.self_managed_webhook, json)),
        ])
    }
}

fn count(slot: &mut u32, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    if let Some(number) = json.integer()? {
        *slot = u32::try_from(number)
            .map_err(|_| Fault::Said(alloc::format!("`{number}` is not a number from 0 to {}", u32::MAX)))?;
    }
    Ok(())
}

fn flag(slot: &mut bool, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    *slot = json.boolean()?.unwrap_or(*slot);
    Ok(())
}

#[cfg(feature = "audit")]
fn environment(list: &mut Vec<Environment>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut name, mut places, mut labels) = (None, Vec::new(), Vec::new());
    json.exact_object(&mut [
        ("name", &mut |json| json.text().map(|text| name = text)),
        ("places", &mut |json| json.texts(&mut places)),
        ("labels", &mut |json| json.texts(&mut labels)),
    ])?;
    list.push(Environment { name: name.ok_or_else(|| Fault::missing_field("name"))?.into_owned(), places, labels });
    Ok(())
}

fn shared_identity(list: &mut Vec<SharedIdentity>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut identity, mut subjects, mut reason) = (None, Vec::new(), None);
    json.exact_object(&mut [
        ("identity", &mut |json| json.text().map(|text| identity = text)),
        ("subjects", &mut |json| json.texts(&mut subjects)),
        ("reason", &mut |json| json.text().map(|text| reason = text)),
    ])?;
    list.push(SharedIdentity {
        identity: identity.ok_or_else(|| Fault::missing_field("identity"))?.into_owned(),
        subjects,
        reason: reason.ok_or_else(|| Fault::missing_field("reason"))?.into_owned(),
    });
    Ok(())
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters and `?` for one.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || text.get(t) == Some(&byte) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

/// Whether any of the patterns matches.
pub fn any_glob(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use alloc::string::ToString as _;

    use super::*;
    use crate::json;

    #[test]
    fn they_are_read_as_they_are_written() {
        let written = Parameters {
            audiences: alloc::vec!["a".into()],
            credential_limit: 1,
            credential_warning: 2,
            shared_identities: alloc::vec![SharedIdentity {
                identity: "i".into(),
                subjects: alloc::vec!["s".into()],
                reason: "r".into(),
            }],
            operators: alloc::vec!["o".into()],
            default_account_namespaces: alloc::vec!["d".into()],
            pending_namespaces: alloc::vec!["p".into()],
            regions_without_federation: alloc::vec!["r".into()],
            #[cfg(feature = "audit")]
            allowed_issuers: alloc::vec!["a".into()],
            #[cfg(feature = "audit")]
            environments: alloc::vec![Environment {
                name: "e".into(),
                places: alloc::vec!["p".into()],
                labels: alloc::vec!["l".into()],
            }],
            injected_containers: Vec::new(),
            templated: true,
            self_managed_webhook: true,
        };
        let mut read = Parameters::default();
        json::read(&serde_json::to_vec(&written).unwrap(), &mut |json| read.read(json)).unwrap();
        assert_eq!(read, written);
        let unknown = json::read(br#"{"credentialLimits":3}"#, &mut |json| read.read(json)).unwrap_err();
        assert!(
            unknown.to_string().starts_with("unknown field `credentialLimits`, expected one of `audiences`, "),
            "{unknown}"
        );
        let negative = json::read(br#"{"credentialLimit":-3}"#, &mut |json| read.read(json)).unwrap_err();
        assert!(negative.to_string().starts_with("`-3` is not a number from 0"), "{negative}");
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*:keda-operator", "kube-system:keda-operator", true),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xbxxa", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
