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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use alloc::vec;

    use super::*;
    use crate::declared::{Coming, Declared};
    use crate::exchange::presented;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, OPTS_IN, cluster, credential, declared, identity, pod};

    #[test]
    fn of_what_is_to_come_the_one_that_misses_is_named() {
        let planned = |address: &str, name: &str| DeclaredCredential {
            coming: Coming::Made,
            planned: Some(FederatedIdentityCredential { declared: Some(address.into()), ..credential("shop", name) }),
            subject: credential("shop", name).subject,
            ..declared(CLIENT, address)
        };
        let all = vec![planned("a", "other-account"), planned("b", "carts")];
        let inventory = Inventory { identities: vec![identity()], declared: Declared::of(all, false), ..cluster() };
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
        let refusal = Refusal { client_id: CLIENT.into(), identity: inventory.identities.first(), credentials: vec![] };
        assert_eq!(remedy(&refusal, &presented, &trust).unwrap().address(), "b");
    }
}
