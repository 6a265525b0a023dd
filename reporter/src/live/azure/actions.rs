//! Actions: what of Azure and Microsoft Graph the scan must be allowed to do, and what for.

/// Something that must be allowed, by Azure's roles.
///
/// The names are those of the resource providers' operations
/// (learn.microsoft.com/azure/role-based-access-control/resource-provider-operations).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// The action, as a role definition spells it.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether the scan judges the chain without it; what it lacks then is a gap in the report.
    pub optional: bool,
}

/// Something that must be granted to the caller's service principal in Entra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The application permission of Microsoft Graph.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether the scan judges managed identities without it.
    pub optional: bool,
}

/// What is asked of Azure Resource Manager and Resource Graph. All of it reads, none of it lists keys.
pub const ACTIONS: &[Action] = &[
    Action {
        name: "Microsoft.Resources/subscriptions/read",
        purpose: "to list the subscriptions that are visible",
        optional: false,
    },
    Action {
        name: "Microsoft.ManagedIdentity/userAssignedIdentities/read",
        purpose: "to list the managed identities",
        optional: false,
    },
    Action {
        name: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
        purpose: "to list the federated credentials of each managed identity",
        optional: false,
    },
    Action {
        name: "Microsoft.ContainerService/managedClusters/read",
        purpose: "to know the issuers of AKS clusters, and whether workload identity is on",
        optional: false,
    },
    Action {
        name: "Microsoft.ContainerService/managedClusters/identityBindings/read",
        purpose: "to know which identities are bound to AKS clusters, a preview",
        optional: true,
    },
    Action {
        name: "Microsoft.Kubernetes/connectedClusters/read",
        purpose: "to know the issuers of clusters that are connected by Azure Arc",
        optional: true,
    },
    Action {
        name: "Microsoft.Authorization/roleAssignments/read",
        purpose: "to know what identities that pods can become may do",
        optional: true,
    },
    Action {
        name: "Microsoft.ResourceGraph/resources/read",
        purpose: "to list all of these in a few requests; without it each subscription is asked by itself",
        optional: true,
    },
    Action {
        name: "Microsoft.Authorization/permissions/read",
        purpose: "to ask, as here, what the caller may do; a scan does not",
        optional: true,
    },
];

/// What is asked of a tenant's root management group.
pub const ROOT: Action = Action {
    name: "Microsoft.Management/managementGroups/descendants/read",
    purpose: "at the root management group, to know that no subscription is hidden; without it nothing is said of client ids that exist nowhere",
    optional: true,
};

/// What is asked of Microsoft Graph.
pub const PERMISSIONS: &[Permission] = &[Permission {
    name: "Application.Read.All",
    purpose: "to list the app registrations and their federated credentials",
    optional: true,
}];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ACTIONS, PERMISSIONS};

    #[test]
    fn nothing_is_asked_for_but_to_read() {
        assert!(ACTIONS.iter().all(|it| it.name.ends_with("/read")));
        assert!(PERMISSIONS.iter().all(|it| it.name.ends_with(".Read.All")));
    }

    #[test]
    fn each_action_is_named_once() {
        let names: BTreeSet<&str> = ACTIONS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
    }
}
