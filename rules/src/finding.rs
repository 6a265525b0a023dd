//! A finding: one flaw of one object, with its evidence and its fix.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "audit")]
use crate::model::Origin;

/// How bad it is when it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing breaks.
    Info,
    /// Untidy; may mislead.
    Low,
    /// Will break or leak under foreseeable circumstances.
    Medium,
    /// Breaks or leaks.
    High,
    /// The workload cannot authenticate, or an identity is open to strangers.
    Critical,
}

/// How sure the rule is that it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Depends on what the program in the container does.
    Low,
    /// There are legitimate reasons that no source shows.
    Medium,
    /// Follows from the facts read.
    High,
}

/// A link of a workload's chain, in the order in which its token needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    /// The cluster signs tokens that Entra can check.
    Cluster,
    /// The pods have the label that opts in.
    Label,
    /// The webhook is asked about the pods, and lets them through with what they need.
    Webhook,
    /// The token lies where the containers look for it.
    Token,
    /// It is said which identity is meant.
    ClientId,
    /// They are told the tenant of the identity.
    Tenant,
    /// They are told the address of Entra in the cloud of the identity.
    Authority,
    /// The identity is bound to the cluster, for pods that speak through an identity binding of AKS.
    Binding,
    /// A credential of the identity trusts the token.
    Credential,
    /// The program in the containers makes use of the token.
    Program,
}

/// One flaw of one object. Which rule and which object: see [`crate::judge::Judgement`].
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is here; a rule's usual severity is in its metadata.
    pub severity: Severity,
    /// The field at fault, as `kubectl explain` writes paths: `spec.template.metadata.labels[…]`.
    pub field: String,
    /// What is wrong, with the values seen.
    pub message: String,
    /// The facts it rests on: texts, whole numbers, flags, and lists and maps of them.
    #[cfg(feature = "evidence")]
    pub evidence: serde_json::Map<String, Value>,
    /// What to do: a command, or the exact change.
    pub fix: String,
    /// The link of the chain that is broken by it; `None` if tokens are exchanged all the same.
    #[cfg(feature = "audit")]
    pub breaks: Option<Hop>,
    /// What the field would have to be, and what it is, to be shown one above the other.
    #[cfg(feature = "audit")]
    pub expected: Option<(String, Option<String>)>,
    /// Where the field was read, if that is another object than the one accused.
    #[cfg(feature = "audit")]
    pub origin: Option<Origin>,
}

// === impl Severity ===

impl Severity {
    /// From the mildest to the gravest.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name used in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

// === impl Confidence ===

impl Confidence {
    /// The name used in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

// === impl Finding ===

impl Finding {
    /// A finding of `severity` at `field`.
    pub fn new(severity: Severity, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            field: field.into(),
            message: message.into(),
            #[cfg(feature = "evidence")]
            evidence: serde_json::Map::new(),
            fix: String::new(),
            #[cfg(feature = "audit")]
            breaks: None,
            #[cfg(feature = "audit")]
            expected: None,
            #[cfg(feature = "audit")]
            origin: None,
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        self.with_made(name, || value)
    }

    /// Adds a fact that is made only where evidence is kept.
    #[must_use]
    #[cfg_attr(not(feature = "evidence"), expect(unused_mut, unused_variables, reason = "none is kept"))]
    pub fn with_made<V: Into<Value>>(mut self, name: &str, make: impl FnOnce() -> V) -> Self {
        #[cfg(feature = "evidence")]
        self.evidence.insert(name.into(), make().into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Says which link of the chain is broken by it.
    #[must_use]
    pub fn breaks(self, hop: Hop) -> Self {
        self.breaks_if(true, hop)
    }

    /// Says which link of the chain is broken by it, if one is.
    #[must_use]
    #[cfg_attr(not(feature = "audit"), expect(unused_mut, unused_variables, reason = "nobody walks a chain"))]
    pub fn breaks_if(mut self, is_broken: bool, hop: Hop) -> Self {
        #[cfg(feature = "audit")]
        if is_broken {
            self.breaks = Some(hop);
        }
        self
    }

    /// Says where its field was read, if that is another object than the one accused.
    #[cfg(feature = "audit")]
    #[must_use]
    pub fn at(mut self, origin: Option<Origin>) -> Self {
        self.origin = origin;
        self
    }

    /// Says what the field would have to be, and what it is.
    #[must_use]
    #[cfg_attr(not(feature = "audit"), expect(unused_mut, unused_variables, reason = "nobody lays them side by side"))]
    pub fn expected(mut self, expected: &str, actual: Option<&str>) -> Self {
        #[cfg(feature = "audit")]
        {
            self.expected = Some((expected.into(), actual.map(Into::into)));
        }
        self
    }
}
