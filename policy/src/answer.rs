//! The answer: every finding in one response, for the person who applied the object.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use wiguard_rules::catalogue::Entry;
use wiguard_rules::finding::{Finding, Severity};
use wiguard_rules::judge::Judgement;
use wiguard_rules::model::label;
use wiguard_rules::trust::Key;

use crate::moved::Moved;
use crate::settings::{Level, Settings, Unknown};

/// The API server cuts a warning at 256 characters, and what is sent as a header must be printable
/// ASCII (Kubernetes, `apiserver/pkg/warning`).
const WARNING_LIMIT: usize = 256;
/// A message longer than this helps nobody at a prompt.
const MESSAGE_LIMIT: usize = 8 * 1024;

/// What came of a review.
#[derive(Default)]
pub(crate) struct Outcome {
    findings: Vec<Found>,
    unknown: Vec<(&'static Entry, Key)>,
    on_unknown: Unknown,
    unreadable: Option<String>,
    /// What is wrong with the published trust inventory.
    problems: Option<String>,
    /// How old it is, where that matters.
    age: Option<String>,
    moved: Option<Moved>,
}

/// A finding, and what it does.
struct Found {
    entry: &'static Entry,
    finding: Finding,
    level: Level,
    /// Whether it rests on what was published too long ago.
    aged: bool,
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
    /// What was amiss with the published trust inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<String>,
    /// What was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    mutated: Option<String>,
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
    let response = outcome.response();
    let mut answer = json(&response)?;
    if let (true, Some(moved)) = (response.accepted, &outcome.moved) {
        // The object is JSON already, and stays as it was spelt.
        answer.pop();
        answer.extend_from_slice(b",\"mutated_object\":");
        answer.extend_from_slice(moved.object.as_bytes());
        answer.push(b'}');
    }
    Ok(answer)
}

// === impl Outcome ===

impl Outcome {
    /// Nothing in the request is ours to judge.
    pub(crate) fn nothing_to_judge() -> Self {
        Self::default()
    }

    /// The object is not as its kind must be: it cannot be judged, and must not pass unjudged.
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self { unreadable: Some(reason.to_string()), ..Self::default() }
    }

    /// What the rules said.
    pub(crate) fn of(judgements: Vec<Judgement>, settings: &Settings) -> Self {
        let mut outcome = Self { on_unknown: settings.unknown, ..Self::default() };
        for Judgement { rule: entry, outcome: said } in judgements {
            match said {
                Ok(finding) => {
                    let level = settings.level(entry, finding.severity);
                    outcome.findings.push(Found { entry, finding, level, aged: false });
                }
                Err(unknown) => outcome.unknown.push((entry, unknown.0)),
            }
        }
        let said: Vec<&str> = outcome.findings.iter().map(|found| found.entry.id).collect();
        outcome.findings.retain(|found| !found.entry.rule.yields_to.iter().any(|id| said.contains(id)));
        outcome
    }

    /// With a change made to the object before it was judged.
    pub(crate) fn with(mut self, moved: Option<Moved>) -> Self {
        self.moved = moved;
        self
    }

    /// Notes why the published trust inventory was of no use.
    pub(crate) fn note(&mut self, problems: Option<String>) {
        self.problems = problems;
    }

    /// Whether there is any finding.
    pub(crate) fn finds_something(&self) -> bool {
        !self.findings.is_empty()
    }

    /// Has the findings reject no more than they would `without` something of that age.
    pub(crate) fn soften(&mut self, without: &Self, age: String) {
        for found in &mut self.findings {
            let known = without.findings.iter().find(|known| known.entry == found.entry).map(|known| known.level);
            found.aged = known.is_none_or(|known| known != found.level);
            if found.level == Level::Deny && known != Some(Level::Deny) {
                found.level = Level::Warn;
            }
        }
        self.age = Some(age).filter(|_| self.findings.iter().any(|found| found.aged));
    }

    fn response(&self) -> Response {
        let at = |level| self.findings.iter().filter(move |found| found.level == level);
        let undecided = |wanted| self.unknown.iter().filter(move |_| self.on_unknown == wanted);
        let mut reasons: Vec<String> =
            self.unreadable.iter().map(|reason| format!("wiguard could not read the object: {reason}")).collect();
        reasons.extend(at(Level::Deny).map(|found| self.sentence(found)));
        reasons.extend(undecided(Unknown::Deny).map(|(entry, key)| undecidable(entry, key)));
        let mut said: Vec<String> = at(Level::Warn).map(|found| self.sentence(found)).collect();
        said.extend(undecided(Unknown::Warn).map(|(entry, key)| undecidable(entry, key)));
        let mut audit_annotations = Annotations::default();
        if !self.findings.is_empty() {
            let ids = self.findings.iter().map(|found| format!("{}={}", found.entry.id, found.level.as_str()));
            audit_annotations.findings = Some(ids.collect::<Vec<_>>().join(","));
        }
        if !self.unknown.is_empty() {
            let ids = self.unknown.iter().map(|(entry, key)| format!("{}: {key}", entry.id));
            audit_annotations.undecided = Some(cut(&ids.collect::<Vec<_>>().join("; "), MESSAGE_LIMIT));
        }
        // What is wrong with what was published matters only where something stayed undecided.
        let problems = self.problems.as_ref().filter(|_| !self.unknown.is_empty());
        let trust: Vec<&str> = self.age.iter().chain(problems).map(String::as_str).collect();
        audit_annotations.trust = (!trust.is_empty()).then(|| cut(&trust.join("; "), MESSAGE_LIMIT));
        let accepted = reasons.is_empty();
        if let (true, Some(moved)) = (accepted, &self.moved) {
            let told = format!("moved label {} from metadata.labels to {}", label::USE, moved.to);
            said.insert(0, format!("wiguard {told}"));
            audit_annotations.mutated = Some(told);
        }
        Response {
            accepted,
            message: (!accepted).then(|| cut(&reasons.join("\n"), MESSAGE_LIMIT)),
            // Anything in the 500s would be taken for a failure of the policy itself.
            code: (!accepted).then_some(if self.unreadable.is_some() { 400 } else { 403 }),
            audit_annotations,
            warnings: said.iter().map(|text| warning(text)).collect(),
        }
    }

    /// The findings as data.
    pub(crate) fn into_reviewed(self) -> Reviewed {
        let finding = |found: &Found| {
            let Finding { severity, field, message, fix, .. } = found.finding.clone();
            let says = cut(&self.sentence(found), MESSAGE_LIMIT);
            ReviewedFinding { rule: found.entry.id.into(), level: found.level, says, severity, field, message, fix }
        };
        let unknown = |(entry, key): &(&Entry, Key)| ReviewedUnknown {
            rule: entry.id.into(),
            missing: key.to_string(),
            level: self.on_unknown,
            says: cut(&undecidable(entry, key), MESSAGE_LIMIT),
        };
        Reviewed {
            findings: self.findings.iter().map(finding).collect(),
            unknown: self.unknown.iter().map(unknown).collect(),
            unreadable: self.unreadable,
        }
    }

    fn sentence(&self, Found { entry, finding, aged, .. }: &Found) -> String {
        let place = if finding.field.is_empty() { String::new() } else { format!(" at {}", finding.field) };
        // Before the rest, which a warning may have no room for.
        let by = self.age.as_ref().filter(|_| *aged).map_or_else(String::new, |age| format!(" (by {age})"));
        format!("{} {}{place}{by}: {}; fix: {}", entry.id, entry.name(), finding.message, finding.fix)
    }
}

// === impl Annotations ===

impl Annotations {
    fn is_empty(&self) -> bool {
        self.findings.is_none() && self.undecided.is_none() && self.trust.is_none() && self.mutated.is_none()
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

fn undecidable(entry: &Entry, key: &Key) -> String {
    format!("{} {} could not be decided: {key} is unknown", entry.id, entry.name())
}

fn warning(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    cut(&printable, WARNING_LIMIT)
}

/// At most `limit` bytes, with an ellipsis where something was cut.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.into();
    }
    let mut end = limit.saturating_sub(3);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}
