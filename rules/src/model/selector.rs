//! Selectors: what is required of labels. Only the audit reads them.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::bearing::Shape;
use super::{PodBearing, PodTemplate, is_placeholder, is_relevant_key};

/// A label selector: all of its requirements have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(transparent))]
pub struct Selector(pub Vec<Requirement>);

/// A requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is required of it.
    pub operator: Operator,
    /// The values that are allowed or not.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub values: Vec<String>,
}

/// What a requirement says of a label; named as in `matchExpressions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is not there.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

// === impl Selector ===

impl Selector {
    /// Whether it requires nothing.
    pub const fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// The first requirement that labels do not meet.
    pub fn unmet<'s>(&self, labels: impl Fn(&str) -> Option<&'s str>) -> Option<&Requirement> {
        self.0.iter().find(|requirement| !requirement.holds(labels(&requirement.key)))
    }
}

// === impl Requirement ===

impl Requirement {
    /// Whether what it requires was never filled in.
    fn is_placeholder(&self) -> bool {
        is_placeholder(&self.key) || self.values.iter().any(|value| is_placeholder(value))
    }

    /// Whether the value of its label meets it; none if there is no such label.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|value| self.values.iter().any(|known| known == value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl core::fmt::Display for Requirement {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.key, self.operator.as_str())?;
        if self.values.is_empty() { Ok(()) } else { write!(f, " ({})", self.values.join(", ")) }
    }
}

// === impl Operator ===

impl Operator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::NotIn, Self::Exists, Self::DoesNotExist];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

// === impl PodTemplate ===

impl PodTemplate {
    /// Whether pods that opt in meet a requirement; none if that is not known.
    pub fn meets(&self, kind: &PodBearing, requirement: &Requirement) -> Option<bool> {
        if requirement.is_placeholder() {
            return None;
        }
        let value = self.label(kind, &requirement.key)?;
        value.is_none_or(|value| !is_placeholder(value)).then(|| requirement.holds(value))
    }

    /// The value of a label of pods that opt in, where it is known whether they have it.
    fn label(&self, kind: &PodBearing, key: &str) -> Option<Option<&str>> {
        if is_relevant_key(key) {
            return Some(self.labels.get(key));
        }
        let value = self.other_labels.get(key);
        match kind.shape {
            Shape::Pod => {}
            _ if is_set_by_controllers(key) => return None,
            // What the controller of such a kind adds to its pods is its own affair.
            Shape::Under(_) if value.is_none() => return None,
            _ => {}
        }
        let hidden = value.is_none() && self.other_labels.iter().any(|pair| is_placeholder(&pair.key));
        (!hidden).then_some(value)
    }
}

/// Whether the controllers of Kubernetes set a label on the pods that they make (Kubernetes, "Well-Known
/// Labels, Annotations and Taints").
pub fn is_set_by_controllers(key: &str) -> bool {
    const SET: [&str; 10] = [
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    ];
    SET.contains(&key)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::model::{Pair, Pairs};

    fn requirement(operator: Operator, values: &[&str]) -> Requirement {
        Requirement { key: "tier".into(), operator, values: values.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_requirement_holds_as_kubernetes_says() {
        for (operator, values, none, a, b) in [
            (Operator::In, &["a"][..], false, true, false),
            (Operator::NotIn, &["a"], true, false, true),
            (Operator::Exists, &[], false, true, true),
            (Operator::DoesNotExist, &[], true, false, false),
        ] {
            let requirement = requirement(operator, values);
            let held = [None, Some("a"), Some("b")].map(|value| requirement.holds(value));
            assert_eq!(held, [none, a, b], "{requirement}");
        }
        assert_eq!(requirement(Operator::NotIn, &["a", "b"]).to_string(), "tier NotIn (a, b)");
    }

    #[test]
    fn what_stands_for_something_else_is_not_known() {
        let template = |pairs: &[(&str, &str)]| {
            let pair =
                |(key, value): &(&str, &str)| Pair { key: (*key).into(), value: (*value).into(), is_string: true };
            PodTemplate { other_labels: Pairs(pairs.iter().map(pair).collect()), ..PodTemplate::default() }
        };
        let kind = |name: &str| PodBearing::find("apps/v1", name).or_else(|| PodBearing::find("v1", name));
        let (deployment, pod) = (kind("Deployment"), kind("Pod"));
        let meets = |pairs: &[(&str, &str)], requirement: &Requirement| {
            deployment.and_then(|kind| template(pairs).meets(kind, requirement))
        };
        let (is_a, exists) = (requirement(Operator::In, &["a"]), requirement(Operator::Exists, &[]));
        assert_eq!(meets(&[("tier", "a")], &is_a), Some(true));
        assert_eq!(meets(&[("tier", "b")], &is_a), Some(false));
        assert_eq!(meets(&[("app", "a")], &exists), Some(false));
        assert_eq!(meets(&[("tier", "${TIER}")], &is_a), None);
        assert_eq!(meets(&[("${LABEL}", "a")], &is_a), None);
        assert_eq!(meets(&[("${LABEL}", "b"), ("tier", "a")], &is_a), Some(true));
        assert_eq!(meets(&[("tier", "a")], &requirement(Operator::In, &["a", "${TIER}"])), None);
        assert_eq!(meets(&[("tier", "a")], &Requirement { key: "${LABEL}".into(), ..is_a.clone() }), None);
        // Controllers set it, and a pod has what it has.
        let hash = Requirement { key: "pod-template-hash".into(), ..exists };
        assert_eq!(meets(&[], &hash), None);
        assert_eq!(pod.and_then(|kind| template(&[]).meets(kind, &hash)), Some(false));
    }
}
