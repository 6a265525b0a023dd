//! Tool: what applies a declaration, and which versions of a provider it may take.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

/// What applies a declaration, as far as that bears on the result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Tool {
    /// Terraform.
    Terraform {
        /// The version constraint of its provider, if the document has it.
        constraint: Option<String>,
        /// The attributes its configuration sets, if the document has them.
        written: Vec<String>,
        /// Whether nothing but its configuration puts its credentials in turn: azapi, where it is given no `locks`.
        #[cfg_attr(feature = "facts", serde(default))]
        at_once: bool,
    },
    /// A template of Azure Resource Manager.
    Template {
        /// Whether it stands for several, as many as a `copy` says.
        copied: bool,
        /// Whether it waits for others that are not known, or is a `copy` that makes one at a time.
        in_turn: bool,
    },
    /// An operator of Kubernetes.
    Operator,
}

// === impl Tool ===

impl Tool {
    /// Whether both are of one kind.
    pub fn is_like(&self, other: &Self) -> bool {
        core::mem::discriminant(self) == core::mem::discriminant(other)
    }

    /// Whether every version that Terraform may take of its provider is below this one.
    pub fn is_below(&self, major: u32, minor: u32) -> bool {
        self.bounds().any(|bound| bound.below.is_some_and(|below| below <= (major, minor)))
    }

    /// Whether every version that Terraform may take of its provider is this one or later.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        self.bounds().any(|bound| bound.from.is_some_and(|from| from >= (major, minor)))
    }

    fn bounds(&self) -> impl Iterator<Item = Bound> {
        let constraint = match self {
            Self::Terraform { constraint: Some(constraint), .. } => constraint.as_str(),
            _ => "",
        };
        constraint.split(',').filter_map(|part| Bound::of(part.trim()))
    }
}

/// What one part of a version constraint demands, in major and minor numbers (Terraform, version
/// constraints).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    /// The least that may be taken.
    from: Option<(u32, u32)>,
    /// The least that may not.
    below: Option<(u32, u32)>,
}

impl Bound {
    fn of(part: &str) -> Option<Self> {
        let digits = part.find(|letter: char| letter.is_ascii_digit())?;
        let (operator, version) = part.split_at_checked(digits)?;
        let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse::<u32>().ok());
        let major = numbers.next()??;
        let minor = numbers.next().flatten();
        let patch = numbers.next().flatten();
        let exact = (major, minor.unwrap_or(0));
        // the least version of the next minor number, which says more than is certain of no patch above
        let after = (major, minor.unwrap_or(0).saturating_add(1));
        Some(match operator.trim() {
            "" | "=" => Self { from: Some(exact), below: Some(after) },
            ">=" | ">" => Self { from: Some(exact), below: None },
            "<" => Self { from: None, below: Some(if patch.unwrap_or(0) == 0 { exact } else { after }) },
            "<=" => Self { from: None, below: Some(after) },
            "~>" if patch.is_some() => Self { from: Some(exact), below: Some(after) },
            "~>" => Self { from: Some(exact), below: Some((major.saturating_add(1), 0)) },
            _ => Self { from: None, below: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terraform(constraint: &str) -> Tool {
        Tool::Terraform { constraint: Some(constraint.into()), written: Vec::new(), at_once: false }
    }

    #[test]
    fn constraints_bound_what_may_be_taken() {
        for below in ["3.35.0", "= 3.39", "~> 3.39.1", "< 3.40", "<3.40.0", "<= 3.39.1", ">= 3.31, < 3.40.0"] {
            assert!(terraform(below).is_below(3, 40), "{below}");
        }
        for open in ["~> 3.30", ">= 3.31", "3.40.0", "< 3.40.1", "<= 3.40", "!= 3.50", "~> 4.0", "", "latest"] {
            assert!(!terraform(open).is_below(3, 40), "{open}");
        }
        for recent in ["~> 5.0", "5.1.0", ">= 5.0.0, < 6.0.0", "> 5.0"] {
            assert!(terraform(recent).is_at_least(5, 0), "{recent}");
        }
        for open in ["~> 4.65", "< 6.0", ">= 4.99", "!= 5.0", ""] {
            assert!(!terraform(open).is_at_least(5, 0), "{open}");
        }
        assert!(!Tool::Operator.is_below(9, 9) && !Tool::Operator.is_at_least(0, 0));
    }
}
