//! The configuration: what the user's estate is like, and which findings are waived.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wiguard_rules::catalogue::Entry;
use wiguard_rules::finding::Severity;
use wiguard_rules::model::{Cluster, Issuer, PodBearing};
use wiguard_rules::parameters::Parameters;

use crate::collect::{Tie, placing};

/// `wiguard.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The severity from which findings make the exit status 1.
    pub fail_on: Option<FailOn>,
    /// Rules that are not evaluated, by id or name.
    pub ignore: Vec<String>,
    /// Clusters that no source describes, or whose issuer it does not say.
    pub clusters: Vec<DeclaredCluster>,
    /// The namespace in which objects of files belong that state none.
    pub default_namespace: Option<String>,
    /// Kinds with a pod template, `API_VERSION/KIND=PATH`, beside those that are known.
    pub pod_bearing: Vec<String>,
    /// What the rules are to know.
    pub parameters: Parameters,
    /// Findings that are waived.
    pub suppressions: Vec<Suppression>,
}

/// The severity from which findings make the exit status 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// From this severity on.
    Severity(Severity),
    /// Never.
    Never,
}

/// A cluster as the user declares it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredCluster {
    name: String,
    issuer: Issuer,
    #[serde(default)]
    other_issuers: Vec<Issuer>,
}

/// A waiver, which needs a reason and ends some day.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suppression {
    /// The rule, by id or name.
    pub rule: String,
    /// The objects: `[CLUSTER:][NAMESPACE/]KIND/NAME` with `*` and `?`; all if it is not given.
    #[serde(default = "all")]
    pub object: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// The last day on which it holds, `2027-01-31`.
    #[serde(default)]
    pub expires: Option<String>,
}

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("could not read the configuration `{}`", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// It is not as it must be.
    #[error("could not understand the configuration `{}`: {why}", .0.display(), why = .1)]
    Understand(PathBuf, String),
}

fn all() -> String {
    "*".into()
}

/// Where the configuration is looked for if none is named.
pub const DEFAULT_PATHS: [&str; 2] = ["wiguard.toml", ".wiguard.toml"];

impl Config {
    /// Reads the file named, or the first of the usual ones that exists, or gives the defaults.
    ///
    /// # Errors
    /// If a file is there, or was named, and cannot be read or understood.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = match named {
            Some(path) => path.to_path_buf(),
            None => match DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.is_file()) {
                Some(path) => path,
                None => return Ok(Self::default()),
            },
        };
        let text = std::fs::read_to_string(&path).map_err(|error| ConfigError::Read(path.clone(), error))?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Understand(path.clone(), error.to_string().trim_end().to_string()))?;
        config.check().map_err(|reason| ConfigError::Understand(path, reason))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let rules = self.ignore.iter().chain(self.suppressions.iter().map(|suppression| &suppression.rule));
        for rule in rules {
            if Entry::find(rule).is_none() {
                return Err(format!("there is no rule `{rule}`; `wiguard rules` lists them"));
            }
        }
        for declared in &self.pod_bearing {
            PodBearing::declared(declared).map_err(|why| format!("`{declared}` declares no kind: {why}"))?;
        }
        if let Some(namespace) = &self.default_namespace {
            placing::check(namespace).map_err(|why| format!("`defaultNamespace`: {why}"))?;
        }
        for place in self.parameters.environments().iter().flat_map(|environment| &environment.places) {
            if !place.contains(':') {
                return Err(format!(
                    "`{place}` is no place of an environment; write CLUSTER:NAMESPACE, such as prod-*:*"
                ));
            }
        }
        for label in self.parameters.environments().iter().flat_map(|environment| &environment.labels) {
            if !label.contains('=') {
                return Err(format!("`{label}` is no label of an environment; write KEY=VALUE, such as env=prod*"));
            }
        }
        for suppression in &self.suppressions {
            if suppression.reason.trim().is_empty() {
                return Err(format!(
                    "the suppression of {} on `{}` gives no reason; say why it is accepted",
                    suppression.rule, suppression.object
                ));
            }
            if let Some(day) = &suppression.expires
                && parse_day(day).is_none()
            {
                return Err(format!("`{day}` is not a day; write 2027-01-31"));
            }
        }
        Ok(())
    }

    /// The kinds declared.
    pub fn bearing(&self) -> impl Iterator<Item = &'static PodBearing> {
        self.pod_bearing.iter().filter_map(|declared| PodBearing::declared(declared).ok())
    }

    /// The namespaces in which objects of files belong that state none: the one declared, then those typed.
    pub fn namespaces(&self, typed: &[Tie]) -> Vec<Tie> {
        let own = self.default_namespace.as_ref().map(|name| Tie { name: name.clone(), path: PathBuf::new() });
        own.into_iter().chain(typed.iter().cloned()).collect()
    }

    /// The clusters declared.
    pub fn declared(&self) -> Vec<Cluster> {
        let cluster = |cluster: &DeclaredCluster| Cluster {
            name: cluster.name.clone(),
            issuer: Some(cluster.issuer.clone()),
            other_issuers: cluster.other_issuers.clone(),
            ..Cluster::default()
        };
        self.clusters.iter().map(cluster).collect()
    }
}

impl Suppression {
    /// Whether it no longer holds on a day.
    pub fn is_expired(&self, today: (i64, u32, u32)) -> bool {
        self.expires.as_deref().and_then(parse_day).is_some_and(|last| today > last)
    }
}

impl std::str::FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let severity = Severity::ALL.into_iter().find(|severity| severity.as_str() == text);
        severity.map(Self::Severity).ok_or_else(|| "expected critical, high, medium, low, info or never".into())
    }
}

impl<'de> Deserialize<'de> for FailOn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Year, month and day of `YYYY-MM-DD`.
fn parse_day(text: &str) -> Option<(i64, u32, u32)> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let day = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    (year.len() == 4 && (1..=12).contains(&day.1) && (1..=31).contains(&day.2)).then_some(day)
}
