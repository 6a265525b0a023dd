//! Versions of APIs: which are spoken, and what a request without one or with another is told.

use super::http::{Answer, Asked};
use super::server::State;

/// The versions that a type of resource is served in, newest last.
pub(super) type Versions = &'static [&'static str];

pub(super) const SUBSCRIPTIONS: Versions = &[
    "2016-06-01",
    "2018-06-01",
    "2019-06-01",
    "2019-11-01",
    "2020-01-01",
    "2021-01-01",
    "2021-04-01",
    "2022-09-01",
    "2022-12-01",
];
pub(super) const GROUPS: Versions = &["2020-05-01", "2020-10-01", "2021-04-01", "2023-04-01", "2024-02-01-preview"];
pub(super) const IDENTITIES: Versions = &[
    "2018-11-30",
    "2021-09-30-preview",
    "2022-01-31-preview",
    "2023-01-31",
    "2023-07-31-preview",
    "2024-11-30",
    "2025-01-31-preview",
    "2025-05-31-preview",
    "2026-04-30",
    "2026-05-31",
];
/// The first version that knows flexible credentials.
pub(super) const FLEXIBLE: &str = "2025-01-31-preview";
pub(super) const CREDENTIALS_SINCE: &str = "2022-01-31-preview";
pub(super) const AKS: Versions = &[
    "2023-11-01",
    "2024-01-01",
    "2024-02-01",
    "2024-05-01",
    "2024-08-01",
    "2024-09-01",
    "2024-10-01",
    "2025-01-01",
    "2025-02-01",
    "2025-03-01",
    "2025-04-01",
    "2025-05-01",
    "2025-06-02-preview",
    "2025-07-01",
    "2025-07-02-preview",
    "2025-08-01",
    "2025-08-02-preview",
    "2025-09-01",
    "2025-09-02-preview",
    "2025-10-01",
    "2025-10-02-preview",
    "2026-01-01",
    "2026-04-01",
];
pub(super) const ARC: Versions = &[
    "2021-10-01",
    "2022-05-01-preview",
    "2023-11-01-preview",
    "2024-01-01",
    "2024-06-01-preview",
    "2024-07-01-preview",
    "2024-07-15-preview",
    "2024-12-01-preview",
    "2025-08-01-preview",
    "2025-12-01-preview",
    "2026-02-01-preview",
    "2026-05-01",
];
/// The first version that tells of a connected cluster's issuer.
pub(super) const ARC_ISSUER_SINCE: &str = "2024-06-01-preview";
pub(super) const ROLES: Versions = &["2015-07-01", "2018-09-01-preview", "2020-04-01-preview", "2022-04-01"];
pub(super) const BINDINGS: Versions =
    &["2025-06-02-preview", "2025-07-02-preview", "2025-08-02-preview", "2025-09-02-preview", "2025-10-02-preview"];
pub(super) const QUERIES: Versions = &["2019-04-01", "2020-04-01-preview", "2021-03-01", "2022-10-01", "2024-04-01"];

/// Asks for the `api-version`, and answers as older or newer versions do.
pub(super) fn versioned(state: &State, asked: &Asked, known: Versions, answer: impl FnOnce(&str) -> Answer) -> Answer {
    match asked.parameter("api-version") {
        None => Answer::error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ),
        Some(version) if known.contains(&version) && version <= state.options.newest => answer(version),
        Some(version) => {
            let newest: Vec<&str> = known.iter().rev().copied().filter(|it| *it <= state.options.newest).collect();
            if let Some((namespace, kind)) = kind(asked) {
                // A provider that has no such version of a type has no such type in that version.
                return Answer::error(
                    404,
                    "InvalidResourceType",
                    &format!(
                        "The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{version}'. The supported api-versions are '{}'.",
                        newest.join(",")
                    ),
                );
            }
            Answer::error(
                400,
                "InvalidApiVersionParameter",
                &format!("The api-version '{version}' is invalid. The supported versions are '{}'.", newest.join(",")),
            )
        }
    }
}

/// The namespace and the type of what is asked for, if it is of a provider.
fn kind(asked: &Asked) -> Option<(String, String)> {
    let segments = asked.segments();
    let at = segments.iter().rposition(|it| it.eq_ignore_ascii_case("providers"))?;
    let namespace = segments.get(at + 1)?;
    let types = segments.get(at + 2..)?.iter().step_by(2).map(ToString::to_string).collect::<Vec<_>>();
    Some(((*namespace).to_owned(), types.join("/")))
}
