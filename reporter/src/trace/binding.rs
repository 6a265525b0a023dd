//! The last links of a walk where the pods speak through an identity binding of AKS: what ties the
//! identity to the cluster, who may use it there, and the credential that AKS keeps for it.

use wiguard_rules::model::rbac::{IDENTITY_GROUP, USE_IDENTITY};
use wiguard_rules::model::{
    ClientId, Identity, IdentityKind, Power, RoleBinding, ServiceAccount, annotation, is_placeholder, label,
};
use wiguard_rules::repair;
use wiguard_rules::trust::{CREDENTIAL_OF_BINDINGS, Link, Unknown};

use super::walk::{State, Step, Walker};

impl Walker<'_, '_> {
    /// The annotation, if there is one that asks for something.
    pub(super) fn annotation(&self) -> Option<Step> {
        let link = "pod annotation";
        let value = self.workload.template.annotations.get(annotation::USE_IDENTITY_BINDING).unwrap_or_default();
        if value.is_empty() || value.eq_ignore_ascii_case("false") || is_placeholder(value) {
            return None;
        }
        let field = self.workload.annotation_path(annotation::USE_IDENTITY_BINDING);
        if !self.workload.uses_identity_binding() {
            let step = Step::new(link, State::Broken, "this value asks for no identity binding: only \"true\" does");
            return Some(step.compare(&field, "true", Some(value)).fix(format!("set {field} to \"true\"")));
        }
        if !self.workload.opts_in() {
            let label = self.workload.label_path(label::USE);
            let message = "only the webhook gives the token of an identity binding, and it passes these pods over";
            let step = Step::new(link, State::Broken, message);
            let actual = self.workload.template.labels.get(label::USE);
            return Some(step.compare(&label, "true", actual).fix(format!("set {label} to \"true\"")));
        }
        Some(Step::new(link, State::Holds, format!("{}: \"{value}\"", annotation::USE_IDENTITY_BINDING)))
    }

    /// The links beyond the identities that are asked for.
    pub(super) fn bindings(&mut self, asked: &[ClientId], account: &Link<&ServiceAccount>) -> Option<()> {
        for client_id in asked {
            for step in [Self::binding, Self::permission, Self::credential_of_binding] {
                self.add(step(self, client_id, account))?;
            }
        }
        Some(())
    }

    fn binding(&self, client_id: &ClientId, _: &Link<&ServiceAccount>) -> Step {
        const LINK: &str = "binding";
        let identity = self.identity_of(client_id);
        if let Some(identity) = identity.filter(|identity| identity.kind == IdentityKind::Application) {
            return Step::new(LINK, State::Broken, "an identity binding ties managed identities alone")
                .compare("identity", "a managed identity", Some(&format!("app registration {}", identity.name)))
                .fix("name a managed identity, or take the annotation from the pods and give the app a credential");
        }
        let cluster = self.trust.cluster(self.workload.cluster);
        let named = cluster.map(|cluster| cluster.name.as_str()).filter(|name| !name.is_empty());
        let called = named.map_or("the cluster".into(), |name| format!("cluster {name}"));
        match self.trust.identity_binding(self.workload.cluster, client_id) {
            Link::Found(binding) => {
                let name = binding.id.rsplit('/').next().unwrap_or_default();
                Step::new(LINK, State::Holds, format!("{name} ties the identity to {called}"))
            }
            Link::Absent => {
                let bound = self.trust.identity_bindings(self.workload.cluster);
                let others: Vec<&str> = bound.filter_map(|(_, own)| own).map(ClientId::as_str).collect();
                let message = format!("no identity binding ties the identity to {called}");
                Step::new(LINK, State::Broken, message)
                    .compare("client ids that are bound", client_id.as_str(), several(others).as_deref())
                    .fix(repair::binding(cluster, identity, client_id))
            }
            Link::Unknown(key) => Step::unknown(LINK, &Unknown(key)),
        }
    }

    fn permission(&self, client_id: &ClientId, account: &Link<&ServiceAccount>) -> Step {
        const LINK: &str = "permission";
        let account = match account {
            Link::Found(account) => *account,
            Link::Unknown(key) => return Step::unknown(LINK, &Unknown(key.clone())),
            Link::Absent => return Step::new(LINK, State::Broken, "there is no ServiceAccount that could have it"),
        };
        let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
        match self.trust.may_use(account, client_id) {
            Link::Found(binding) => {
                let by = format!("{} {}", binding.kind(), binding.name);
                let message = format!("{by} lets {namespace}/{name} `{USE_IDENTITY}`");
                Step::new(LINK, State::Holds, message).detail(format!("by {}", binding.role_name()))
            }
            Link::Absent => {
                let message = format!(
                    "no role lets ServiceAccount {namespace}/{name} use this client id, so its pods get no token"
                );
                let field = format!("resources of {IDENTITY_GROUP} with verb {USE_IDENTITY}");
                Step::new(LINK, State::Broken, message)
                    .compare(&field, &client_id.folded(), several(self.usable_by(account)).as_deref())
                    .fix(repair::permission(namespace, name, client_id))
            }
            Link::Unknown(key) => Step::unknown(LINK, &Unknown(key)),
        }
    }

    /// The client ids that a ServiceAccount was seen to be let use.
    fn usable_by(&self, account: &ServiceAccount) -> Vec<&str> {
        let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
        let of = |namespace| self.trust.bindings(account.cluster, namespace).iter().copied();
        let own = |binding: &&RoleBinding| binding.subjects.iter().any(|subject| subject.includes(namespace, name));
        let roles = of("").chain(of(namespace)).filter(own);
        let roles = roles.filter_map(|binding| self.trust.role(binding).known().ok().flatten());
        roles.flat_map(|role| role.grants_of(Power::UseIdentity)).flat_map(|it| &it.names).map(String::as_str).collect()
    }

    fn credential_of_binding(&self, client_id: &ClientId, _: &Link<&ServiceAccount>) -> Step {
        const LINK: &str = "credential";
        let identity = match self.trust.identity(client_id) {
            Link::Found(identity) => identity,
            Link::Absent => return Step::new(LINK, State::Broken, "there is no identity that could have one"),
            Link::Unknown(key) => return Step::unknown(LINK, &Unknown(key)),
        };
        match self.trust.credential_of_bindings(identity) {
            Link::Found(credential) => {
                let message = format!("{} trusts the tokens that AKS exchanges", credential.name);
                return Step::new(LINK, State::Holds, message).detail(format!("issuer    {}", credential.issuer));
            }
            Link::Unknown(key) => return Step::unknown(LINK, &Unknown(key)),
            Link::Absent => {}
        }
        let seen = self.trust.credentials_seen(identity);
        let altered = seen.iter().find(|it| it.issuer.is_identity_binding() || it.name == CREDENTIAL_OF_BINDINGS);
        let name = &identity.name;
        let message = match altered {
            Some(credential) => format!("{} of {name} is not as AKS made it", credential.name),
            None => {
                format!("{name} lacks the credential {CREDENTIAL_OF_BINDINGS}, which AKS makes with the first binding")
            }
        };
        let cluster = self.trust.cluster(self.workload.cluster);
        Step::new(LINK, State::Broken, message)
            .compare("issuer", &issuer(identity), altered.map(|credential| credential.issuer.as_str()))
            .fix(format!(
                "delete the identity binding and make it anew, so that AKS writes the credential: {}",
                repair::binding(cluster, Some(identity), client_id)
            ))
    }

    fn identity_of(&self, client_id: &ClientId) -> Option<&Identity> {
        self.trust.identity(client_id).known().ok().flatten()
    }
}

/// The issuer of all identity bindings of an identity (Microsoft Learn, Identity bindings in AKS).
fn issuer(identity: &Identity) -> String {
    let tenant = if identity.tenant_id.is_empty() { "TENANT" } else { &identity.tenant_id };
    format!("https://ib.oic.prod-aks.azure.com/{tenant}/{}", identity.client_id)
}

/// Values in a row, each once; nothing if there is none.
fn several(mut values: Vec<&str>) -> Option<String> {
    values.sort_unstable();
    values.dedup();
    (!values.is_empty()).then(|| values.join(", "))
}
