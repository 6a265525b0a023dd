//! Others that live by the credential of a ServiceAccount, beside the programs in its pods: drivers that mount for them,
//! kubelets, what custom resources have ask with its tokens, and operators that are told by them whose tokens to ask for.
//! Drivers and operators present the usual audience; those that are told to ask for another are not read.

use crate::inventory::SecretProviderClass;
use crate::model::{Body, Means, Volume};
use crate::on_behalf::{as_itself, runs_operator_of};
use crate::prelude::*;

/// Somebody else.
pub(super) struct Other {
    /// Who.
    pub(super) who: String,
    /// Whether it is known to ask.
    pub(super) is_known: bool,
}

/// What mounts for the pods of a workload by the tokens of their ServiceAccount, and asks for a client id, or may.
pub(super) fn mounts(workload: &Workload, client_id: &ClientId, trust: &Trust<'_>) -> Option<Other> {
    let namespace = &workload.namespace;
    let other = |what: &str, is_known| {
        let (kind, name) = (workload.kind.kind, &workload.name);
        Other { who: format!("{what} of {kind} `{namespace}/{name}`"), is_known }
    };
    let is_it = |said: &str| asks(said, client_id);
    let mount = |volume: &Volume| match volume {
        Volume::Token(_) => None,
        Volume::AzureStorage => Some(other("an inline volume", false)),
        Volume::Claim(name) => {
            let (_, login) = trust.volume_of(workload, name)?;
            is_it(&login.client_id).then(|| other(&format!("PersistentVolumeClaim `{name}`"), true))
        }
        Volume::SecretsStore(name) => {
            let class = trust.provider_class(workload, name).known();
            let fetches = |class: &SecretProviderClass| {
                class.azure.as_ref().is_some_and(|said| !said.token_proxy && is_it(&said.client_id))
            };
            let is_known = class.is_ok();
            let may = class.map_or(true, |class| class.is_some_and(fetches));
            may.then(|| other(&format!("SecretProviderClass `{name}`"), is_known))
        }
    };
    workload.template.volumes.iter().find_map(mount)
}

/// Who asks for a client id with the tokens of the ServiceAccount of a workload, and is none of its pods, or may.
pub(super) fn told(workload: &Workload, client_id: &ClientId, trust: &Trust<'_>) -> Option<Other> {
    let account = trust.service_account(workload).known().ok().flatten()?;
    let own = account.client_id();
    let is_own = own.as_ref().is_some_and(|own| asks(own.as_str(), client_id));
    let named = (account.namespace.as_str(), account.name.as_str());
    let by = |custom: &Custom| {
        let said = format!("{} `{}`", custom.kind.kind, custom.name);
        if custom.namespace.is_empty() { said } else { format!("{said} of namespace `{}`", custom.namespace) }
    };
    let named_by = |custom: &Custom| {
        let is_known = match &custom.body {
            Body::Store(store) => {
                let is_its = store.azure && store.auth_type == "WorkloadIdentity" && custom.account() == Some(named);
                let may = own.is_none() && store.client_id_in_secret;
                (is_its && (is_own || may)).then_some(is_own)
            }
            _ => {
                let mut logins = custom.logins().iter().filter(|it| it.means == Means::Workload);
                let is_its = |name: Option<&str>| name.map(|name| (custom.namespace.as_str(), name)) == Some(named);
                let is_it = |id: &str| own.as_ref().map_or_else(|| asks(id, client_id), |_| is_own);
                logins.any(|it| is_its(it.account.as_deref()) && is_it(&it.client_id)).then_some(true)
            }
        };
        is_known.map(|is_known| Other { who: by(custom), is_known })
    };
    if let Some(other) = trust.customs(workload.cluster).find_map(named_by) {
        return Some(other);
    }
    let pulls = account.annotations.get(annotation::ACR_CLIENT_ID).is_some_and(|said| asks(said, client_id));
    let may_be_named = is_own && trust.token_requester(workload).known().is_err();
    let may = |who: &str| Other { who: who.to_owned(), is_known: false };
    if pulls {
        return Some(may(&format!("the pulling of images, by annotation `{}`,", annotation::ACR_CLIENT_ID)));
    }
    may_be_named.then(|| may("a store of External Secrets that was not read"))
}

/// Whether a custom resource has an operator, which a workload is or may be, ask for a client id as itself.
pub(super) fn is_told(workload: &Workload, client_id: &ClientId, trust: &Trust<'_>) -> bool {
    let mut told = trust.customs(workload.cluster).filter(|custom| runs_operator_of(workload, custom).unwrap_or(true));
    told.any(|custom| as_itself(custom).any(|said| asks(said, client_id)))
}

fn asks(said: &str, client_id: &ClientId) -> bool {
    ClientId::from(said).folded() == client_id.folded()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::model::{AzureParameters, ClusterIx};
    use crate::parameters::Parameters;
    use crate::sample::{AUDIENCE, CLIENT, OPTS_IN, account, cluster, credential, custom, identity, pod};

    const HERE: ClusterIx = ClusterIx(0);
    const ANOTHER: &str = "44444444-4444-4444-4444-444444444444";

    /// A pod that asks with a token of another audience than the credential accepts.
    fn refused(more: &str) -> Workload {
        let token = r#"{"name":"own","projected":{"sources":[{"serviceAccountToken":{"path":"t","audience":"api://AzureADTokenExchangeOrders"}}]}}"#;
        let env = format!(r#""env":[{{"name":"AZURE_CLIENT_ID","value":"{CLIENT}"}}]"#);
        pod("", &format!(r#","containers":[{{"name":"app",{env}}}],"volumes":[{token}{more}]"#))
    }

    /// Who the fix says lives by the credential.
    fn fix(pods: Vec<Workload>, annotated: &str, change: impl FnOnce(&mut Inventory)) -> String {
        let mut inventory = Inventory { workloads: pods, identities: vec![identity()], ..cluster() };
        inventory.service_accounts.push(account(annotated));
        inventory.credentials.push(credential("shop", "cart"));
        let of = inventory.coverage.cluster(HERE);
        (of.deployments, of.provider_classes) = (Extent::Everything, Extent::Everything);
        change(&mut inventory);
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let fix = super::super::check(inventory.workloads.first().unwrap(), &trust).unwrap().unwrap().fix;
        let said = fix.split_once("as it is: ").and_then(|(_, rest)| rest.split_once(" by its audience"));
        said.map_or_else(|| "nobody".to_owned(), |(who, _)| who.to_owned())
    }

    fn by(json: &str) -> impl FnOnce(&mut Inventory) {
        let custom = custom(json);
        move |it: &mut Inventory| it.customs.push(custom)
    }

    #[test]
    fn what_drivers_mount_lives_by_it() {
        let csi = |driver: &str, attributes: &str| {
            format!(r#",{{"name":"v","csi":{{"driver":"{driver}","volumeAttributes":{{{attributes}}}}}}}"#)
        };
        let mounts = || csi("secrets-store.csi.k8s.io", r#""secretProviderClass":"vault""#);
        let class = |client_id: &str, token_proxy: bool| {
            let azure = AzureParameters { client_id: client_id.into(), token_proxy, ..AzureParameters::default() };
            let (namespace, name) = ("shop".into(), "vault".into());
            move |it: &mut Inventory| {
                it.provider_classes.push(SecretProviderClass { cluster: HERE, namespace, name, azure: Some(azure) });
            }
        };
        let own = || vec![refused(&mounts())];
        let vault = "SecretProviderClass `vault` of Pod `shop/cart`";
        assert_eq!(fix(own(), "", class(CLIENT, false)), format!("{vault} lives"), "for the pods themselves");
        assert_eq!(fix(own(), "", class(CLIENT, true)), "nobody", "by an identity binding");
        assert_eq!(fix(own(), "", class(ANOTHER, false)), "nobody");
        assert_eq!(fix(own(), "", |_| {}), "nobody", "there is no such class");
        let unread = |it: &mut Inventory| it.coverage.cluster(HERE).provider_classes = Extent::Nothing;
        assert_eq!(fix(own(), "", unread), format!("{vault} may live"));

        let beside = |it: Workload| vec![refused(""), Workload { name: "other".into(), ..it }];
        let volumes = format!(r#","volumes":[{}]"#, mounts().trim_start_matches(','));
        let other = || pod("", &volumes);
        let vault = "SecretProviderClass `vault` of Pod `shop/other` lives";
        assert_eq!(fix(beside(other()), "", class(CLIENT, false)), vault);
        let ended = Workload { life: crate::model::Life::Ended, ..other() };
        assert_eq!(fix(beside(ended), "", class(CLIENT, false)), "nobody");
        let elsewhere = Workload { namespace: "till".into(), ..other() };
        assert_eq!(fix(beside(elsewhere), "", class(CLIENT, false)), "nobody", "of another ServiceAccount");
        let accepts_another = |it: &mut Inventory| {
            class(CLIENT, false)(it);
            it.credentials.iter_mut().for_each(|it| it.audiences = vec!["api://orders".into()]);
        };
        assert_eq!(fix(own(), "", accepts_another), "nobody", "drivers present the usual one");
        let accepts_both = |it: &mut Inventory| {
            class(CLIENT, false)(it);
            it.credentials.iter_mut().for_each(|it| it.audiences = vec!["api://orders".into(), AUDIENCE.into()]);
        };
        assert!(fix(own(), "", accepts_both).ends_with(" lives"));

        let storage = csi("file.csi.azure.com", r#""mountWithWorkloadIdentityToken":"true""#);
        assert_eq!(fix(vec![refused(&storage)], "", |_| {}), "an inline volume of Pod `shop/cart` may live");
        let claim = r#",{"name":"v","persistentVolumeClaim":{"claimName":"files"}}"#;
        let volume = |id: &str| {
            format!(
                r#"{{"apiVersion":"v1","kind":"PersistentVolume","metadata":{{"name":"pv"}},"spec":{{"claimRef":{{"namespace":"shop","name":"files"}},"csi":{{"driver":"file.csi.azure.com","volumeAttributes":{{"clientID":"{id}","mountWithWorkloadIdentityToken":"true"}}}}}}}}"#
            )
        };
        let claimed = || vec![refused(claim)];
        assert_eq!(fix(claimed(), "", by(&volume(CLIENT))), "PersistentVolumeClaim `files` of Pod `shop/cart` lives");
        assert_eq!(fix(claimed(), "", by(&volume(ANOTHER))), "nobody");
        assert_eq!(fix(claimed(), "", |_| {}), "nobody");
    }

    #[test]
    fn what_custom_resources_have_ask_lives_by_it() {
        let store = |kind: &str, provider: &str| {
            let namespace = if kind == "SecretStore" { r#","namespace":"shop""# } else { "" };
            format!(
                r#"{{"apiVersion":"external-secrets.io/v1","kind":"{kind}","metadata":{{"name":"vault"{namespace}}},"spec":{{"provider":{{"azurekv":{{{provider}}}}}}}}}"#
            )
        };
        let own = r#""authType":"WorkloadIdentity","serviceAccountRef":{"name":"cart","namespace":"shop"}"#;
        let said = |annotated: &str, json: &str| fix(vec![refused("")], annotated, by(json));
        let named = store("SecretStore", own);
        assert_eq!(said(CLIENT, &named), "SecretStore `vault` of namespace `shop` lives");
        assert_eq!(said(CLIENT, &store("ClusterSecretStore", own)), "ClusterSecretStore `vault` lives");
        assert_eq!(said(ANOTHER, &named), "nobody", "it asks for what the ServiceAccount names");
        assert_eq!(said("", &named), "nobody");
        let secret = format!(r#"{own},"authSecretRef":{{"clientId":{{"name":"a","key":"b"}}}}"#);
        assert_eq!(said("", &store("SecretStore", &secret)), "SecretStore `vault` of namespace `shop` may live");
        assert_eq!(said(ANOTHER, &store("SecretStore", &secret)), "nobody", "the annotation says it");
        let by_principal = own.replace("WorkloadIdentity", "ServicePrincipal");
        assert_eq!(said(CLIENT, &store("SecretStore", &by_principal)), "nobody");
        let of_another = own.replace(r#""cart""#, r#""till""#);
        assert_eq!(said(CLIENT, &store("SecretStore", &of_another)), "nobody");

        let configuration = |namespace: &str, name: &str, id: &str| {
            format!(
                r#"{{"apiVersion":"azconfig.io/v1","kind":"AzureAppConfigurationProvider","metadata":{{"name":"app","namespace":"{namespace}"}},"spec":{{"auth":{{"workloadIdentity":{{"serviceAccountName":"{name}"{id}}}}}}}}}"#
            )
        };
        let app = "AzureAppConfigurationProvider `app` of namespace `shop` lives";
        assert_eq!(said(CLIENT, &configuration("shop", "cart", "")), app);
        assert_eq!(said(ANOTHER, &configuration("shop", "cart", "")), "nobody");
        let id = |id: &str| format!(r#","managedIdentityClientId":"{id}""#);
        assert_eq!(said("", &configuration("shop", "cart", &id(CLIENT))), app);
        assert_eq!(said("", &configuration("shop", "cart", &id(ANOTHER))), "nobody");
        assert_eq!(said(ANOTHER, &configuration("shop", "cart", &id(CLIENT))), "nobody", "the annotation says it");
        assert_eq!(said("", &configuration("shop", "till", &id(CLIENT))), "nobody");
        assert_eq!(said(CLIENT, &configuration("till", "cart", "")), "nobody");
        assert_eq!(said(CLIENT, &configuration("shop", "till", "")), "nobody");
    }

    #[test]
    fn stores_that_were_not_read_and_kubelets_may() {
        let missing = |it: &mut Inventory| it.coverage.cluster(HERE).token_requesters_missing = true;
        let said = |annotated: &str| fix(vec![refused("")], annotated, missing);
        assert_eq!(said(CLIENT), "a store of External Secrets that was not read may live");
        assert_eq!(said(ANOTHER), "nobody");
        let pulls = |id: &'static str| {
            move |it: &mut Inventory| {
                let pair = crate::model::Pair { key: annotation::ACR_CLIENT_ID.into(), value: id.into(), is_string: true };
                it.service_accounts.iter_mut().for_each(|it| it.annotations.0.push(pair.clone()));
            }
        };
        let who = format!("the pulling of images, by annotation `{}`, may live", annotation::ACR_CLIENT_ID);
        assert_eq!(fix(vec![refused("")], "", pulls(CLIENT)), who);
        assert_eq!(fix(vec![refused("")], "", pulls(ANOTHER)), "nobody");
        let unknown = |it: &mut Inventory| it.service_accounts.clear();
        assert_eq!(fix(vec![refused("")], CLIENT, unknown), "nobody");
    }

    #[test]
    fn an_operator_lives_by_what_custom_resources_tell_it() {
        let operator = |image: &str| {
            let it = pod(OPTS_IN, &format!(r#","containers":[{{"name":"app","image":"example.com/{image}:1"}}]"#));
            vec![refused(""), Workload { name: "operator".into(), ..it }]
        };
        let trigger = |provider: &str, id: &str| {
            format!(
                r#"{{"apiVersion":"keda.sh/v1alpha1","kind":"TriggerAuthentication","metadata":{{"name":"bus","namespace":"till"}},"spec":{{"podIdentity":{{"provider":"{provider}","identityId":"{id}"}}}}}}"#
            )
        };
        let lives = "Pod `shop/operator` lives";
        let told = trigger("azure-workload", CLIENT);
        assert_eq!(fix(operator("keda"), "", by(&told)), lives);
        assert_eq!(fix(operator("till"), "", by(&told)), "nobody", "it is no operator of KEDA");
        assert_eq!(fix(operator("keda"), "", by(&trigger("azure-workload", ANOTHER))), "nobody");
        assert_eq!(fix(operator("keda"), "", by(&trigger("azure", CLIENT))), "nobody");
        let issuer = |id: &str| {
            format!(
                r#"{{"apiVersion":"cert-manager.io/v1","kind":"ClusterIssuer","metadata":{{"name":"it"}},"spec":{{"acme":{{"solvers":[{{"dns01":{{"azureDNS":{{"managedIdentity":{{"clientID":"{id}"}}}}}}}}]}}}}}}"#
            )
        };
        assert_eq!(fix(operator("cert-manager-controller"), "", by(&issuer(CLIENT))), lives);
        assert_eq!(fix(operator("cert-manager-controller"), "", by(&issuer(ANOTHER))), "nobody");
        let crossplane = r#"{"apiVersion":"azure.upbound.io/v1beta1","kind":"ProviderConfig","metadata":{"name":"it"},"spec":{"credentials":{"source":"OIDCTokenFile"},"clientID":"33333333-3333-3333-3333-333333333333"}}"#;
        assert_eq!(fix(operator("whatever"), "", by(crossplane)), lives, "any may be its provider");
        let managed = format!(r#""managedIdentity":{{"clientID":"{CLIENT}"}}"#);
        let secret = format!(r#""clientID":"{CLIENT}","clientSecretSecretRef":{{"name":"a","key":"b"}}"#);
        let principal = issuer(CLIENT).replace(&managed, &secret);
        assert_eq!(fix(operator("cert-manager-controller"), "", by(&principal)), "nobody", "{principal}");
        let secret = crossplane.replace("OIDCTokenFile", "Secret");
        assert_eq!(fix(operator("whatever"), "", by(&secret)), "nobody");
        let of_account = format!(
            r#"{{"apiVersion":"azconfig.io/v1","kind":"AzureAppConfigurationProvider","metadata":{{"name":"app","namespace":"shop"}},"spec":{{"auth":{{"workloadIdentity":{{"serviceAccountName":"till","managedIdentityClientId":"{CLIENT}"}}}}}}}}"#
        );
        assert_eq!(fix(operator("whatever"), "", by(&of_account)), "nobody", "by another's token");
        let volume = format!(
            r#"{{"apiVersion":"v1","kind":"PersistentVolume","metadata":{{"name":"pv"}},"spec":{{"csi":{{"driver":"file.csi.azure.com","volumeAttributes":{{"clientID":"{CLIENT}","mountWithWorkloadIdentityToken":"true"}}}}}}}}"#
        );
        assert_eq!(fix(operator("whatever"), "", by(&volume)), "nobody", "by that of the pods that mount it");
    }
}
