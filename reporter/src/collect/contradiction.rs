//! Contradictions: the same object of Azure read twice, and not alike. The first is believed, as it
//! is where both agree, but the user is told.

use wiguard_rules::model::{Cluster, FederatedIdentityCredential, Identity};

use super::{Gap, Missing};

/// Whether two descriptions of an identity cannot both be true.
pub(super) fn contradict(known: &Identity, read: &Identity) -> bool {
    let differ = |one: &str, other: &str| !one.is_empty() && !other.is_empty() && !one.eq_ignore_ascii_case(other);
    differ(known.client_id.as_str(), read.client_id.as_str())
        || differ(&known.principal_id, &read.principal_id)
        || differ(&known.tenant_id, &read.tenant_id)
}

/// Whether two descriptions of a credential trust the same tokens.
pub(super) fn same_trust(known: &FederatedIdentityCredential, read: &FederatedIdentityCredential) -> bool {
    (&known.issuer, &known.subject, &known.audiences, &known.expression)
        == (&read.issuer, &read.subject, &read.audiences, &read.expression)
}

/// Whether two descriptions of a cluster, both read and not declared, give it two issuers.
pub(super) fn two_issuers(known: &Cluster, read: &Cluster) -> bool {
    !known.id.is_empty() && known.issuer.is_some() && read.issuer.is_some() && known.issuer != read.issuer
}

/// What is said of it.
pub(super) fn contradiction(path: &str, line: u32, what: &str) -> Gap {
    Gap {
        path: path.into(),
        line: Some(line.into()),
        reason: format!(
            "says otherwise of {what} than a source read before, which is believed; leave out the older of the two"
        ),
        extent: Missing::Use,
    }
}
