//! What is declared: federated credentials as infrastructure as code writes them down, beside those
//! that are. A declaration may lack what is known only once it is applied, and it says nothing of
//! what else there is.

mod tool;

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

pub use tool::Tool;

use crate::expression;
#[cfg(feature = "audit")]
use crate::model::Cluster;
use crate::model::{Audience, FederatedIdentityCredential, Identity, Issuer, Origin, Subject};

/// Every declaration that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Declared {
    /// By identity, then as they were given.
    credentials: Vec<DeclaredCredential>,
    /// Whether all there are were given: the user's word, for no document can say it.
    pub whole: bool,
    /// Clusters that are there, as they are declared with something off.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub clusters: Vec<Cluster>,
    /// Clusters that documents are about to delete, as they are there.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub leaving: Vec<Cluster>,
}

/// A federated credential as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct DeclaredCredential {
    /// Where its document has it: a Terraform address, the name of a template's resource, an object
    /// of Kubernetes.
    pub address: String,
    /// [`Identity::reference`] of its identity; empty if unknown.
    pub identity: String,
    /// Its name; empty if unknown.
    pub name: String,
    /// The issuer, if it is known before it is applied.
    pub issuer: Option<Issuer>,
    /// The subject, if it has one that is known before it is applied.
    pub subject: Option<Subject>,
    /// `claimsMatchingExpression.value`, if it has one that is known before it is applied.
    pub expression: Option<String>,
    /// The audiences, if they are known before it is applied.
    pub audiences: Option<Vec<Audience>>,
    /// What its document says is still to come of it.
    #[cfg_attr(feature = "facts", serde(default))]
    pub coming: Coming,
    /// What its document applies before it: addresses of resources and of modules. An empty one stands for
    /// what the document does not tell.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub after: Vec<String>,
    /// What it will be, where it was seen to be otherwise or not to be at all, and all of it is known.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub planned: Option<FederatedIdentityCredential>,
    /// What applies it.
    pub tool: Tool,
    /// Where it was read.
    pub origin: Origin,
}

/// What a document says is still to come of what it declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Coming {
    /// Nothing, or the document does not say.
    #[default]
    Nothing,
    /// It is about to be made.
    Made,
    /// It is about to be changed.
    Changed,
    /// It is about to be deleted; it is declared as it was.
    Deleted,
    /// Its identity is about to be deleted, and it with it; the address is the identity's.
    DeletedWithIdentity,
}

// === impl Declared ===

impl Declared {
    /// Puts declarations in order.
    pub fn of(mut credentials: Vec<DeclaredCredential>, whole: bool) -> Self {
        credentials.sort_by(|a, b| folded(&a.identity, &b.identity));
        Self { credentials, whole, ..Self::default() }
    }

    /// Those of an identity.
    pub fn of_identity(&self, identity: &Identity) -> &[DeclaredCredential] {
        self.of_owner(identity.reference())
    }

    /// Those of an identity by what they call it, whether or not it was seen.
    pub fn of_owner(&self, reference: &str) -> &[DeclaredCredential] {
        let start = self.credentials.partition_point(|it| folded(&it.identity, reference).is_lt());
        let end = self.credentials.partition_point(|it| folded(&it.identity, reference).is_le());
        if reference.is_empty() { &[] } else { self.credentials.get(start..end).unwrap_or_default() }
    }

    /// Those of which no source says whose they are.
    pub fn of_nobody(&self) -> impl Iterator<Item = &DeclaredCredential> {
        self.credentials.iter().take_while(|it| it.identity.is_empty())
    }

    /// All of them.
    #[cfg(feature = "audit")]
    pub fn all(&self) -> &[DeclaredCredential] {
        &self.credentials
    }

    /// Those that may still be applied.
    pub fn to_come(&self) -> impl Iterator<Item = &DeclaredCredential> {
        self.credentials.iter().filter(|it| it.is_to_come())
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }
}

// === impl DeclaredCredential ===

impl DeclaredCredential {
    /// Whether a credential of the same identity is what this declares: Azure tells the credentials
    /// of an identity apart by name without regard to case, and has no two of one issuer and subject.
    pub fn is(&self, credential: &FederatedIdentityCredential) -> bool {
        let named = !self.name.is_empty() && self.name.eq_ignore_ascii_case(&credential.name);
        named
            || self.subject.is_some()
                && self.subject == credential.subject
                && self.issuer.as_ref() == Some(&credential.issuer)
    }

    /// Whether a credential that is only declared is what this declares.
    #[cfg(feature = "audit")]
    pub fn declares(&self, credential: &FederatedIdentityCredential) -> bool {
        credential.declared.as_ref() == Some(&self.address)
            && self.name == credential.name
            && self.difference(credential).is_none()
    }

    /// Whether it is this credential of the same identity that comes to be as declared, or goes.
    pub fn touches(&self, credential: &FederatedIdentityCredential) -> bool {
        if self.name.is_empty() { self.is(credential) } else { self.name.eq_ignore_ascii_case(&credential.name) }
    }

    /// Whether its document says that it is still to be made, changed or deleted.
    pub fn is_pending(&self) -> bool {
        self.coming != Coming::Nothing
    }

    /// Whether its document says that it is about to be deleted.
    pub fn is_deleted(&self) -> bool {
        matches!(self.coming, Coming::Deleted | Coming::DeletedWithIdentity)
    }

    /// Whether it may still be applied: by its plan, or as a template, which does not say whether it was.
    pub fn is_to_come(&self) -> bool {
        self.is_pending() || matches!(self.tool, Tool::Template { .. })
    }

    /// Whether all of it is known before it is applied.
    pub fn is_known(&self) -> bool {
        let trusts = self.subject.is_some() || self.expression.is_some();
        trusts && !self.name.is_empty() && self.issuer.is_some() && self.audiences.is_some()
    }

    /// What it will be, where that is known and nothing is like it yet.
    #[cfg(feature = "audit")]
    pub fn planned(&self) -> Option<&FederatedIdentityCredential> {
        self.planned.as_ref()
    }

    /// Whether its document applies it after another one of its own; `None` if it does not tell. Instances of
    /// one resource do not wait for each other.
    #[cfg(feature = "audit")]
    pub fn waits_for(&self, other: &Self) -> Option<bool> {
        let is_within = |on: &&String| {
            let rest = other.address.strip_prefix(on.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '/']))
        };
        let (told, untold): (Vec<&String>, Vec<&String>) = self.after.iter().partition(|on| !on.is_empty());
        if told.iter().any(is_within) {
            return Some(true);
        }
        let known = untold.is_empty() || without_keys(&self.address) == without_keys(&other.address);
        known.then_some(false)
    }

    /// Whether it will trust a token of one of these audiences; `None` if that shows only once it is applied.
    pub fn will_trust(&self, issuer: &Issuer, subject: &Subject, audiences: &[Audience]) -> Option<bool> {
        let issued = self.issuer.as_ref().map(|own| own == issuer);
        let heard = self.audiences.as_ref().map(|own| own.iter().any(|audience| audiences.contains(audience)));
        let admitted = match (&self.subject, &self.expression) {
            (Some(own), _) => Some(own == subject),
            (None, Some(expression)) => expression::holds(expression, |claim| match claim {
                "iss" => Some(issuer.as_str()),
                "sub" => Some(subject.as_str()),
                "aud" => match self.audiences.as_deref() {
                    Some([audience]) => Some(audience.as_str()),
                    _ => None,
                },
                _ => None,
            }),
            (None, None) => None,
        };
        let all = [Some(!self.is_deleted()), issued, heard, admitted];
        if all.contains(&Some(false)) { Some(false) } else { all.iter().all(Option::is_some).then_some(true) }
    }

    /// The first property in which a credential differs from what is declared: its name, what is
    /// declared, and what is.
    pub fn difference(&self, credential: &FederatedIdentityCredential) -> Option<(&'static str, String, String)> {
        let text = |text: &Option<Subject>| text.as_ref().map(|it| it.0.clone());
        if let Some(issuer) = self.issuer.as_ref().filter(|issuer| **issuer != credential.issuer) {
            return Some(("issuer", issuer.0.clone(), credential.issuer.0.clone()));
        }
        if self.subject.is_some() && self.subject != credential.subject {
            let is = text(&credential.subject).or_else(|| credential.expression.clone());
            return Some(("subject", text(&self.subject).unwrap_or_default(), is.unwrap_or_default()));
        }
        if self.expression.is_some() && self.expression != credential.expression {
            let is = credential.expression.clone().or_else(|| text(&credential.subject));
            return Some((
                "claimsMatchingExpression",
                self.expression.clone().unwrap_or_default(),
                is.unwrap_or_default(),
            ));
        }
        let audiences = self.audiences.as_ref().filter(|audiences| **audiences != credential.audiences)?;
        let listed = |audiences: &[Audience]| audiences.iter().map(Audience::as_str).collect::<Vec<_>>().join(", ");
        Some(("audiences", listed(audiences), listed(&credential.audiences)))
    }
}

/// An address without the keys of its instances.
#[cfg(feature = "audit")]
fn without_keys(address: &str) -> String {
    let mut depth = 0_usize;
    let outside = |letter: &char| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    address.chars().filter(outside).collect()
}

/// The order of two texts without regard to the case of ASCII letters.
fn folded(a: &str, b: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{credential, declared, identity};

    fn live() -> FederatedIdentityCredential {
        FederatedIdentityCredential {
            name: "Fc".into(),
            issuer: "https://issuer/".into(),
            audiences: alloc::vec!["a".into()],
            ..credential("shop", "cart")
        }
    }

    #[test]
    fn declarations_are_found_by_their_identity() {
        let of = ["b", "", "A", "a", "c"].map(|identity| declared(identity, "x"));
        let all = Declared::of(of.into(), false);
        let identity = |id: &str| Identity { id: id.into(), client_id: "".into(), ..identity() };
        let count = |id: &str| all.of_identity(&identity(id)).len();
        assert_eq!([count("A"), count("b"), count("d"), count("")], [2, 1, 0, 0]);
        assert_eq!(all.of_nobody().count(), 1);
    }

    #[test]
    fn what_is_to_come_trusts_as_far_as_it_is_known() {
        let (issuer, subject): (Issuer, Subject) = ("https://issuer/".into(), Subject::of("shop", "cart"));
        let will = |declared: &DeclaredCredential| declared.will_trust(&issuer, &subject, &["a".into()]);
        let mut it = DeclaredCredential { subject: Some(subject.clone()), ..declared("i", "fc") };
        assert_eq!(will(&it), None, "issuer and audience are unknown");
        it.issuer = Some(issuer.clone());
        it.audiences = Some(alloc::vec!["b".into(), "a".into()]);
        assert_eq!(will(&it), Some(true));
        assert_eq!(will(&DeclaredCredential { coming: Coming::Deleted, ..it.clone() }), Some(false));
        assert_eq!(will(&DeclaredCredential { subject: None, ..it.clone() }), None);
        let other = DeclaredCredential { issuer: Some("https://issuer".into()), subject: None, ..it.clone() };
        assert_eq!(will(&other), Some(false), "whatever the subject will be");
        let flexible = |expression: &str| {
            will(&DeclaredCredential { subject: None, expression: Some(expression.into()), ..it.clone() })
        };
        assert_eq!(flexible("claims['sub'] matches 'system:serviceaccount:shop:*'"), Some(true));
        assert_eq!(flexible("claims['sub'] eq 'x'"), Some(false));
        assert_eq!(flexible("claims['job'] eq 'x'"), None);
        assert_eq!(flexible("claims['aud'] eq 'a'"), None, "which of the two it is only its token says");
        it.audiences = Some(alloc::vec!["a".into()]);
        let flexible = |expression: &str| {
            will(&DeclaredCredential { subject: None, expression: Some(expression.into()), ..it.clone() })
        };
        assert_eq!(flexible("claims['aud'] eq 'a'"), Some(true));
        assert_eq!(flexible("claims['aud'] eq 'b'"), Some(false));
    }

    #[test]
    fn a_plan_touches_what_it_names() {
        let named = |name: &str| DeclaredCredential {
            issuer: Some(live().issuer),
            subject: live().subject,
            ..declared("i", name)
        };
        assert!(named("fC").touches(&live()) && named("").touches(&live()));
        assert!(!named("other").touches(&live()), "another of the same issuer and subject is one more");
        assert!(!named("fc").is_to_come(), "nothing says that it is still to be applied");
        let template = Tool::Template { copied: false, in_turn: false };
        assert!(DeclaredCredential { tool: template, ..named("fc") }.is_to_come());
    }

    #[test]
    fn what_is_unknown_neither_matches_nor_differs() {
        let known = |name: &str| DeclaredCredential { issuer: Some("https://issuer/".into()), ..declared("i", name) };
        assert!(known("fC").is(&live()), "names compare without regard to case");
        assert!(!known("").is(&live()) && !known("other").is(&live()));
        let mut alike = known("other");
        alike.subject = live().subject;
        assert!(alike.is(&live()), "issuer and subject tell it too");
        assert_eq!(declared("i", "fc").difference(&live()), None);
        alike.audiences = Some(live().audiences);
        assert_eq!(alike.difference(&live()), None);
        let differs = |change: fn(&mut DeclaredCredential)| {
            let mut declared = alike.clone();
            change(&mut declared);
            declared.difference(&live()).map(|(field, ..)| field)
        };
        assert_eq!(differs(|it| it.issuer = Some("https://issuer".into())), Some("issuer"));
        assert_eq!(differs(|it| it.subject = Some("x".into())), Some("subject"));
        assert_eq!(differs(|it| it.audiences = Some(Vec::new())), Some("audiences"));
        let flexible = |it: &mut DeclaredCredential| {
            it.subject = None;
            it.expression = Some("x".into());
        };
        assert_eq!(differs(flexible), Some("claimsMatchingExpression"));
    }
}
