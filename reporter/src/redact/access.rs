//! Names in roles and their bindings.

use wiguard_rules::model::rbac::{ANONYMOUS, group};
use wiguard_rules::model::{Principal, Role, RoleBinding};

use super::Redactor;

/// Roles that every cluster has (Kubernetes, Using RBAC Authorization, user-facing roles).
const OWN_ROLES: [&str; 4] = ["cluster-admin", "admin", "edit", "view"];

/// Users and groups of Kubernetes' own that rules tell apart from others.
const OWN_PRINCIPALS: [&str; 6] =
    [group::AUTHENTICATED, group::UNAUTHENTICATED, group::SERVICE_ACCOUNTS, ANONYMOUS, "system:masters", "aks-support"];

impl Redactor {
    /// A Role or ClusterRole.
    pub(super) fn role(&mut self, role: &mut Role) {
        self.name(&mut role.namespace);
        self.role_name(&mut role.name);
        role.grants.iter_mut().flat_map(|grant| &mut grant.names).for_each(|name| self.text(name));
    }

    /// A RoleBinding or ClusterRoleBinding.
    pub(super) fn role_binding(&mut self, binding: &mut RoleBinding) {
        self.name(&mut binding.namespace);
        self.role_name(&mut binding.name);
        self.role_name(&mut binding.role);
        binding.subjects.iter_mut().for_each(|subject| self.principal(subject));
    }

    /// The name of a role or of its binding, unless every cluster has it.
    fn role_name(&self, name: &mut String) {
        if !OWN_ROLES.contains(&name.as_str()) {
            self.text(name);
        }
    }

    /// Who has a role. Groups and users of Kubernetes' own are everybody's, but for the namespace in the
    /// name of a group of ServiceAccounts.
    fn principal(&self, principal: &mut Principal) {
        match principal {
            Principal::ServiceAccount(namespace, name) => {
                self.text(namespace);
                self.text(name);
            }
            Principal::User(name) | Principal::Group(name) => match name.strip_prefix(group::SERVICE_ACCOUNTS_OF) {
                Some(of) => {
                    let mut of = of.to_owned();
                    self.text(&mut of);
                    *name = format!("{}{of}", group::SERVICE_ACCOUNTS_OF);
                }
                None if OWN_PRINCIPALS.contains(&name.as_str()) => {}
                None => self.text(name),
            },
        }
    }
}
