//! The answer: every finding in one response, for the person who applied the object.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use wiguard_rules::catalogue::Entry;
use wiguard_rules::finding::{Finding, Severity};
use wiguard_rules::judge::Judgement;
use wiguard_rules::trust::Key;

use crate::settings::{Level, Settings, Unknown};

/// The API server cuts a warning at 256 characters, and what is sent as a header must be printable
/// ASCII (Kubernetes, `apiserver/pkg/warning`).
const WARNING_LIMIT: usize = 256;
/// A message longer than this helps nobody at a prompt.
const MESSAGE_LIMIT: usize = 8 * 1024;

/// What came of a review.
pub(crate) struct Outcome {
    findings: Vec<(&'static Entry, Finding, Level)>,
    unknown: Vec<(&'static Entry, Key)>,
    on_unknown: Unknown,
    unreadable: Option<String>,
}

/// What Kubewarden expects of `validate` (policy-sdk-rust, `src/response.rs`).
#[derive(Serialize)]
struct Response {
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    audit_annotations: Annotations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// What goes into the cluster's audit log.
#[derive(Default, Serialize)]
struct Annotations {
    /// The findings and what each did.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<String>,
    /// The rules that could not be decided, and for lack of what.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<String>,
}

/// The answer to `review`: the findings themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reviewed {
    /// What is wrong, in the order of the catalogue.
    pub findings: Vec<ReviewedFinding>,
    /// What could not be decided.
    pub unknown: Vec<ReviewedUnknown>,
    /// Why the object could not be read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// One finding of a review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewedFinding {
    /// The rule's id.
    pub rule: String,
    /// What it does under the settings.
    pub level: Level,
    /// The whole in one line, as `validate` says it.
    pub says: String,
    /// How bad it is here.
    pub severity: Severity,
    /// The field at fault.
    pub field: String,
    /// What is wrong, with the values seen.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// A rule that could not be decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewedUnknown {
    /// The rule's id.
    pub rule: String,
    /// What would have to be known.
    pub missing: String,
    /// What that does under the settings.
    pub level: Unknown,
    /// The whole in one line, as `validate` says it.
    pub says: String,
}

/// As JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| format!("could not write the answer: {error}"))
}

/// The response to `validate`.
pub(crate) fn response(outcome: &Outcome) -> Result<Vec<u8>, String> {
    json(&outcome.response())
}

// === impl Outcome ===

impl Outcome {
    /// Nothing in the request is ours to judge.
    pub(crate) const fn nothing_to_judge() -> Self {
        Self { findings: Vec::new(), unknown: Vec::new(), on_unknown: Unknown::Allow, unreadable: None }
    }

    /// The object is not as its kind must be: it cannot be judged, and must not pass unjudged.
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self { unreadable: Some(reason.to_string()), ..Self::nothing_to_judge() }
    }

    /// What the rules said.
    pub(crate) fn of(judgements: Vec<Judgement>, settings: &Settings) -> Self {
        let mut outcome = Self { on_unknown: settings.unknown, ..Self::nothing_to_judge() };
        for judgement in judgements {
            match judgement.outcome {
                Ok(finding) => {
                    let level = settings.level(judgement.rule, finding.severity);
                    outcome.findings.push((judgement.rule, finding, level));
                }
                Err(unknown) => outcome.unknown.push((judgement.rule, unknown.0)),
            }
        }
        let said: Vec<&str> = outcome.findings.iter().map(|(entry, ..)| entry.id).collect();
        let covered = |entry: &Entry| entry.rule.yields_to.iter().any(|id| said.contains(id));
        let findings = core::mem::take(&mut outcome.findings);
        outcome.findings = findings.into_iter().filter(|(entry, ..)| !covered(entry)).collect();
        outcome
    }

    fn response(&self) -> Response {
        let at = |level| self.findings.iter().filter(move |(_, _, l)| *l == level);
        let undecided = |wanted| self.unknown.iter().filter(move |_| self.on_unknown == wanted);
        let mut reasons: Vec<String> =
            self.unreadable.iter().map(|reason| format!("wiguard could not read the object: {reason}")).collect();
        reasons.extend(at(Level::Deny).map(|(entry, finding, _)| sentence(entry, finding)));
        reasons.extend(undecided(Unknown::Deny).map(|(entry, key)| undecidable(entry, key)));
        let mut warnings: Vec<String> =
            at(Level::Warn).map(|(entry, finding, _)| warning(&sentence(entry, finding))).collect();
        warnings.extend(undecided(Unknown::Warn).map(|(entry, key)| warning(&undecidable(entry, key))));
        let mut audit_annotations = Annotations::default();
        if !self.findings.is_empty() {
            let ids = self.findings.iter().map(|(entry, _, level)| format!("{}={}", entry.id, level.as_str()));
            audit_annotations.findings = Some(ids.collect::<Vec<_>>().join(","));
        }
        if !self.unknown.is_empty() {
            let ids = self.unknown.iter().map(|(entry, key)| format!("{}: {key}", entry.id));
            audit_annotations.undecided = Some(ids.collect::<Vec<_>>().join("; "));
        }
        let accepted = reasons.is_empty();
        Response {
            accepted,
            message: (!accepted).then(|| cut(&reasons.join("\n"), MESSAGE_LIMIT)),
            // Anything in the 500s would be taken for a failure of the policy itself.
            code: (!accepted).then_some(if self.unreadable.is_some() { 400 } else { 403 }),
            audit_annotations,
            warnings,
        }
    }

    /// The findings as data.
    pub(crate) fn into_reviewed(self) -> Reviewed {
        let finding = |(entry, finding, level): (&Entry, Finding, Level)| {
            let says = cut(&sentence(entry, &finding), MESSAGE_LIMIT);
            let Finding { severity, field, message, fix, .. } = finding;
            ReviewedFinding { rule: entry.id.into(), level, says, severity, field, message, fix }
        };
        let level = self.on_unknown;
        let unknown = |(entry, key): (&Entry, Key)| {
            let says = cut(&undecidable(entry, &key), MESSAGE_LIMIT);
            ReviewedUnknown { rule: entry.id.into(), missing: key.to_string(), level, says }
        };
        Reviewed {
            findings: self.findings.into_iter().map(finding).collect(),
            unknown: self.unknown.into_iter().map(unknown).collect(),
            unreadable: self.unreadable,
        }
    }
}

// === impl Annotations ===

impl Annotations {
    fn is_empty(&self) -> bool {
        self.findings.is_none() && self.undecided.is_none()
    }
}

// === impl Level ===

impl Level {
    /// The name used in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Off => "off",
        }
    }
}

fn sentence(entry: &Entry, finding: &Finding) -> String {
    let place = if finding.field.is_empty() { String::new() } else { format!(" at {}", finding.field) };
    format!("{} {}{place}: {}; fix: {}", entry.id, entry.name(), finding.message, finding.fix)
}

fn undecidable(entry: &Entry, key: &Key) -> String {
    format!("{} {} could not be decided: {key} is unknown", entry.id, entry.name())
}

fn warning(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    cut(&printable, WARNING_LIMIT)
}

/// At most `limit` bytes, with an ellipsis where something was cut.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.into();
    }
    let mut end = limit.saturating_sub(3);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}
