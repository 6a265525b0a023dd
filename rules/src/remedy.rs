//! Remedies that are under way: what is declared and still to be applied, and what becomes of a token by
//! it that Entra refuses today.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::declared::DeclaredCredential;
use crate::exchange::{Presented, Refusal};
use crate::finding::Severity;
use crate::model::{FederatedIdentityCredential, Workload};
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
    /// How grave it is until then, if it is as grave as `usual` where nothing is under way. A plan is made to be applied.
    /// A template may lie there for years: what it says mends nothing for a workload that is there, while the
    /// identity as Azure has it refuses.
    pub fn severity(&self, usual: Severity, workload: &Workload, refusal: &Refusal<'_>) -> Severity {
        let Self::Mends(declared) = self else { return usual };
        let is_of_azure = refusal.identity.is_some_and(|identity| identity.declared.is_none());
        let is_refused_now = !declared.is_pending() && is_of_azure && workload.is_live();
        if is_refused_now { usual } else { usual.min(Severity::Medium) }
    }

    /// In words, after what is wrong today.
    pub fn words(&self) -> String {
        match self {
            Self::Mends(declared) if !declared.is_pending() => {
                format!("{}, which is not deployed as it stands, trusts it", declared.address)
            }
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
            Self::Mends(declared) => {
                let what = if declared.is_pending() { "apply the configuration" } else { "deploy the template" };
                format!("{what}: {} declares the credential", declared.address)
            }
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
    use crate::declared::{Coming, Declared, Tool};
    use crate::exchange::presented;
    use crate::inventory::Inventory;
    use crate::model::Identity;
    use crate::parameters::Parameters;
    use crate::sample::{AUDIENCE, CLIENT, ISSUER, OPTS_IN, cluster, credential, declared, identity, pod, workload};

    /// A workload that opts in, with more of its metadata.
    fn made(kind: &str, name: &str, more: &str) -> Workload {
        workload(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"{kind}","metadata":{{"name":"{name}","namespace":"shop"{more}}},"spec":{{"template":{{"metadata":{{"labels":{{"azure.workload.identity/use":"true"}}}},"spec":{{"serviceAccountName":"cart"}}}}}}}}"#
        ))
    }

    /// How grave it is of the first of these, where a template declares the credential.
    fn severity(workloads: Vec<Workload>, coming: Coming, known_to_azure: bool) -> Severity {
        let identity = Identity { declared: (!known_to_azure).then(|| "at".into()), ..identity() };
        let template = DeclaredCredential {
            coming,
            issuer: Some(ISSUER.into()),
            subject: credential("shop", "cart").subject,
            audiences: Some(vec![AUDIENCE.into()]),
            tool: Tool::Template { copied: false, in_turn: false },
            ..declared(CLIENT, "fc")
        };
        let declared = Declared::of(vec![template], false);
        let inventory = Inventory { workloads, identities: vec![identity], declared, ..cluster() };
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let workload = inventory.workloads.first().unwrap();
        let presented = presented(workload, &trust).unwrap().unwrap();
        let refusal = Refusal { client_id: CLIENT.into(), identity: inventory.identities.first(), credentials: vec![] };
        remedy(&refusal, &presented, &trust).unwrap().severity(Severity::Critical, workload, &refusal)
    }

    #[test]
    fn a_template_mends_nothing_for_what_is_there() {
        const UID: &str = r#","uid":"5f0c""#;
        let runs = |more: &str| pod(&format!("{UID}{OPTS_IN}{more}"), "");
        let of = |workloads: Vec<Workload>| severity(workloads, Coming::Nothing, true);
        assert_eq!(of(vec![runs("")]), Severity::Critical);
        assert_eq!(of(vec![pod(OPTS_IN, "")]), Severity::Medium, "a manifest");
        assert_eq!(of(vec![made("Deployment", "cart", UID)]), Severity::Critical);
        let manifest = || made("Deployment", "cart", "");
        assert_eq!(of(vec![manifest()]), Severity::Medium);
        assert_eq!(severity(vec![runs("")], Coming::Made, true), Severity::Medium, "a plan is about to be applied");
        assert_eq!(severity(vec![runs("")], Coming::Nothing, false), Severity::Medium, "Azure was not asked");
    }

    #[test]
    fn what_misses_too_is_as_grave_as_before() {
        let (identity, miss) = (identity(), credential("shop", "carts"));
        let planned = declared(CLIENT, "fc");
        let miss = Miss { credential: &miss, differences: vec![] };
        let refusal = Refusal { client_id: CLIENT.into(), identity: Some(&identity), credentials: vec![] };
        let severity = |usual| Remedy::Misses(&planned, miss.clone()).severity(usual, &pod("", ""), &refusal);
        assert_eq!([Severity::Critical, Severity::Low].map(severity), [Severity::Critical, Severity::Low]);
        let severity = |usual| Remedy::Mends(&planned).severity(usual, &pod("", ""), &refusal);
        assert_eq!([Severity::Critical, Severity::Low].map(severity), [Severity::Medium, Severity::Low]);
    }

    #[test]
    fn a_template_is_deployed_and_a_plan_is_applied() {
        let planned = |coming| DeclaredCredential { coming, ..declared(CLIENT, "fc") };
        let (template, plan) = (planned(Coming::Nothing), planned(Coming::Made));
        let (inventory, parameters) = (cluster(), Parameters::default());
        let trust = Trust::join(&inventory, &parameters);
        let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
        let said = |it| (Remedy::Mends(it).words(), Remedy::Mends(it).fix(&presented));
        let (words, fix) = said(&template);
        assert_eq!(words, "fc, which is not deployed as it stands, trusts it");
        assert_eq!(fix, "deploy the template: fc declares the credential");
        let (words, fix) = said(&plan);
        assert_eq!(words, "fc, which is still to be applied, trusts it");
        assert_eq!(fix, "apply the configuration: fc declares the credential");
    }

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
