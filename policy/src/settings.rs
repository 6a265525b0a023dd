//! The settings: which rules deny, whom they pass over, and what Azure trusts.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize, Serializer};
use wiguard_rules::catalogue::{ADMISSION, Entry};
use wiguard_rules::finding::Severity;
use wiguard_rules::inventory::{Inventory, Tokens};
use wiguard_rules::json::{self, Fault, Json};
use wiguard_rules::model::{
    Audience, ClientId, Cluster, DEFAULT_AUDIENCE, FederatedIdentityCredential, Identity, IdentityKind, Issuer, Origin,
    Parent, Subject, is_guid,
};
use wiguard_rules::parameters::{Parameters, any_glob};

use crate::published::Publication;

/// The settings of the policy; every one has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// What a finding of a rule does, by the rule's id or name. By default findings of high and
    /// critical severity deny, of medium and low severity warn, and mere information passes.
    #[serde(serialize_with = "as_map")]
    pub rules: Vec<(String, Level)>,
    /// What is done when a rule cannot be decided because a fact is missing.
    pub unknown: Unknown,
    /// What is not judged.
    pub exempt: Exempt,
    /// The issuer of this cluster's tokens, byte for byte as the API server has it.
    pub issuer: Option<Issuer>,
    /// Further issuers of this cluster, while it moves from one to another.
    pub other_issuers: Vec<Issuer>,
    /// Every credential in Azure that trusts this cluster; absent if they are not known.
    pub credentials: Option<Vec<Credential>>,
    /// Where it is published what Azure trusts of this cluster; absent if it is not.
    pub trust: Option<Publication>,
    /// Whether the label that opts in is moved from a workload to its pod template.
    pub move_label: bool,
    /// What the estate is like.
    pub parameters: Parameters,
}

/// What a finding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The request is rejected.
    Deny,
    /// The request passes with a warning.
    Warn,
    /// The rule is not evaluated.
    Off,
}

/// What an undecided rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// The request passes; the audit annotations name the rules.
    #[default]
    Allow,
    /// The request passes with a warning.
    Warn,
    /// The request is rejected.
    Deny,
}

/// What is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exempt {
    /// Namespaces, with `*` and `?`.
    pub namespaces: Vec<String>,
    /// ServiceAccounts and the workloads that run under them: `NAMESPACE/NAME`, with `*` and `?`.
    pub service_accounts: Vec<String>,
}

/// A federated identity credential, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Client id of the identity it belongs to.
    pub client_id: ClientId,
    /// The issuer it trusts; by default this cluster's.
    pub issuer: Option<Issuer>,
    /// The subject it trusts.
    pub subject: Subject,
    /// The audience it accepts.
    pub audience: Audience,
    /// Its name, for messages.
    pub name: String,
    /// The name of the identity, for messages.
    pub identity: String,
}

/// The answer to `validate_settings`.
#[derive(Serialize)]
pub(crate) struct Verdict {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Judges settings as a host passes them to `validate_settings`.
pub(crate) fn verdict(payload: &[u8]) -> Verdict {
    let message = Settings::read(payload).err();
    Verdict { valid: message.is_none(), message }
}

// === impl Settings ===

impl Settings {
    /// Reads settings; nothing and `null` are the defaults.
    ///
    /// # Errors
    /// Says which setting is wrong and what it may be.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let mut settings = Self::default();
        if !json.trim_ascii().is_empty() {
            json::read(json, &mut |json| settings.fill(json)).map_err(|error| error.to_string())?;
        }
        settings.check()?;
        Ok(settings)
    }

    /// Reads those that are there.
    pub(crate) fn fill(&mut self, json: &mut dyn Json<'_>) -> Result<(), Fault> {
        json.exact_object(&mut [
            ("rules", &mut |json| json.members(&mut |rule, json| set(&mut self.rules, rule, json))),
            ("unknown", &mut |json| {
                self.unknown = one_of(&[Unknown::Allow, Unknown::Warn, Unknown::Deny], json)?.unwrap_or_default();
                Ok(())
            }),
            ("exempt", &mut |json| {
                json.exact_object(&mut [
                    ("namespaces", &mut |json| json.texts(&mut self.exempt.namespaces)),
                    ("serviceAccounts", &mut |json| json.texts(&mut self.exempt.service_accounts)),
                ])
            }),
            ("issuer", &mut |json| issuer(&mut self.issuer, json)),
            ("otherIssuers", &mut |json| json.texts(&mut self.other_issuers)),
            ("credentials", &mut |json| {
                let mut list = Vec::new();
                let is_there =
                    json.elements_if_any(&mut |json| Credential::read(json).map(|credential| list.push(credential)))?;
                self.credentials = is_there.then_some(list);
                Ok(())
            }),
            ("trust", &mut |json| Publication::read(json).map(|trust| self.trust = trust)),
            ("moveLabel", &mut |json| {
                self.move_label = json.boolean()?.unwrap_or_default();
                Ok(())
            }),
            ("parameters", &mut |json| self.parameters.read(json)),
        ])
    }

    /// Whether they make sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        for name in self.rules.iter().map(|(name, _)| name) {
            if !ADMISSION.iter().any(|entry| entry.is_called(name)) {
                let known = ADMISSION.iter().map(|entry| entry.id).collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "rules: there is no rule `{name}` about what an admission request carries; there are {known}"
                ));
            }
        }
        for entry in ADMISSION {
            if self.rules.iter().map(|(name, _)| name).filter(|name| entry.is_called(name)).count() > 1 {
                return Err(format!("rules: {} is set twice, by id and by name `{}`", entry.id, entry.name()));
            }
        }
        for issuer in self.issuer.iter().chain(&self.other_issuers) {
            check_issuer(&|| "issuer".into(), issuer)?;
        }
        for (index, credential) in self.credentials.iter().flatten().enumerate() {
            let place = || format!("credentials[{index}]");
            if !is_guid(&credential.client_id.0) {
                return Err(format!("{}.clientId: `{}` is not a GUID", place(), credential.client_id));
            }
            if credential.subject.0.is_empty() {
                return Err(format!("{}.subject is empty; it is `system:serviceaccount:NAMESPACE:NAME`", place()));
            }
            match &credential.issuer {
                Some(issuer) => check_issuer(&|| format!("{}.issuer", place()), issuer)?,
                None if self.issuer.is_none() => {
                    return Err(format!("{} names no issuer, and neither do the settings", place()));
                }
                None => {}
            }
        }
        if let Some(trust) = &self.trust {
            trust.check()?;
            if self.credentials.is_some() {
                return Err("trust and credentials both say what Azure trusts; keep one of them".into());
            }
        }
        for account in &self.exempt.service_accounts {
            if account.split('/').count() != 2 {
                return Err(format!("exempt.serviceAccounts: `{account}` is not of the form NAMESPACE/NAME"));
            }
        }
        Ok(())
    }

    /// The rules that are not off.
    pub(crate) fn rules_on(&self) -> Vec<&'static Entry> {
        ADMISSION.iter().filter(|entry| self.level_set(entry) != Some(Level::Off)).collect()
    }

    /// What a finding of this rule and severity does.
    pub(crate) fn level(&self, entry: &Entry, severity: Severity) -> Level {
        self.level_set(entry).unwrap_or(match severity {
            Severity::Critical | Severity::High => Level::Deny,
            Severity::Medium | Severity::Low => Level::Warn,
            Severity::Info => Level::Off,
        })
    }

    fn level_set(&self, entry: &Entry) -> Option<Level> {
        self.rules.iter().find(|(name, _)| entry.is_called(name)).map(|(_, level)| *level)
    }

    /// Whether objects of this namespace, or under this ServiceAccount, are not judged.
    pub(crate) fn exempts(&self, namespace: &str, account: &str) -> bool {
        any_glob(&self.exempt.namespaces, namespace)
            || any_glob(&self.exempt.service_accounts, &format!("{namespace}/{account}"))
    }

    /// What the settings know: this cluster, and what Azure trusts of it.
    pub(crate) fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.clusters.push(Cluster {
            issuer: self.issuer.clone(),
            other_issuers: self.other_issuers.clone(),
            ..Cluster::default()
        });
        for credential in self.credentials.iter().flatten() {
            let Some(issuer) = credential.issuer.as_ref().or(self.issuer.as_ref()) else { continue };
            let client_id = credential.client_id.clone();
            let known = |identity: &Identity| identity.client_id.folded() == client_id.folded();
            if !inventory.identities.iter().any(known) {
                let name =
                    if credential.identity.is_empty() { client_id.0.clone() } else { credential.identity.clone() };
                inventory.identities.push(Identity {
                    kind: IdentityKind::UserAssigned,
                    name,
                    client_id: client_id.clone(),
                    id: String::new(),
                    principal_id: String::new(),
                    tenant_id: String::new(),
                    resource_group: String::new(),
                    location: String::new(),
                    // Of other clusters' credentials the settings need not know.
                    credentials_complete: false,
                    declared: None,
                    origin: Origin::default(),
                });
            }
            inventory.credentials.push(FederatedIdentityCredential {
                name: credential.name.clone(),
                id: String::new(),
                parent: Parent::Client(client_id),
                issuer: issuer.clone(),
                subject: Some(credential.subject.clone()),
                audiences: Vec::from([credential.audience.clone()]),
                expression: None,
                declared: None,
                origin: Origin::default(),
            });
        }
        if self.credentials.is_some() {
            inventory.coverage.trust_of.extend(self.issuer.as_ref().map(Tokens::of));
        }
        inventory
    }
}

fn set(rules: &mut Vec<(String, Level)>, rule: &str, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let level = one_of(&[Level::Deny, Level::Warn, Level::Off], json)?;
    if rules.iter().any(|(name, _)| name == rule) {
        return Err(Fault::duplicate_field(rule));
    }
    rules.extend(level.map(|level| (rule.into(), level)));
    Ok(())
}

fn as_map<S: Serializer>(rules: &[(String, Level)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rules.iter().map(|(rule, level)| (rule, level)))
}

fn issuer(slot: &mut Option<Issuer>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    *slot = json.text()?.map(|text| Issuer(text.into_owned()));
    Ok(())
}

// === impl Credential ===

impl Credential {
    fn read(json: &mut dyn Json<'_>) -> Result<Self, Fault> {
        let (mut client_id, mut trusted, mut subject, mut audience) = (None, None, None, None);
        let (mut name, mut identity) = (String::new(), String::new());
        json.exact_object(&mut [
            ("clientId", &mut |json| json.text().map(|text| client_id = text)),
            ("issuer", &mut |json| issuer(&mut trusted, json)),
            ("subject", &mut |json| json.text().map(|text| subject = text)),
            ("audience", &mut |json| json.text().map(|text| audience = text)),
            ("name", &mut |json| json.string().map(|text| name = text)),
            ("identity", &mut |json| json.string().map(|text| identity = text)),
        ])?;
        Ok(Self {
            client_id: ClientId(client_id.ok_or_else(|| Fault::missing_field("clientId"))?.into_owned()),
            issuer: trusted,
            subject: Subject(subject.ok_or_else(|| Fault::missing_field("subject"))?.into_owned()),
            audience: Audience(audience.map_or_else(|| DEFAULT_AUDIENCE.into(), Cow::into_owned)),
            name,
            identity,
        })
    }
}

// === names ===

/// Something that settings name.
trait Named: Copy {
    /// The name used in settings.
    fn name(self) -> &'static str;
}

impl Named for Level {
    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl Named for Unknown {
    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

fn one_of<T: Named>(all: &[T], json: &mut dyn Json<'_>) -> Result<Option<T>, Fault> {
    let Some(text) = json.text()? else { return Ok(None) };
    let names: Vec<&str> = all.iter().map(|one| one.name()).collect();
    let found = all.iter().find(|one| one.name() == text);
    found.copied().map(Some).ok_or_else(|| Fault::unknown("word", &text, &names))
}

fn check_issuer(place: &dyn Fn() -> String, issuer: &Issuer) -> Result<(), String> {
    if issuer.0.starts_with("https://")
        && !issuer.0.bytes().any(|byte| byte.is_ascii_whitespace())
        && !issuer.host().is_empty()
    {
        Ok(())
    } else {
        Err(format!("{}: `{issuer}` is not an https URL; give the issuer as the API server has it", place()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn they_are_read_as_they_are_written() {
        let written = Settings {
            rules: Vec::from([("AWI101".into(), Level::Warn), ("untrusted-workload".into(), Level::Off)]),
            unknown: Unknown::Deny,
            exempt: Exempt { namespaces: Vec::from(["kube-*".into()]), service_accounts: Vec::from(["a/b".into()]) },
            issuer: Some("https://issuer.example/1/".into()),
            other_issuers: Vec::from(["https://issuer.example/2/".into()]),
            credentials: Some(Vec::from([Credential {
                client_id: "2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a".into(),
                issuer: Some("https://issuer.example/3/".into()),
                subject: "system:serviceaccount:a:b".into(),
                audience: "audience".into(),
                name: "name".into(),
                identity: "identity".into(),
            }])),
            trust: None,
            move_label: true,
            parameters: Parameters { templated: true, ..Parameters::default() },
        };
        assert_eq!(Settings::read(&serde_json::to_vec(&written).unwrap()).unwrap(), written);
        let published = Publication { namespace: "azure".into(), max_age: 90 };
        let written = Settings { trust: Some(published), ..Settings::default() };
        assert_eq!(Settings::read(&serde_json::to_vec(&written).unwrap()).unwrap(), written);
        assert_eq!(Settings::read(&serde_json::to_vec(&Settings::default()).unwrap()).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_wrong_with_them_is_said() {
        for (settings, said) in [
            (r#"{"rule":{}}"#, "unknown field `rule`, expected one of `rules`, "),
            (r#"{"rules":{"AWI101":"no"}}"#, "unknown word `no`, expected one of `deny`, `warn`, `off`"),
            (r#"{"rules":{"AWI101":"off","AWI101":"deny"}}"#, "duplicate field `AWI101`"),
            (r#"{"rules":{"AWI999":"off"}}"#, "rules: there is no rule `AWI999`"),
            (r#"{"unknown":true}"#, "invalid type: boolean `true`, expected a string at line 1 column 15"),
            (r#"{"credentials":[{"subject":"s"}]}"#, "missing field `clientId`"),
            (r#"{"trust":{"maxage":"26h"}}"#, "unknown field `maxage`, expected one of `namespace`, `maxAge`"),
            (r#"{"trust":{"maxAge":"26"}}"#, "maxAge `26` is not a number of s, m, h or d"),
            (r#"{"trust":{"namespace":"A/B"}}"#, "trust.namespace: `A/B` is not"),
            (r#"{"trust":{},"credentials":[]}"#, "trust and credentials both say"),
            ("{} x", "trailing characters"),
            ("[]", "invalid type: array, expected an object"),
        ] {
            let error = Settings::read(settings.as_bytes()).unwrap_err();
            assert!(error.starts_with(said), "{settings}: {error}");
        }
    }

    #[test]
    fn null_sets_nothing() {
        let settings = br#"{"rules":{"AWI101":null},"unknown":null,"exempt":null,"credentials":null,"parameters":{"operators":null}}"#;
        assert_eq!(Settings::read(settings).unwrap(), Settings::default());
        assert_eq!(Settings::read(b"null").unwrap(), Settings::default());
        assert_eq!(Settings::read(b" ").unwrap(), Settings::default());
    }
}
