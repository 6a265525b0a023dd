//! AdmissionReview (admission.k8s.io/v1): the request as it reaches the module, and the module's
//! verdict as the API server wants it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wiguard_rules::catalogue::Entry;

use super::judge::{Failure, Judge, Mode};
use super::patch;
use super::span::members;
use crate::engine::Host;

const VERSION: &str = "admission.k8s.io/v1";

/// A request, by what is needed of it here.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    uid: String,
    kind: String,
    namespace: String,
    name: String,
    /// The request as it stands.
    request: &'a str,
    /// Its object as it stands.
    object: &'a str,
}

/// A verdict, to be sent and counted.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) body: Vec<u8>,
    pub(super) outcome: &'static str,
    /// Rules and levels.
    pub(super) findings: Vec<(&'static str, &'static str)>,
}

/// What the module answers to `validate` (Kubewarden, policy-sdk-rust, `src/response.rs`).
#[derive(Deserialize)]
struct Verdict {
    accepted: bool,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    mutated_object: Option<Value>,
    #[serde(default)]
    audit_annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

/// `AdmissionReview` with an answer (Kubernetes, `k8s.io/api/admission/v1`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    message: String,
    reason: &'static str,
    code: u16,
}

impl<'a> Asked<'a> {
    /// Reads a review as far as it matters here; the object is the module's to read.
    ///
    /// # Errors
    /// Says what is wrong with it, and what to register where the version is.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, String> {
        let wrong = |reason: String| format!("the body is not an AdmissionReview: {reason}");
        let body = str::from_utf8(body).map_err(|error| wrong(format!("it is not UTF-8: {error}")))?;
        let (mut version, mut kind, mut request) = (None, None, None);
        members(body, |key, value| match key {
            "apiVersion" => version = Some(value),
            "kind" => kind = Some(value),
            "request" => request = Some(value),
            _ => {}
        })
        .map_err(wrong)?;
        let (version, kind) = (text(version)?, text(kind)?);
        if kind != "AdmissionReview" {
            return Err(wrong(format!("its kind is `{}`", short(&kind))));
        }
        if version != VERSION {
            return Err(format!(
                "this server answers AdmissionReview of {VERSION}, not of `{}`; register it with admissionReviewVersions: [v1]",
                short(&version)
            ));
        }
        let request = request.filter(|request| *request != "null").ok_or_else(|| wrong("it has no request".into()))?;
        let mut asked = Self { request, object: "null", ..Self::default() };
        let (mut uid, mut kind, mut namespace, mut name) = (None, None, None, None);
        members(request, |key, value| match key {
            "uid" => uid = Some(value),
            "kind" => kind = Some(value),
            "namespace" => namespace = Some(value),
            "name" => name = Some(value),
            "object" => asked.object = value,
            _ => {}
        })
        .map_err(|reason| wrong(format!("request: {reason}")))?;
        (asked.uid, asked.namespace, asked.name) = (text(uid)?, text(namespace)?, text(name)?);
        if asked.uid.is_empty() {
            return Err(wrong("its request has no uid".into()));
        }
        let mut kind_name = None;
        if let Some(kind) = kind.filter(|kind| *kind != "null") {
            let each = |key: &str, value| {
                if key == "kind" {
                    kind_name = Some(value);
                }
            };
            members(kind, each).map_err(|reason| wrong(format!("request.kind: {reason}")))?;
        }
        asked.kind = text(kind_name)?;
        Ok(asked)
    }

    /// Has the module judge it.
    ///
    /// # Errors
    /// If the module gave no verdict: then neither does this.
    pub(super) fn judged(&self, judge: &Judge, mode: Mode, host: Arc<dyn Host>) -> Result<Given, Failure> {
        let said = judge.ask("validate", &[self.request], mode, host)?;
        let verdict: Verdict = serde_json::from_slice(&said).map_err(Failure::nonsense)?;
        let annotations = verdict.audit_annotations.unwrap_or_default();
        let findings = annotations.get("findings").map_or_else(Vec::new, |findings| counted(findings));
        let (mut status, mut patch) = (None, None);
        if verdict.accepted {
            if let Some(mutated) = verdict.mutated_object.filter(|mutated| !mutated.is_null()) {
                patch = self.patch(&mutated, mode)?;
            }
        } else {
            let code = verdict.code.unwrap_or(403);
            let message = verdict.message.unwrap_or_else(|| "rejected without a reason".into());
            // What the module itself calls a failure of its own is not a verdict.
            if !(400..500).contains(&code) {
                return Err(Failure { kind: "error", text: format!("it rejects with code {code}: {message}") });
            }
            tracing::info!(
                uid = self.uid,
                namespace = self.namespace,
                kind = self.kind,
                name = self.name,
                code,
                rules = denying(&findings),
                "rejected"
            );
            status = Some(Status { status: "Failure", message, reason: reason(code), code });
        }
        let outcome = match (&status, &patch) {
            (Some(_), _) => "denied",
            (None, Some(_)) => "patched",
            (None, None) => "allowed",
        };
        let response = Response {
            uid: &self.uid,
            allowed: status.is_none(),
            status,
            warnings: verdict.warnings.unwrap_or_default(),
            audit_annotations: annotations,
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch: patch.map(ByteString),
        };
        let review = Review { api_version: VERSION, kind: "AdmissionReview", response };
        let body = serde_json::to_vec(&review).map_err(Failure::nonsense)?;
        Ok(Given { body, outcome, findings })
    }

    /// The patch that makes the object what the module made of it, if that is another.
    fn patch(&self, mutated: &Value, mode: Mode) -> Result<Option<Vec<u8>>, Failure> {
        if mode == Mode::Validating {
            return Err(Failure::nonsense("it changes the object, and only /mutate can do that"));
        }
        let object: Value = serde_json::from_str(self.object).map_err(Failure::nonsense)?;
        if !object.is_object() || !mutated.is_object() {
            return Err(Failure::nonsense("it makes something of nothing, or nothing of something"));
        }
        let steps = patch::between(&object, mutated);
        if steps.is_empty() {
            return Ok(None);
        }
        serde_json::to_vec(&steps).map(Some).map_err(Failure::nonsense)
    }

    /// Says in the log that there was no verdict.
    pub(super) fn log(&self, failure: &Failure) {
        tracing::error!(
            uid = self.uid,
            namespace = self.namespace,
            kind = self.kind,
            name = self.name,
            failure = failure.kind,
            reason = failure.text,
            "not judged"
        );
    }
}

/// The text of a member; empty if there is none.
fn text(value: Option<&str>) -> Result<String, String> {
    let text: Result<Option<String>, _> = serde_json::from_str(value.unwrap_or("null"));
    Ok(text.map_err(|error| format!("the body is not an AdmissionReview: {error}"))?.unwrap_or_default())
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The reason of Kubernetes for a code (`metav1.StatusReason`).
const fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        422 => "Invalid",
        _ => "Forbidden",
    }
}

/// `AWI301=deny,AWI203=warn`, in words that are our own.
fn counted(findings: &str) -> Vec<(&'static str, &'static str)> {
    let finding = |finding: &str| finding.split_once('=').map(|(rule, does)| (rule_id(rule), level(does)));
    findings.split(',').filter_map(finding).collect()
}

/// The rule's id, if there is such a rule.
pub(super) fn rule_id(rule: &str) -> &'static str {
    Entry::find(rule).map_or("other", |entry| entry.id)
}

/// What a finding does.
pub(super) fn level(level: &str) -> &'static str {
    match level {
        "deny" => "deny",
        "warn" => "warn",
        "off" => "off",
        _ => "other",
    }
}

fn denying(findings: &[(&'static str, &'static str)]) -> String {
    let denying = findings.iter().filter(|(_, level)| *level == "deny").map(|(rule, _)| *rule);
    denying.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Asked, counted};

    #[test]
    fn the_request_is_kept_as_it_stands() {
        let body = br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u\u0031","kind":{"kind":"Pod"},"object": {"a" : 1.0e2} }}"#;
        let asked = Asked::read(body).unwrap();
        assert_eq!((asked.uid.as_str(), asked.kind.as_str(), asked.object), ("u1", "Pod", r#"{"a" : 1.0e2}"#));
        assert!(asked.request.starts_with("{\"uid\":\"u\\u0031\"") && asked.request.ends_with(" }"));
    }

    #[test]
    fn what_is_no_review_is_refused_in_words() {
        let review = |version: &str, request: &str| {
            format!(r#"{{"kind":"AdmissionReview","apiVersion":"{version}","request":{request}}}"#)
        };
        for (body, said) in [
            (String::new(), "not a JSON object"),
            (review("admission.k8s.io/v1beta1", "{}"), "register it with admissionReviewVersions: [v1]"),
            (review("admission.k8s.io/v1", "null"), "it has no request"),
            (review("admission.k8s.io/v1", "{}"), "no uid"),
            (review("admission.k8s.io/v1", r#"{"uid":1}"#), "expected a string"),
            (review("admission.k8s.io/v1", r#"{"uid":"a","uid":"b"}"#), "`uid` twice"),
            (r#"{"kind":"Pod","apiVersion":"v1"}"#.into(), "its kind is `Pod`"),
        ] {
            let error = Asked::read(body.as_bytes()).unwrap_err();
            assert!(error.contains(said), "{body}: {error}");
        }
        assert!(Asked::read(b"\xff").unwrap_err().contains("not UTF-8"));
    }

    #[test]
    fn only_rules_that_exist_are_counted_by_name() {
        assert_eq!(
            counted("AWI301=deny,x=warn,AWI203=y"),
            [("AWI301", "deny"), ("other", "warn"), ("AWI203", "other")]
        );
    }
}
