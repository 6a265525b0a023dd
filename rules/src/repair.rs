//! Repairs: the exact commands that mend a credential, with every word safe to paste into a shell.

use alloc::format;
use alloc::string::{String, ToString};
#[cfg(feature = "audit")]
use alloc::vec::Vec;

use serde::Serialize;

#[cfg(feature = "audit")]
use crate::model::Cluster;
#[cfg(feature = "audit")]
use crate::model::rbac::{IDENTITY_GROUP, USE_IDENTITY};
use crate::model::{Audience, ClientId, FederatedIdentityCredential, Identity, IdentityKind, Issuer, Subject};
use crate::near::Token;
#[cfg(feature = "audit")]
use crate::near::{self, Difference, Field, Miss};
use crate::trust::Trust;

/// What `--parameters` of an app registration's credential holds.
#[derive(Serialize)]
struct Parameters<'a> {
    audiences: [&'a Audience; 1],
    issuer: &'a Issuer,
    name: &'a str,
    subject: &'a Subject,
}

/// Quotes a word for a POSIX shell; plain words stay plain.
pub fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The command that sets an annotation of a ServiceAccount.
pub fn annotate(namespace: &str, account: &str, key: &str, value: &str) -> String {
    let pair = format!("{key}={value}");
    format!(
        "kubectl annotate serviceaccount {} --namespace {} --overwrite {}",
        shell(account),
        shell(namespace),
        shell(&pair)
    )
}

/// The command that lets the service principal of a client id sign in again.
#[cfg(feature = "audit")]
pub fn enable(client_id: &ClientId) -> String {
    format!("az ad sp update --id {} --set accountEnabled=true", shell(client_id.as_str()))
}

/// The command that adds a credential to an identity, and what has to come first where it takes no more.
#[cfg(feature = "audit")]
pub fn create(identity: &Identity, token: &Token, trust: &Trust<'_>) -> String {
    let command = repair(identity, None, token);
    let (used, limit) = (trust.credentials_seen(identity).len(), trust.parameters().credential_limit as usize);
    if used < limit {
        return command;
    }
    format!(
        "`{}` has {used} credentials, and an identity takes {limit}: delete those that nothing needs (AWI311 names those whose ServiceAccount does not exist), then: {command}; or give this workload an identity of its own",
        identity.name
    )
}

/// The command that adds a credential to an identity.
#[cfg(not(feature = "audit"))]
pub fn create(identity: &Identity, token: &Token, _: &Trust<'_>) -> String {
    repair(identity, None, token)
}

/// The command that makes `identity` trust `token`: it corrects the credential called `correct`,
/// or adds one.
pub fn repair(identity: &Identity, correct: Option<&FederatedIdentityCredential>, token: &Token) -> String {
    if identity.id.is_empty() {
        // Settings name identities by client id alone, which no command takes.
        return addition(&identity.client_id, token);
    }
    let verb = if correct.is_some() { "update" } else { "create" };
    let name = correct.map_or_else(|| credential_name(token), |credential| credential.name.clone());
    match identity.kind {
        IdentityKind::UserAssigned => format!(
            "az identity federated-credential {verb} {} --name {} --issuer {} --subject {} --audiences {}",
            address(identity),
            shell(&name),
            shell(token.issuer.as_str()),
            shell(token.subject.as_str()),
            shell(token.audience.as_str()),
        ),
        IdentityKind::Application => {
            let parameters = Parameters {
                audiences: [&token.audience],
                issuer: &token.issuer,
                name: &name,
                subject: &token.subject,
            };
            let parameters = serde_json::to_string(&parameters).unwrap_or_default();
            let which = correct.map_or_else(String::new, |_| format!(" --federated-credential-id {}", shell(&name)));
            format!(
                "az ad app federated-credential {verb} {}{which} --parameters {}",
                address(identity),
                shell(&parameters),
            )
        }
    }
}

/// In words, for an identity of which only the client id is known.
pub fn addition(client_id: &ClientId, token: &Token) -> String {
    addition_to(&format!("the identity of client id {client_id}"), token)
}

/// In words, for an identity that only its user can name.
pub fn addition_to(identity: &str, token: &Token) -> String {
    format!(
        "add a federated credential to {identity}: --issuer {} --subject {} --audiences {}",
        shell(token.issuer.as_str()),
        shell(token.subject.as_str()),
        shell(token.audience.as_str()),
    )
}

/// What to change where a credential is declared, so that it trusts `token`; `None` if it is not declared.
#[cfg(feature = "audit")]
pub fn at_declaration(miss: &Miss<'_>, token: &Token) -> Option<String> {
    let address = miss.credential.declared.as_ref()?;
    let set = |difference: &Difference| match difference.field {
        Field::Issuer => format!("the issuer to `{}`", token.issuer),
        Field::Subject => format!("the subject to `{}`", token.subject),
        Field::Audience => format!("the audience to `{}`", token.audience),
    };
    let all = miss.differences.iter().map(set).collect::<Vec<_>>().join(" and ");
    (!all.is_empty()).then(|| format!("at {address} set {all}"))
}

/// The command, or in words what to do, that makes a credential trust `token` instead of what it
/// trusts: if its identity holds such a credential already, this one is to be deleted. What is declared is
/// corrected where it is declared, and what a plan corrects waits for its apply.
pub fn correction(trust: &Trust<'_>, credential: &FederatedIdentityCredential, token: &Token) -> String {
    #[cfg(feature = "audit")]
    if let Some(said) = near::miss(token, credential).and_then(|miss| at_declaration(&miss, token)) {
        return said;
    }
    #[cfg(feature = "audit")]
    if let Some(coming) = trust.coming_to(credential)
        && (coming.is_deleted()
            || coming.will_trust(&token.issuer, &token.subject, core::slice::from_ref(&token.audience)) == Some(true))
    {
        let does = if coming.is_deleted() { "deletes" } else { "corrects" };
        return format!("apply the configuration: {} {does} the credential", coming.address);
    }
    let Some(identity) = trust.parent(credential) else {
        return format!(
            "set the credential's issuer to {}, its subject to {} and its audience to {}",
            token.issuer, token.subject, token.audience
        );
    };
    let same = |other: &&FederatedIdentityCredential| {
        *other != credential && other.issuer == token.issuer && other.subject.as_ref() == Some(&token.subject)
    };
    if trust.credentials_seen(identity).iter().any(same) {
        removal(trust, credential)
    } else {
        repair(identity, Some(credential), token)
    }
}

/// The command, or in words what to do, that deletes a credential.
pub fn removal(trust: &Trust<'_>, credential: &FederatedIdentityCredential) -> String {
    if let Some(address) = &credential.declared {
        return format!("take {address} out of the configuration");
    }
    #[cfg(feature = "audit")]
    if let Some(coming) = trust.coming_to(credential).filter(|it| it.is_deleted()) {
        return format!("apply the configuration, which deletes {}", coming.address);
    }
    let name = shell(&credential.name);
    match trust.parent(credential) {
        Some(identity) if identity.kind == IdentityKind::UserAssigned => {
            format!("az identity federated-credential delete {} --name {name}", address(identity))
        }
        Some(identity) => {
            format!("az ad app federated-credential delete {} --federated-credential-id {name}", address(identity))
        }
        None => format!("delete federated credential {name}"),
    }
}

/// The command that ties an identity to a cluster of AKS by an identity binding.
#[cfg(feature = "audit")]
pub fn binding(cluster: Option<&Cluster>, identity: Option<&Identity>, client_id: &ClientId) -> String {
    let (mut name, mut group, mut of) = ("CLUSTER", "RESOURCE_GROUP", String::new());
    if let Some(cluster) = cluster {
        name = &cluster.name;
        group = if cluster.resource_group.is_empty() { group } else { &cluster.resource_group };
        of = subscription(&cluster.id).map_or_else(String::new, |id| format!(" --subscription {}", shell(id)));
    }
    let resource = identity.map(|identity| identity.id.as_str()).filter(|id| !id.is_empty());
    format!(
        "az aks identity-binding create --cluster-name {} --resource-group {}{of} --name {} --managed-identity-resource-id {}",
        shell(name),
        shell(group),
        client_id.folded(),
        shell(resource.unwrap_or("IDENTITY_RESOURCE_ID")),
    )
}

/// The commands that let a ServiceAccount use an identity through an identity binding of AKS.
#[cfg(feature = "audit")]
pub fn permission(namespace: &str, account: &str, client_id: &ClientId) -> String {
    let (id, role) = (client_id.folded(), format!("use-mi-{}", client_id.folded()));
    // kubectl creates no role on resources that the API server does not serve, unless it is a manifest.
    format!(
        r#"echo '{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"{role}"}},"rules":[{{"apiGroups":["{IDENTITY_GROUP}"],"resources":["{id}"],"verbs":["{USE_IDENTITY}"]}}]}}' | kubectl apply -f - && kubectl create clusterrolebinding {} --clusterrole={role} --serviceaccount={}"#,
        shell(&format!("{role}-{namespace}-{account}")),
        shell(&format!("{namespace}:{account}")),
    )
}

fn address(identity: &Identity) -> String {
    if identity.kind == IdentityKind::Application {
        return format!("--id {}", shell(&identity.client_id.0));
    }
    let group = if identity.resource_group.is_empty() { "RESOURCE_GROUP" } else { &identity.resource_group };
    let subscription =
        subscription(&identity.id).map_or_else(String::new, |id| format!(" --subscription {}", shell(id)));
    format!("--identity-name {} --resource-group {}{subscription}", shell(&identity.name), shell(group))
}

/// The subscription of a resource id.
pub fn subscription(resource_id: &str) -> Option<&str> {
    let mut segments = resource_id.split('/').skip(1);
    segments.next().filter(|segment| segment.eq_ignore_ascii_case("subscriptions"))?;
    segments.next().filter(|id| !id.is_empty())
}

/// The resource group of a resource id.
pub fn resource_group(resource_id: &str) -> Option<&str> {
    let mut segments = resource_id.split('/').skip(3);
    segments.next().filter(|segment| segment.eq_ignore_ascii_case("resourceGroups"))?;
    segments.next().filter(|group| !group.is_empty())
}

/// A name for a credential of this token, within what Azure allows: 3 to 120 letters, digits, `-`
/// and `_`, a letter or digit first (azure-rest-api-specs, Microsoft.ManagedIdentity). It ends with
/// a piece of the issuer: by the same name `create` would overwrite another cluster's credential.
fn credential_name(token: &Token) -> String {
    let (namespace, name) = token.subject.service_account().unwrap_or(("credential", "new"));
    let plain = |text: &str| text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let mut text = plain(&format!("{namespace}-{name}")).trim_start_matches('-').to_string();
    text.truncate(100);
    let cluster = token.issuer.segments().last().unwrap_or_else(|| token.issuer.host());
    let mut cluster = plain(cluster);
    cluster.truncate(8);
    format!("{text}-{cluster}").trim_matches('-').into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Subject;

    fn token() -> Token {
        Token {
            issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/".into(),
            subject: Subject::of("shop", "cart"),
            audience: "api://AzureADTokenExchange".into(),
        }
    }

    #[test]
    fn a_new_credential_has_a_name_of_its_own_on_each_cluster() {
        assert_eq!(credential_name(&token()), "shop-cart-22222222");
        let far = Token {
            issuer: "https://oidc.example.com".into(),
            subject: Subject::of("${ns}", &"a.".repeat(200)),
            ..token()
        };
        let name = credential_name(&far);
        assert!(name.len() <= 120 && name.starts_with("ns-") && name.ends_with("oidc-exa"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
    }

    #[test]
    fn a_hostile_name_stays_one_word_of_the_shell() {
        assert_eq!(shell("id-cart"), "id-cart");
        assert_eq!(shell("$(rm -rf ~)'"), "'$(rm -rf ~)'\\'''");
        assert_eq!(shell(""), "''");
    }
}
