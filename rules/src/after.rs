//! Afterwards: what an identity trusts once what is declared of it is applied.

use alloc::format;
use alloc::vec::Vec;

use crate::declared::{Coming, DeclaredCredential};
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
        let here = |it: &&DeclaredCredential| it.origin.source == self.declared.origin.source;
        self.trust.to_come(self.identity).filter(here).find(|it| it.touches(live))
    }

    /// Whether a token will be trusted. What another document adds is taken as applied too.
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
        for it in self.trust.to_come(self.identity) {
            match it.will_trust(issuer, subject, audiences) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => unknown = unknown.or_else(|| Some(unclear(it))),
            }
        }
        // one of which nothing says whose it is may be of this identity
        let nobody = self.trust.declared().of_nobody().filter(|it| it.is_to_come());
        let mut may = nobody.filter(|it| it.will_trust(issuer, subject, audiences) != Some(false));
        unknown.or_else(|| may.next().map(unclear)).map_or(Ok(false), Err)
    }

    /// The credentials there will be, if all of them are known.
    pub fn credentials(&self) -> Option<Vec<&'a FederatedIdentityCredential>> {
        if self.trust.declared().of_nobody().any(DeclaredCredential::is_to_come) {
            return None;
        }
        let here = |it: &&DeclaredCredential| it.origin.source == self.declared.origin.source;
        let stays = |live: &FederatedIdentityCredential| {
            let mut made = self.trust.to_come(self.identity).filter(here).filter(|it| it.touches(live)).peekable();
            made.peek().is_none() || made.any(|it| !it.is_deleted() && it.difference(live).is_none())
        };
        let mut all: Vec<_> = self.live.iter().copied().filter(|live| stays(live)).collect();
        let to_come = self.trust.to_come(self.identity).filter(|it| !it.is_deleted());
        for it in to_come.filter(|it| !it.is_known() || it.planned().is_some()) {
            all.push(it.planned()?);
        }
        Some(all)
    }
}
