//! What Azure Resource Manager and Microsoft Graph say when a federated credential is written
//! (Microsoft Entra, considerations of workload identity federation, "Errors").

use super::{Known, Link};

pub(super) static ROWS: &[Known] = &[
    Known {
        codes: &[],
        said: &[&["federated identity credential must specify", "issuer"]],
        name: "declared-without-issuer",
        link: Link::Declaration,
        meaning: "the credential was sent to Azure without an issuer: it was not known yet when the template or plan was applied",
        check: &[
            "turn the cluster's OIDC issuer on first, and take the issuer from its resource, so that the credential waits for it",
        ],
        rules: &["AWI701"],
        sample: "BadRequest: Federated Identity Credential must specify 'issuer', 'subject' and 'audience'",
    },
    Known {
        codes: &[],
        said: &[
            &["oidc_issuer_enabled", "must be set to", "workload identity"],
            &["enabling workload identity requires enabling oidc issuer"],
        ],
        name: "declared-without-oidc-issuer",
        link: Link::Declaration,
        meaning: "workload identity is asked for of a cluster whose OIDC issuer is off, and az and Terraform refuse that before Azure is asked",
        check: &["set oidc_issuer_enabled = true, or --enable-oidc-issuer: once on, an AKS cluster keeps its issuer"],
        rules: &["AWI701"],
        sample: "Error: `oidc_issuer_enabled` must be set to `true` to enable Azure AD Workload Identity",
    },
    Known {
        codes: &[],
        said: &[&["oidcissuerfeaturecannotbedisabled"], &["oidc issuer feature cannot be disabled"]],
        name: "declared-issuer-off",
        link: Link::Declaration,
        meaning: "a template or plan turns off the OIDC issuer of a cluster that has it, which Azure does not do",
        check: &["declare it on: oidcIssuerProfile.enabled, oidc_issuer_enabled; left out, it may count as off"],
        rules: &["AWI701"],
        sample: "Code=\"OIDCIssuerFeatureCannotBeDisabled\" Message=\"OIDC issuer feature cannot be disabled.\"",
    },
    Known {
        codes: &[],
        said: &[
            &["issuer and subject combination already exists for this managed identity"],
            &["federatedidentitycredential with name", "already exists"],
            &["invalidfederatedidentitycredentialvalue", "already exists"],
        ],
        name: "declared-twice",
        link: Link::Declaration,
        meaning: "the identity has a credential of this issuer and subject already",
        check: &["look for it under another name: import it, or delete one of the two"],
        rules: &["AWI310", "AWI905"],
        sample: "Issuer and subject combination already exists for this Managed Identity.",
    },
    Known {
        codes: &[],
        said: &[
            &["concurrent federated identity credentials writes"],
            &["concurrentfederatedidentitycredentialswrites"],
            &["too many federated identity credentials are written concurrently"],
        ],
        name: "declared-at-the-same-time",
        link: Link::Declaration,
        meaning: "several credentials of one identity were written at the same time",
        check: &[
            "write them one after the other: @batchSize(1) in Bicep, dependsOn in templates, azurerm 3.40.0 or later",
        ],
        rules: &["AWI406"],
        sample: "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity: Too many Federated Identity Credentials are written concurrently for the managed identity '/subscriptions/s/id-cart'. Concurrent Federated Identity Credentials writes under the same managed identity are not supported.",
    },
    Known {
        codes: &[],
        said: &[
            &["maximum", "federated identity credentials", "20"],
            &["number of federated identity credentials", "exceed"],
        ],
        name: "too-many-credentials",
        link: Link::Identity,
        meaning: "the identity has as many federated credentials as it can hold",
        check: &[
            "delete credentials of clusters and ServiceAccounts that are gone, or give workloads identities of their own",
        ],
        rules: &["AWI401", "AWI311"],
        sample: "BadRequest: Too many federated identity credentials: a maximum of 20 federated identity credentials can be added to a managed identity.",
    },
    Known {
        codes: &[],
        said: &[&["credential", "must have exactly one audience"], &["credential", "must have exactly 1 audience"]],
        name: "declared-audiences",
        link: Link::Declaration,
        meaning: "Azure refuses a credential that names no audience, or several",
        check: &["name one audience, api://AzureADTokenExchange unless the cluster's tokens carry another"],
        rules: &["AWI310", "AWI307"],
        sample: "BadRequest: Federated identity credentials must have exactly one audience.",
    },
    Known {
        codes: &[],
        said: &[
            &["invalidfederatedidentitycredential"],
            &["federated identity credential", "has empty properties"],
            &["federated identity credential name", "is invalid"],
        ],
        name: "declared-malformed",
        link: Link::Declaration,
        meaning: "Azure refuses a credential for one of its values, or for a pair of issuer and subject that is there already",
        check: &[
            "issuer, subject and audience are required, of at most 600 characters and without spaces at their ends",
            "a name has 3 to 120 letters, digits, `-` and `_`, and begins with a letter or digit",
            "look whether the identity has this issuer and subject under another name",
        ],
        rules: &["AWI901", "AWI306", "AWI308", "AWI310", "AWI902"],
        sample: "Request_BadRequest: InvalidFederatedIdentityCredentialValue: the value of the property 'issuer' is not valid",
    },
    Known {
        codes: &[],
        said: &[&["support for federated identity credentials not enabled"]],
        name: "region-without-federation",
        link: Link::Identity,
        meaning: "the region of the managed identity takes no federated credentials",
        check: &[
            "make the identity in another region: where the cluster is does not matter",
            "Microsoft's page on considerations of workload identity federation lists the regions that do not support it",
        ],
        rules: &["AWI405"],
        sample: "(MethodNotAllowed) The request format was unexpected: Support for federated identity credentials not enabled.",
    },
    Known {
        codes: &[],
        said: &[&["parent user-assigned identity does not exist"], &["parent user-assigned identity doesn't exist"]],
        name: "declared-without-identity",
        link: Link::Declaration,
        meaning: "the credential was sent to a managed identity that does not exist, or not yet",
        check: &[
            "compare the identity's name, resource group and subscription; let the credential depend on the identity",
        ],
        rules: &["AWI904"],
        sample: "(NotFound) The parent user-assigned identity does not exist.",
    },
];
