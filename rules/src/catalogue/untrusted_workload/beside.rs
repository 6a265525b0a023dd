//! A workload that is refused for its audience alone, by a credential that others live by as it is: an identity
//! holds no second one of its issuer and subject (Microsoft Learn, "Important considerations and restrictions for
//! federated identity credentials"), so that to correct it would cut those off.

use super::others;
use crate::catalogue::outdated_injection::anew;
use crate::exchange::{Refusal, client_ids, presented};
use crate::model::DEFAULT_AUDIENCE;
use crate::near::{Difference, Field, How, Miss};
use crate::prelude::*;

/// How many workloads of a ServiceAccount are looked at, each at its price.
const COMPARED: usize = 64;

/// In words, what mends `workload` and leaves the credential as it is; `None` if nobody seen lives by that.
pub(super) fn repair(
    workload: &Workload,
    refusal: &Refusal<'_>,
    nearest: &Miss<'_>,
    trust: &Trust<'_>,
) -> Option<String> {
    let [difference] = nearest.differences.as_slice() else { return None };
    if difference.field != Field::Audience {
        return None;
    }
    let (credential, wanted) = (nearest.credential, &difference.trusted);
    let leave = format!("leave credential `{}` as it is", credential.name);
    if is_of_before(workload, credential, trust) {
        let anew = anew(workload, trust);
        return Some(format!("{leave}: it accepts what the webhook gives new pods; {anew}"));
    }
    if is_misspelt(workload, difference, trust) {
        return Some(format!("set the audience of the pods' projected token to `{wanted}`; {leave}"));
    }
    let who = lives_by(workload, refusal, credential, trust).or_else(|| fed_by(workload, refusal, credential, trust))?;
    Some(format!(
        "{leave}: {who} by its audience, and an identity holds no second credential of this issuer and subject; have these pods' token ask for `{wanted}` too, or run them under another ServiceAccount or with another identity"
    ))
}

/// Whether the pods themselves misspell the usual audience, which the credential accepts. Admission, whose cluster has
/// no name, does not ask.
fn is_misspelt(workload: &Workload, audience: &Difference, trust: &Trust<'_>) -> bool {
    let is_named = trust.cluster(workload.cluster).is_some_and(|cluster| !cluster.name.is_empty());
    let is_slip = matches!(audience.how, How::Case | How::Slash | How::Space | How::Typo);
    let is_own = workload.own_audiences().any(|own| own.as_str() == audience.presented);
    is_named && is_slip && is_own && audience.trusted == DEFAULT_AUDIENCE
}

/// Who lives by a credential: another workload of the ServiceAccount, which asks for the identity, or may, with a token
/// that the credential accepts.
fn lives_by(
    workload: &Workload,
    refusal: &Refusal<'_>,
    credential: &FederatedIdentityCredential,
    trust: &Trust<'_>,
) -> Option<String> {
    let asks = |other: &Workload| {
        let mut asked = client_ids(other, trust).into_iter();
        asked.any(|asked| asked.map_or(true, |id| id.is_some_and(|id| id == refusal.client_id)))
            || others::is_told(other, &refusal.client_id, trust)
    };
    let lives = |other: &&&Workload| {
        let presented = presented(other, trust).ok().flatten();
        presented.is_some_and(|it| it.is_trusted_by(credential) == Some(true)) && asks(other)
    };
    let all = trust.workloads_of(workload.cluster, &workload.namespace, workload.service_account());
    let mut others = all.iter().filter(|other| !other.has_ended());
    if let Some(other) = others.by_ref().take(COMPARED).find(lives) {
        return Some(format!("{} `{}/{}` lives", other.kind.kind, other.namespace, other.name));
    }
    others.next().map(|_| "one of the many other workloads of its ServiceAccount may live".to_owned())
}

/// What else lives by a credential that accepts the usual audience: what is asked for with the tokens of the
/// ServiceAccount, for its pods or in their place.
fn fed_by(
    workload: &Workload,
    refusal: &Refusal<'_>,
    credential: &FederatedIdentityCredential,
    trust: &Trust<'_>,
) -> Option<String> {
    if credential.audiences.iter().all(|audience| audience.as_str() != DEFAULT_AUDIENCE) {
        return None;
    }
    let all = trust.workloads_of(workload.cluster, &workload.namespace, workload.service_account());
    let mut mounting = all.iter().filter(|it| !it.has_ended() && !it.template.volumes.is_empty());
    let mounts = |it: &&Workload| others::mounts(it, &refusal.client_id, trust);
    let other = mounting.find_map(mounts).or_else(|| others::told(workload, &refusal.client_id, trust))?;
    Some(format!("{} {}", other.who, if other.is_known { "lives" } else { "may live" }))
}

/// Whether a pod was given a token by the webhook, which gives a new one that is accepted.
fn is_of_before(pod: &Workload, credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> bool {
    pod.template.live
        && pod.needs_webhook()
        && trust.given_now(pod.cluster).iter().any(|audience| credential.audiences.contains(audience))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::declared::{Coming, Declared, DeclaredCredential};
    use crate::inventory::Inventory;
    use crate::model::{Life, Platform};
    use crate::parameters::Parameters;
    use crate::sample::{AUDIENCE, CLIENT, ISSUER, OPTS_IN, account, cluster, credential, declared, identity, pod, workload};

    const OTHER: &str = "api://AzureADTokenExchangeOrders";
    /// A pod that runs, which the webhook was asked about.
    const RUNS: &str = r#","uid":"5f0c","labels":{"azure.workload.identity/use":"true"}"#;

    fn volume(name: &str, audience: &str) -> String {
        format!(
            r#","volumes":[{{"name":"{name}","projected":{{"sources":[{{"serviceAccountToken":{{"path":"azure-identity-token","audience":"{audience}"}}}}]}}}}]"#
        )
    }

    fn own(audience: &str) -> Workload {
        pod("", &volume("own", audience))
    }

    fn webhook(more: &str) -> Workload {
        workload(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"azure-wi-webhook-controller-manager","namespace":"wi"}},"spec":{{{more}"template":{{"spec":{{"containers":[{{"name":"manager"}}]}}}}}}}}"#
        ))
    }

    /// The fix for `it`, where the credential accepts `accepted`, beside others.
    fn fix_of(it: Workload, accepted: &str, others: Vec<Workload>, change: fn(&mut Inventory)) -> String {
        let mut inventory = Inventory { workloads: vec![it], ..cluster() };
        inventory.workloads.extend(others);
        inventory.identities.push(identity());
        inventory.credentials.push(FederatedIdentityCredential {
            audiences: vec![accepted.into()],
            ..credential("shop", "cart")
        });
        inventory.service_accounts.push(account(CLIENT));
        change(&mut inventory);
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        super::super::check(inventory.workloads.first().unwrap(), &trust).unwrap().unwrap().fix
    }

    #[test]
    fn a_credential_that_others_live_by_is_left_as_it_is() {
        let fix = |others: Vec<Workload>| fix_of(own(AUDIENCE), OTHER, others, |_| {});
        let said = fix(vec![own(AUDIENCE), own(OTHER)]);
        assert!(said.starts_with("leave credential `shop-cart` as it is: Pod `shop/cart` lives by"), "{said}");
        assert!(said.contains(&format!("ask for `{OTHER}`")), "{said}");
        let env = |client: &str| {
            let env = format!(r#"{{"name":"AZURE_CLIENT_ID",{client}}}"#);
            let containers = format!(r#","containers":[{{"name":"app","env":[{env}]}}]"#);
            pod("", &format!("{}{containers}", volume("own", OTHER)))
        };
        assert!(fix(vec![env(&format!(r#""value":"{CLIENT}""#))]).starts_with("leave "));
        assert!(fix(vec![env(r#""valueFrom":{"secretKeyRef":{"name":"a","key":"b"}}"#)]).starts_with("leave "));
        let of = |name: &str, client: &str| {
            format!(r#"{{"name":"{name}","env":[{{"name":"AZURE_CLIENT_ID","value":"{client}"}}]}}"#)
        };
        let (one, another) = (of("app", "44444444-4444-4444-4444-444444444444"), of("side", CLIENT));
        let one_of_two = pod("", &format!(r#"{},"containers":[{one},{another}]"#, volume("own", OTHER)));
        assert!(fix(vec![one_of_two]).starts_with("leave "), "one of its containers does");
        for lives_by_another in [
            env(r#""value":"44444444-4444-4444-4444-444444444444""#),
            env(r#""value":"""#),
            own(AUDIENCE),
            pod("", ""),
            Workload { life: Life::Ended, ..own(OTHER) },
        ] {
            let said = fix(vec![lives_by_another.clone()]);
            assert!(said.contains(" update "), "{said} {lives_by_another:?}");
        }
        let many = |count: usize| fix(core::iter::repeat_n(own(AUDIENCE), count).collect());
        assert!(many(COMPARED - 1).contains(" update "), "none of them does");
        assert!(many(COMPARED).contains("one of the many other workloads of its ServiceAccount may live"));
    }

    #[test]
    fn one_that_is_refused_for_more_than_its_audience_gets_its_own_credential() {
        let of = |change: fn(&mut Inventory)| fix_of(own(AUDIENCE), OTHER, vec![own(OTHER)], change);
        let said = of(|it| it.credentials.iter_mut().for_each(|it| it.subject = Some(Subject::of("shop", "till"))));
        assert!(said.contains(" create "), "{said}");
        let accepts = |it: &mut Inventory| {
            it.credentials.iter_mut().for_each(|it| {
                it.audiences = vec![AUDIENCE.into()];
                it.subject = Some(Subject::of("shop", "Cart"));
            });
        };
        let said = of(accepts);
        assert!(said.contains(" update "), "{said}");
        let is_declared = |it: &mut Inventory| {
            let to_come = DeclaredCredential {
                coming: Coming::Changed,
                issuer: Some(ISSUER.into()),
                subject: Some(Subject::of("shop", "cart")),
                audiences: Some(vec![AUDIENCE.into()]),
                ..declared(CLIENT, "shop-cart")
            };
            it.declared = Declared::of(vec![to_come], false);
        };
        assert!(of(is_declared).starts_with("apply the configuration"), "{}", of(is_declared));
    }

    #[test]
    fn what_the_pods_misspell_is_mended_there() {
        let own = |audience: &str, file: &str| {
            let env = format!(r#"{{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"{file}"}}"#);
            let mounts = r#""volumeMounts":[{"name":"own","mountPath":"/t"}]"#;
            let containers = format!(r#","containers":[{{"name":"app","env":[{env}],{mounts}}}]"#);
            pod("", &format!("{}{containers}", volume("own", audience)))
        };
        let fix = |audience: &str, accepted: &str, change: fn(&mut Inventory)| {
            fix_of(own(audience, "/t/azure-identity-token"), accepted, vec![], change)
        };
        let slip = "api://AzureADTokenexchange";
        let said = fix(slip, AUDIENCE, |_| {});
        assert!(said.starts_with(&format!("set the audience of the pods' projected token to `{AUDIENCE}`; ")), "{said}");
        assert!(fix("api://AzureADTokenExchang", AUDIENCE, |_| {}).starts_with("set "));
        assert!(fix("api://AzureADTokenExchange/", AUDIENCE, |_| {}).starts_with("set "));
        assert!(fix("api://AzureADTokenExchange ", AUDIENCE, |_| {}).starts_with("set "));
        let nameless = |it: &mut Inventory| it.clusters.iter_mut().for_each(|it| it.name.clear());
        assert!(fix(slip, AUDIENCE, nameless).contains(" update "), "as admission says");
        assert!(fix(AUDIENCE, slip, |_| {}).contains(" update "), "the credential misspells it");
        assert!(fix("api://orders", AUDIENCE, |_| {}).contains(" update "), "it may be meant");
        let mut beside_another = own(slip, "/t/azure-identity-token");
        let vault = pod("", &volume("vault", "vault"));
        beside_another.template.volumes.extend(vault.template.volumes);
        assert!(fix_of(beside_another, AUDIENCE, vec![], |_| {}).starts_with("set "));
    }

    #[test]
    fn a_pod_of_before_is_made_anew_where_a_new_one_is_trusted() {
        let before = || pod(RUNS, &volume("azure-identity-token", "api://before"));
        let anew = |it: Workload, accepted: &str, others: Vec<Workload>, change: fn(&mut Inventory)| {
            let said = fix_of(it, accepted, others, change);
            said.ends_with("gives new pods; create pod cart anew")
        };
        assert!(anew(before(), AUDIENCE, vec![webhook("")], |_| {}));
        let azures = |it: &mut Inventory| {
            it.clusters.iter_mut().for_each(|it| {
                it.platform = Platform::Aks;
                it.workload_identity_enabled = Some(true);
            });
        };
        assert!(anew(before(), AUDIENCE, vec![], azures));
        assert!(!anew(before(), AUDIENCE, vec![], |_| {}), "what the webhook asks for was not seen");
        assert!(!anew(before(), AUDIENCE, vec![webhook(r#""replicas":0,"#)], |_| {}));
        assert!(!anew(before(), OTHER, vec![webhook("")], |_| {}), "nor is a new one");
        let of_another = |it: &mut Inventory| {
            it.credentials.iter_mut().for_each(|it| it.subject = Some(Subject::of("shop", "till")));
        };
        assert!(!anew(pod(RUNS, ""), AUDIENCE, vec![webhook("")], of_another), "nor is its subject");
        let manifest = pod(OPTS_IN, "");
        assert!(!anew(manifest, OTHER, vec![webhook("")], azures));
        let by_itself = pod(r#","uid":"5f0c""#, &volume("own", "api://AzureADTokenExchangeOwn"));
        assert!(!anew(by_itself, AUDIENCE, vec![webhook("")], |_| {}), "it asks for that itself");
    }
}
