//! Afterwards: what an identity trusts once what is declared of it is applied.

use alloc::format;
use alloc::vec::Vec;

use crate::declared::{Coming, DeclaredCredential, Tool};
use crate::exchange::expression_of;
use crate::model::{FederatedIdentityCredential, Identity};
use crate::near::Token;
use crate::trust::{Key, Trust, Unknown};

/// What an identity trusts once a declaration's document is applied.
pub struct After<'t, 'a> {
    /// The declaration.
    pub declared: &'t DeclaredCredential,
    /// The identity.
    pub identity: &'a Identity,
    /// All its credentials as they are.
    pub live: &'t [&'a FederatedIdentityCredential],
    /// What is known.
    pub trust: &'t Trust<'a>,
}

// === impl After ===

impl<'a> After<'_, 'a> {
    /// What the document makes of a credential that is there.
    fn made_of(&self, live: &FederatedIdentityCredential) -> Option<&'a DeclaredCredential> {
        self.trust.to_come(self.identity).filter(|it| self.is_beside(it)).find(|it| it.touches(live))
    }

    /// Whether another declaration is of the same document, and applied with it.
    fn is_beside(&self, other: &DeclaredCredential) -> bool {
        let Self { declared, .. } = self;
        other.origin.source == declared.origin.source && other.tool.is_like(&declared.tool)
    }

    /// Whether another declaration is taken as applied: with its document, or by a plan of its own. A template of another
    /// document may be deployed later, or never.
    fn counts(&self, other: &DeclaredCredential) -> bool {
        other.is_pending() || self.is_beside(other)
    }

    /// What would bring the trust in a token back some time after: a template elsewhere, or an object of an operator.
    pub fn elsewhere(&self, token: &Token) -> Option<&'a DeclaredCredential> {
        let audiences = core::slice::from_ref(&token.audience);
        let will = |it: &&DeclaredCredential| {
            it.will_trust(&token.issuer, &token.subject, audiences) == Some(true)
                && !matches!(it.tool, Tool::Terraform { .. })
                && !self.is_beside(it)
        };
        self.trust.declared().of_identity(self.identity).iter().find(will)
    }

    /// Whether a token will be trusted. What another plan adds is taken as applied too.
    ///
    /// # Errors
    /// If that shows only once it is applied, or hangs on an expression that cannot be evaluated.
    pub fn trusts(&self, token: &Token) -> Result<bool, Unknown> {
        if self.declared.coming == Coming::DeletedWithIdentity {
            return Ok(false);
        }
        let Token { issuer, subject, audience } = token;
        let mut unknown = None;
        let stays = |live: &FederatedIdentityCredential| self.made_of(live).is_none();
        for live in self.live {
            match live.trusts(issuer, subject, audience) {
                Some(true) if stays(live) => return Ok(true),
                None if stays(live) => unknown = unknown.or_else(|| Some(expression_of(live))),
                _ => {}
            }
        }
        let audiences = core::slice::from_ref(audience);
        let unclear =
            |it: &DeclaredCredential| Unknown(Key::Value(format!("what {} is once it is applied", it.address)));
        for it in self.trust.to_come(self.identity).filter(|it| self.counts(it)) {
            match it.will_trust(issuer, subject, audiences) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => unknown = unknown.or_else(|| Some(unclear(it))),
            }
        }
        // one of which nothing says whose it is may be of this identity
        let nobody = self.trust.declared().of_nobody().filter(|it| it.is_to_come() && self.counts(it));
        let mut may = nobody.filter(|it| it.will_trust(issuer, subject, audiences) != Some(false));
        unknown.or_else(|| may.next().map(unclear)).map_or(Ok(false), Err)
    }

    /// The credentials there will be, if all of them are known.
    pub fn credentials(&self) -> Option<Vec<&'a FederatedIdentityCredential>> {
        if self.trust.declared().of_nobody().any(|it| it.is_to_come() && self.counts(it)) {
            return None;
        }
        let here = |it: &&DeclaredCredential| self.is_beside(it);
        let stays = |live: &FederatedIdentityCredential| {
            let mut made = self.trust.to_come(self.identity).filter(here).filter(|it| it.touches(live)).peekable();
            made.peek().is_none() || made.any(|it| !it.is_deleted() && it.difference(live).is_none())
        };
        let mut all: Vec<_> = self.live.iter().copied().filter(|live| stays(live)).collect();
        let to_come = self.trust.to_come(self.identity).filter(|it| !it.is_deleted() && self.counts(it));
        for it in to_come.filter(|it| !it.is_known() || it.planned().is_some()) {
            all.push(it.planned()?);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::declared::Declared;
    use crate::inventory::Inventory;
    use crate::model::{Audience, Origin, Subject};
    use crate::parameters::Parameters;
    use crate::sample::{AUDIENCE, CLIENT, ISSUER, cluster, credential, declared, identity};

    const TEMPLATE: Tool = Tool::Template { copied: false, in_turn: false };
    const PLAN: Tool = Tool::Terraform { constraint: None, written: Vec::new(), at_once: false };

    /// What a document says of a credential for `shop/ACCOUNT`.
    fn said(tool: Tool, source: u32, name: &str, account: &str) -> DeclaredCredential {
        let issuer = Some(ISSUER.into());
        let (subject, audiences) = (Some(Subject::of("shop", account)), Some(vec![Audience::from(AUDIENCE)]));
        let planned = FederatedIdentityCredential { name: name.into(), ..credential("shop", account) };
        let planned = Some(planned).filter(|_| account != "cart");
        let origin = Origin { source, ..Origin::default() };
        let address = alloc::format!("{name}-{source}");
        DeclaredCredential { address, issuer, subject, audiences, planned, tool, origin, ..declared(CLIENT, name) }
    }

    fn pending(coming: Coming, it: DeclaredCredential) -> DeclaredCredential {
        DeclaredCredential { coming, ..it }
    }

    /// Whether `shop/cart` is trusted after the first of these, how many credentials there are then, and what would bring
    /// it back.
    fn after(all: Vec<DeclaredCredential>) -> (Result<bool, ()>, Option<usize>, Option<String>) {
        let first = all.first().unwrap().clone();
        let live = vec![
            FederatedIdentityCredential { name: "fc".into(), ..credential("shop", "cart") },
            FederatedIdentityCredential { name: "till".into(), ..credential("shop", "till") },
        ];
        let declared = Declared::of(all, false);
        let inventory = Inventory { identities: vec![identity()], credentials: live, declared, ..cluster() };
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let identity = inventory.identities.first().unwrap();
        let after = After { declared: &first, identity, live: trust.credentials(identity).unwrap(), trust: &trust };
        let issuer = ISSUER.into();
        let token = Token { issuer, subject: Subject::of("shop", "cart"), audience: AUDIENCE.into() };
        let elsewhere = after.elsewhere(&token).map(|it| it.address.clone());
        (after.trusts(&token).map_err(drop), after.credentials().map(|all| all.len()), elsewhere)
    }

    #[test]
    fn a_template_elsewhere_keeps_nothing_and_may_bring_it_back() {
        let deleted = || pending(Coming::Deleted, said(PLAN, 1, "fc", "cart"));
        assert_eq!(after(vec![deleted()]), (Ok(false), Some(1), None));
        for source in [1, 2] {
            let it = said(TEMPLATE, source, "fc", "cart");
            let address = it.address.clone();
            assert_eq!(after(vec![deleted(), it]), (Ok(false), Some(1), Some(address)), "{source}");
        }
        let operator = said(Tool::Operator, 2, "fc", "cart");
        assert_eq!(after(vec![deleted(), operator]), (Ok(false), Some(1), Some("fc-2".into())));
        let state = said(PLAN, 2, "fc", "cart");
        assert_eq!(after(vec![deleted(), state]), (Ok(false), Some(1), None), "a state is not applied");
        let of_another = said(TEMPLATE, 2, "new", "till");
        assert_eq!(after(vec![deleted(), of_another]), (Ok(false), Some(1), None));
        let not_known = DeclaredCredential { issuer: None, ..said(TEMPLATE, 2, "new", "cart") };
        assert_eq!(after(vec![deleted(), not_known]), (Ok(false), Some(1), None));
    }

    #[test]
    fn what_another_plan_or_the_same_document_adds_counts() {
        let deleted = || pending(Coming::Deleted, said(PLAN, 1, "fc", "cart"));
        for source in [1, 2] {
            let planned = Some(FederatedIdentityCredential { name: "new".into(), ..credential("shop", "cart") });
            let new = DeclaredCredential { planned, ..said(PLAN, source, "new", "cart") };
            assert_eq!(after(vec![deleted(), pending(Coming::Made, new)]), (Ok(true), Some(2), None), "{source}");
        }
        let changed = || said(TEMPLATE, 1, "fc", "basket");
        assert_eq!(after(vec![changed()]), (Ok(false), Some(2), None));
        assert_eq!(after(vec![changed(), said(TEMPLATE, 1, "new", "cart")]).0, Ok(true));
        let (kept, _, elsewhere) = after(vec![changed(), said(TEMPLATE, 2, "new", "cart")]);
        assert_eq!((kept, elsewhere.as_deref()), (Ok(false), Some("new-2")));
    }

    #[test]
    fn what_is_nobody_s_counts_if_it_is_about_to_be_applied() {
        let deleted = || pending(Coming::Deleted, said(PLAN, 1, "fc", "cart"));
        let nobody_s = |it: DeclaredCredential| DeclaredCredential { identity: String::new(), ..it };
        let new = |tool: Tool| nobody_s(said(tool, 2, "new", "cart"));
        assert_eq!(after(vec![deleted(), pending(Coming::Made, new(PLAN))]), (Err(()), None, None));
        assert_eq!(after(vec![deleted(), new(TEMPLATE)]), (Ok(false), Some(1), None), "whenever it is deployed");
    }

    #[test]
    fn a_template_in_the_same_file_makes_nothing_of_what_a_plan_leaves() {
        let deleted = pending(Coming::Deleted, said(PLAN, 1, "till", "till"));
        let as_it_is = said(TEMPLATE, 1, "fc", "cart");
        assert_eq!(after(vec![deleted, as_it_is]).0, Ok(true));
    }
}
