//! The catalogue: one line for each rule, its id and its file. An id is never reused.

use alloc::string::String;

use crate::rule::{Check, Rule};

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
    ($($id:ident => $module:ident,)*) => {
        $(mod $module;)*

        /// Every rule, by id.
        pub static CATALOGUE: &[Entry] = &[$(Entry {
            id: stringify!($id),
            module: stringify!($module),
            rule: &$module::RULE,
            #[cfg(feature = "manual")]
            source: include_str!(concat!("catalogue/", stringify!($module), ".rs")),
        }),*];
    };
}

catalogue! {
    AWI101 => label_on_workload_metadata,
    AWI102 => label_value_not_true,
    AWI103 => misspelt_pod_key,
    AWI104 => pod_not_opted_in,
    AWI108 => default_service_account,
    AWI111 => wrong_skip_containers,
    AWI201 => misspelt_account_annotation,
    AWI202 => client_id_not_a_guid,
    AWI203 => client_id_missing,
    AWI204 => tenant_id_malformed,
    AWI205 => annotation_on_pod,
    AWI206 => client_id_unknown,
    AWI301 => untrusted_workload,
    AWI302 => credential_differs_in_case,
    AWI303 => near_miss_in_subject,
    AWI304 => issuer_trailing_slash,
    AWI305 => issuer_of_another_cluster,
    AWI306 => malformed_issuer,
    AWI307 => wrong_audience,
    AWI308 => malformed_subject,
    AWI311 => dangling_credential,
    AWI312 => credential_for_shared_account,
    AWI401 => credential_quota,
    AWI402 => shared_identity,
    AWI501 => invalid_token_expiration,
    AWI601 => aad_pod_identity_label,
    AWI605 => static_credential_shadows,
    AWI606 => static_credential,
    AWI701 => cluster_not_enabled,
    AWI902 => unresolved_placeholder,
}

// === impl Entry ===

impl Entry {
    /// The rule's name: the flaw in kebab case.
    pub fn name(&self) -> String {
        self.module.replace('_', "-")
    }

    /// The rule of that id or name, without regard to case.
    pub fn find(id_or_name: &str) -> Option<&'static Self> {
        let wanted = id_or_name.trim();
        CATALOGUE.iter().find(|entry| entry.id.eq_ignore_ascii_case(wanted) || entry.name().eq_ignore_ascii_case(wanted))
    }

    /// Whether an admission request can carry what it judges.
    pub fn at_admission(&self) -> bool {
        self.rule.checks.iter().copied().any(Check::at_admission)
    }

    /// Its manual page, as Markdown.
    #[cfg(feature = "manual")]
    pub fn manual(&self) -> String {
        let head = self.source.lines().take_while(|line| line.starts_with("//!"));
        head.map(|line| line.strip_prefix("//! ").unwrap_or_default()).collect::<alloc::vec::Vec<_>>().join("\n")
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
