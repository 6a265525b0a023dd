//! Remedies that are under way: what is declared and still to be applied, and what becomes of a token by
//! it that Entra refuses today.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::declared::DeclaredCredential;
use crate::exchange::{Presented, Refusal};
use crate::model::FederatedIdentityCredential;
use crate::near::{self, Miss};
use crate::repair;
use crate::trust::Trust;

/// What a declaration that is still to be applied does for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy<'a> {
    /// It will trust it, as far as that is known.
    Mends(&'a DeclaredCredential),
    /// It means it, and misses it.
    Misses(&'a DeclaredCredential, Miss<'a>),
}

/// What is under way for a token that is refused.
pub fn remedy<'a>(refusal: &Refusal<'a>, presented: &Presented<'_>, trust: &Trust<'a>) -> Option<Remedy<'a>> {
    let identity = refusal.identity?;
    if let Some(mends) = trust.to_come(identity).find(|it| mends(it, presented)) {
        return Some(Remedy::Mends(mends));
    }
    let planned = planned(refusal, trust);
    let miss = near::nearest(&presented.token(&planned), &planned).filter(Miss::is_meant)?;
    let declared = trust.to_come(identity).find(|it| it.planned() == Some(miss.credential))?;
    Some(Remedy::Misses(declared, miss))
}

/// What the identity that refuses will have once what is declared is applied, and has not now.
pub fn planned<'a>(refusal: &Refusal<'a>, trust: &Trust<'a>) -> Vec<&'a FederatedIdentityCredential> {
    let to_come = refusal.identity.into_iter().flat_map(|identity| trust.to_come(identity));
    to_come.filter_map(DeclaredCredential::planned).collect()
}

/// Whether a declaration trusts a token, or will as far as is known: what is known only once it is applied
/// is as it should be.
fn mends(declared: &DeclaredCredential, presented: &Presented<'_>) -> bool {
    match declared.will_trust(presented.issuer, &presented.subject, &presented.audiences) {
        Some(will) => will,
        None => declared.subject.as_ref() == Some(&presented.subject),
    }
}

// === impl Remedy ===

impl Remedy<'_> {
    /// In words, after what is wrong today.
    pub fn words(&self) -> String {
        match self {
            Self::Mends(declared) => format!("{}, which is still to be applied, trusts it", declared.address),
            Self::Misses(declared, miss) => format!(
                "{}, which is still to be applied, does not trust it either: the {}",
                declared.address,
                miss.words()
            ),
        }
    }

    /// What to do.
    pub fn fix(&self, presented: &Presented<'_>) -> String {
        match self {
            Self::Mends(declared) => format!("apply the configuration: {} declares the credential", declared.address),
            Self::Misses(_, miss) => {
                let token = presented.token(&[miss.credential]);
                format!("{}, then apply it", repair::at_declaration(miss, &token).unwrap_or_default())
            }
        }
    }

    /// The address of the declaration.
    pub fn address(&self) -> &str {
        let (Self::Mends(declared) | Self::Misses(declared, _)) = self;
        &declared.address
    }
}
