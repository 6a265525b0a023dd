//! What the libraries say before they ask Entra: azidentity, Azure.Identity, azure-identity of Python
//! and Java, @azure/identity, MSAL.

use super::{Known, Link};

/// What leads to an environment without the variables that the webhook injects.
const NOT_INJECTED: &[&str] = &[
    "AWI101", "AWI102", "AWI103", "AWI104", "AWI105", "AWI107", "AWI203", "AWI201", "AWI205", "AWI111", "AWI108",
    "AWI702", "AWI706", "AWI701", "AWI113", "AWI208", "AWI112", "AWI707", "AWI708", "AWI601", "AWI603", "AWI808",
];

/// What leads to a library that looks for other ways, or knows no other.
const NO_WORKLOAD_IDENTITY: &[&str] = &[
    "AWI101", "AWI102", "AWI103", "AWI104", "AWI105", "AWI801", "AWI607", "AWI107", "AWI203", "AWI201", "AWI205",
    "AWI111", "AWI108", "AWI702", "AWI706", "AWI701", "AWI113", "AWI208", "AWI112", "AWI707", "AWI708", "AWI705",
    "AWI601", "AWI603", "AWI604", "AWI808",
];

pub(super) static ROWS: &[Known] = &[
    Known {
        codes: &[],
        said: &[
            &["no client id specified"],
            &["missing environment variable azure_client_id"],
            &["'client_id' is required", "azure_client_id"],
        ],
        name: "no-client-id",
        link: Link::ServiceAccount,
        meaning: "AZURE_CLIENT_ID is not set in the container",
        check: &[
            "kubectl get pod POD -o jsonpath='{.spec.containers[*].env[*].name}': if AZURE_FEDERATED_TOKEN_FILE is there, only the ServiceAccount's annotation azure.workload.identity/client-id is missing",
            "if it is not, the pod's label is: in spec.template.metadata.labels, \"true\" in quotes",
            "a container in azure.workload.identity/skip-containers gets nothing",
        ],
        rules: &[
            "AWI203", "AWI201", "AWI205", "AWI113", "AWI208", "AWI707", "AWI101", "AWI102", "AWI103", "AWI104",
            "AWI105", "AWI111", "AWI706", "AWI702", "AWI701",
        ],
        sample: "WorkloadIdentityCredential: no client ID specified. Check pod configuration or set ClientID in the options",
    },
    Known {
        codes: &[],
        said: &[
            &["no tenant id specified"],
            &["missing environment variable azure_tenant_id"],
            &["'tenant_id' is required", "azure_tenant_id"],
        ],
        name: "no-tenant-id",
        link: Link::Pod,
        meaning: "AZURE_TENANT_ID is not set in the container: the webhook injected nothing",
        check: &[
            "the label azure.workload.identity/use: \"true\" belongs to the pod, or to the pod template of what makes it",
            "a pod older than the webhook has to be made anew",
        ],
        rules: NOT_INJECTED,
        sample: "EnvironmentCredential: missing environment variable AZURE_TENANT_ID",
    },
    Known {
        codes: &[],
        said: &[
            &["no token file specified"],
            &["no token source specified"],
            &["no token file path specified"],
            &["'token_file_path' is required", "azure_federated_token_file"],
        ],
        name: "no-token-file",
        link: Link::Pod,
        meaning: "AZURE_FEDERATED_TOKEN_FILE is not set in the container: the webhook injected nothing",
        check: &[
            "the label azure.workload.identity/use: \"true\" belongs to the pod, or to the pod template of what makes it",
            "a pod older than the webhook has to be made anew",
        ],
        rules: NOT_INJECTED,
        sample: "WorkloadIdentityCredential: no token file specified. Check pod configuration or set TokenFilePath in the options",
    },
    Known {
        codes: &[],
        said: &[
            &["workload options are not fully configured"],
            &["workload identity options are not fully configured"],
            &["workloadidentitycredential authentication unavailable"],
        ],
        name: "workload-identity-unconfigured",
        link: Link::Pod,
        meaning: "one of AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE is not set in the container (.NET, Java, Python)",
        check: &[
            "if all are missing, the webhook passed the pod over: look at its label",
            "if only AZURE_CLIENT_ID is, the ServiceAccount lacks the annotation azure.workload.identity/client-id",
        ],
        rules: NOT_INJECTED,
        sample: "Azure.Identity.CredentialUnavailableException: WorkloadIdentityCredential authentication unavailable. The workload options are not fully configured. See the troubleshooting guide for more information.",
    },
    Known {
        codes: &[],
        said: &[
            &["tenantid, clientid, and federatedtokenfilepath are required"],
            &["workloadidentitycredential: is unavailable"],
            &["workloadidentitycredential", "is a required parameter"],
        ],
        name: "workload-identity-unavailable-js",
        link: Link::Pod,
        meaning: "one of AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE is not set in the container (JavaScript)",
        check: &[
            "if all are missing, the webhook passed the pod over: look at its label",
            "if only AZURE_CLIENT_ID is, the ServiceAccount lacks the annotation azure.workload.identity/client-id",
        ],
        rules: NOT_INJECTED,
        sample: "CredentialUnavailableError: WorkloadIdentityCredential: is unavailable. tenantId, clientId, and federatedTokenFilePath are required parameters.",
    },
    Known {
        codes: &[],
        said: &[
            &["the requested identity has not been assigned to this resource"],
            &["identity not found", "169.254.169.254"],
        ],
        name: "fell-through-to-imds",
        link: Link::Pod,
        meaning: "the library found no workload identity, asked the node's metadata service, and the node does not have this identity",
        check: &[
            "the environment of workload identity is missing: look at the pod's label first",
            "a library that is too old knows managed identities only",
        ],
        rules: NO_WORKLOAD_IDENTITY,
        sample: "ManagedIdentityCredential authentication unavailable. The requested identity has not been assigned to this resource.",
    },
    Known {
        codes: &[],
        said: &[&["multiple user assigned identities exist"]],
        name: "several-identities-of-the-node",
        link: Link::Pod,
        meaning: "the library found no workload identity and asked the node's metadata service, and the node has several identities",
        check: &[
            "do not name one of the node's: mend the pod's label and the ServiceAccount's annotation, so that the pod has its own",
        ],
        rules: NO_WORKLOAD_IDENTITY,
        sample: "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
    },
    Known {
        codes: &[],
        said: &[
            &["no response received from the managed identity endpoint"],
            &["no managed identity endpoint found"],
            &["msi endpoint", "not available"],
            &["managedidentitycredential", "msi endpoint"],
            &["managed identity timed out"],
            &["no response from the imds endpoint"],
            &["connection to imds endpoint cannot be established"],
            &["failed to obtain a token from the managed identity endpoint"],
            &["managed identity endpoint is not currently available"],
            &["169.254.169.254", "unreachable"],
            &["169.254.169.254", "connection refused"],
            &["169.254.169.254", "timed out"],
            &["169.254.169.254", "timeout"],
            &["169.254.169.254", "deadline exceeded"],
            &["failed to authenticate a system assigned identity"],
        ],
        name: "no-managed-identity-endpoint",
        link: Link::Pod,
        meaning: "the library found no workload identity, and no metadata service answered",
        check: &[
            "look at the pod's label and the ServiceAccount's annotation: the environment of workload identity is missing",
        ],
        rules: NO_WORKLOAD_IDENTITY,
        sample: "ManagedIdentityCredential authentication unavailable. No response received from the managed identity endpoint.",
    },
    Known {
        codes: &[],
        said: &[
            &["defaultazurecredential failed to retrieve a token"],
            &["defaultazurecredential: failed to acquire a token"],
            &["chainedtokencredential authentication failed"],
            &["but failed to acquire a token for any of them"],
        ],
        name: "default-chain-failed",
        link: Link::Library,
        meaning: "every credential of the chain failed; the line of WorkloadIdentityCredential says why, the others only that they are not meant",
        check: &["read the line of WorkloadIdentityCredential, and explain that"],
        rules: NO_WORKLOAD_IDENTITY,
        sample: "DefaultAzureCredential failed to retrieve a token from the included credentials.",
    },
    Known {
        codes: &[],
        said: &[&["the authority does not appear to use https"]],
        name: "authority-missing",
        link: Link::Pod,
        meaning: "AZURE_AUTHORITY_HOST is empty: the webhook injected nothing",
        check: &[
            "the label azure.workload.identity/use: \"true\" belongs to the pod, or to the pod template of what makes it",
        ],
        rules: NOT_INJECTED,
        sample: "failed to create confidential client err=\"the Authority(/) does not appear to use https\", the Authority does not appear to use https",
    },
    Known {
        codes: &[],
        said: &[
            &["authorizationfailed", "does not have authorization to perform action"],
            &["authorizationpermissionmismatch"],
            &["forbiddenbyrbac"],
            &["caller is not authorized to perform action on resource"],
        ],
        name: "not-authorised",
        link: Link::Access,
        meaning: "the exchange worked: the identity has a token, and no role for what it asks",
        check: &[
            "is the object id in the message the identity that was meant? A token of the node's identity looks the same",
            "assign a role at the resource to the identity's principal id; it takes some minutes to count",
        ],
        rules: &["AWI104", "AWI705", "AWI607"],
        sample: "AuthorizationFailed: The client '3333' with object id '4444' does not have authorization to perform action 'Microsoft.KeyVault/vaults/read'",
    },
];
