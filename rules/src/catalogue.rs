//! The catalogue: one line for each rule, on what occasion it judges, its id and its file. An id is
//! never reused.

use alloc::string::String;

use crate::rule::Rule;

/// A rule with its place in the catalogue.
pub struct Entry {
    /// `AWI` and three digits.
    pub id: &'static str,
    /// The rule's file.
    module: &'static str,
    /// What it is.
    pub rule: &'static Rule,
    /// Its manual page: the head of its file, as Markdown.
    #[cfg(feature = "manual")]
    source: &'static str,
}

macro_rules! catalogue {
    ($($(#[$gate:meta])? $occasion:ident $id:ident => $module:ident,)*) => {
        $($(#[$gate])? mod $module;)*

        /// Every rule, by id.
        pub static CATALOGUE: &[Entry] = &[$($(#[$gate])? catalogue!(@entry $id $module)),*];

        catalogue!(@admission [] $($occasion $id $module)*);
    };
    (@admission [$($kept:ident $module:ident)*] admission $id:ident $next:ident $($rest:ident)*) => {
        catalogue!(@admission [$($kept $module)* $id $next] $($rest)*);
    };
    (@admission [$($kept:ident $module:ident)*] audit $id:ident $next:ident $($rest:ident)*) => {
        catalogue!(@admission [$($kept $module)*] $($rest)*);
    };
    (@admission [$($id:ident $module:ident)*]) => {
        /// The rules about what an admission request can carry, by id. A list of its own, so that
        /// the policy module is built without the others.
        pub static ADMISSION: &[Entry] = &[$(catalogue!(@entry $id $module)),*];
    };
    (@entry $id:ident $module:ident) => {
        Entry {
            id: stringify!($id),
            module: stringify!($module),
            rule: &$module::RULE,
            #[cfg(feature = "manual")]
            source: include_str!(concat!("catalogue/", stringify!($module), ".rs")),
        }
    };
}

catalogue! {
    admission AWI101 => label_on_workload_metadata,
    admission AWI102 => label_value_not_true,
    admission AWI103 => misspelt_pod_key,
    admission AWI104 => pod_not_opted_in,
    audit AWI105 => pod_not_mutated,
    admission AWI106 => label_in_selector,
    audit AWI107 => label_on_service_account,
    admission AWI108 => default_service_account,
    admission AWI109 => invalid_proxy_settings,
    admission AWI110 => migration_proxy,
    admission AWI111 => wrong_skip_containers,
    admission AWI112 => virtual_node,
    #[cfg(feature = "audit")]
    audit AWI113 => preset_variable,
    #[cfg(feature = "audit")]
    audit AWI114 => service_account_missing,
    admission AWI201 => misspelt_account_annotation,
    admission AWI202 => client_id_not_a_guid,
    admission AWI203 => client_id_missing,
    admission AWI204 => tenant_id_malformed,
    admission AWI205 => annotation_on_pod,
    admission AWI206 => client_id_unknown,
    #[cfg(feature = "audit")]
    audit AWI207 => identity_of_another_tenant,
    #[cfg(feature = "audit")]
    audit AWI208 => outdated_injection,
    admission AWI301 => untrusted_workload,
    audit AWI302 => credential_differs_in_case,
    admission AWI303 => near_miss_in_subject,
    audit AWI304 => issuer_trailing_slash,
    audit AWI305 => issuer_of_another_cluster,
    audit AWI306 => malformed_issuer,
    #[cfg(feature = "audit")]
    audit AWI307 => wrong_audience,
    audit AWI308 => malformed_subject,
    audit AWI309 => wildcard_trust,
    #[cfg(feature = "audit")]
    audit AWI310 => duplicate_credential,
    audit AWI311 => dangling_credential,
    audit AWI312 => credential_for_shared_account,
    audit AWI313 => unapproved_issuer,
    #[cfg(feature = "audit")]
    audit AWI401 => credential_quota,
    audit AWI402 => shared_identity,
    #[cfg(feature = "audit")]
    audit AWI403 => identity_across_environments,
    audit AWI404 => identity_of_the_cluster,
    audit AWI405 => region_without_federation,
    #[cfg(feature = "audit")]
    audit AWI406 => concurrent_credential_writes,
    audit AWI407 => over_privileged_identity,
    admission AWI501 => invalid_token_expiration,
    audit AWI502 => lifetime_overridden,
    #[cfg(feature = "audit")]
    audit AWI503 => hard_coded_token_path,
    #[cfg(feature = "audit")]
    audit AWI504 => volume_collision,
    #[cfg(feature = "audit")]
    audit AWI505 => inconsistent_projected_token,
    admission AWI601 => aad_pod_identity_label,
    audit AWI602 => aad_pod_identity_resource,
    admission AWI603 => bound_both_ways,
    audit AWI604 => aad_pod_identity_remains,
    admission AWI605 => static_credential_shadows,
    admission AWI606 => static_credential,
    audit AWI607 => credential_chain_without_workload_identity,
    #[cfg(feature = "audit")]
    audit AWI701 => cluster_not_enabled,
    #[cfg(feature = "audit")]
    audit AWI702 => webhook_out_of_order,
    #[cfg(feature = "audit")]
    audit AWI703 => notable_webhook_version,
    audit AWI704 => issuer_differs_from_profile,
    audit AWI705 => node_identity_within_reach,
    #[cfg(feature = "audit")]
    audit AWI706 => namespace_out_of_sight,
    admission AWI707 => inconsistent_identity_binding,
    #[cfg(feature = "audit")]
    audit AWI708 => misgranted_identity_binding,
    #[cfg(feature = "audit")]
    audit AWI709 => federated_account_within_reach,
    #[cfg(feature = "audit")]
    audit AWI710 => claimable_subject,
    audit AWI801 => outdated_library,
    #[cfg(feature = "audit")]
    audit AWI802 => outdated_terraform_attribute,
    #[cfg(feature = "audit")]
    audit AWI803 => secret_provider_class_identity,
    #[cfg(feature = "audit")]
    audit AWI804 => secret_store_identity,
    #[cfg(feature = "audit")]
    audit AWI805 => trigger_authentication_identity,
    #[cfg(feature = "audit")]
    audit AWI806 => operator_identity,
    audit AWI807 => borrowed_identity,
    #[cfg(feature = "audit")]
    audit AWI808 => operator_without_token,
    #[cfg(feature = "audit")]
    audit AWI809 => image_pull_identity,
    #[cfg(feature = "audit")]
    audit AWI810 => volume_identity,
    audit AWI901 => credential_out_of_bounds,
    admission AWI902 => unresolved_placeholder,
    audit AWI903 => declared_credential_differs,
    audit AWI904 => declared_credential_missing,
    audit AWI905 => undeclared_credential,
    #[cfg(feature = "audit")]
    audit AWI906 => planned_change_breaks_trust,
}

#[cfg(feature = "audit")]
pub use untrusted_workload::mending;

// === impl Entry ===

impl Entry {
    /// The rule's name: the flaw in kebab case.
    pub fn name(&self) -> String {
        self.module.replace('_', "-")
    }

    /// The rule of that id or name, without regard to case.
    pub fn find(id_or_name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|entry| entry.is_called(id_or_name.trim()))
    }

    /// Whether this is the rule's id or name, without regard to case.
    pub fn is_called(&self, id_or_name: &str) -> bool {
        let named = |(own, asked): (u8, u8)| if own == b'_' { asked == b'-' } else { own.eq_ignore_ascii_case(&asked) };
        self.id.eq_ignore_ascii_case(id_or_name)
            || (self.module.len() == id_or_name.len() && self.module.bytes().zip(id_or_name.bytes()).all(named))
    }

    /// Whether the policy evaluates it: an admission request can carry what it judges, and its page
    /// does not leave it to the audit.
    pub fn at_admission(&self) -> bool {
        ADMISSION.iter().any(|entry| entry.id == self.id)
    }

    /// Its manual page, as Markdown.
    #[cfg(feature = "manual")]
    pub fn manual(&self) -> String {
        let head = self.source.lines().take_while(|line| line.starts_with("//!"));
        head.map(|line| line.strip_prefix("//! ").unwrap_or_default()).collect::<alloc::vec::Vec<_>>().join("\n")
    }

    /// The rule as CEL, if one object decides it: what is true of an object that breaks it, and, if
    /// its findings are not all of one severity, what is true of those of medium severity and less.
    #[cfg(feature = "manual")]
    pub fn cel(&self) -> Option<(String, Option<String>)> {
        let manual = self.manual();
        let (_, section) = manual.split_once("\n# As CEL\n")?;
        let mut blocks = section.split("```cel\n").skip(1).filter_map(|block| block.split("\n```").next());
        Some((blocks.next()?.into(), blocks.next().map(Into::into)))
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.id)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

#[cfg(all(test, feature = "manual"))]
mod tests {
    use super::CATALOGUE;
    use crate::rule::Check;

    #[test]
    fn the_occasion_is_what_the_checks_and_the_page_say() {
        for entry in CATALOGUE {
            let able = entry.rule.checks.iter().copied().any(Check::at_admission);
            let left = entry.manual().replace('\n', " ").contains("The policy leaves it to the audit");
            assert_eq!(entry.at_admission(), able && !left, "{}", entry.id);
        }
    }
}
