//! A webhook of our own: `wiguard serve` in the cluster, and the API server told to ask it. The same
//! server answers Gatekeeper.

use super::reach::{NAMESPACE, match_conditions, resource_rules};
use super::yaml::{Node, list, map};
use super::{File, named, object};

/// The one name of all that belongs to the server.
const NAME: &str = "wiguard";

/// The files.
pub(super) fn files() -> Vec<File> {
    vec![
        File::objects("server.yaml", &server()),
        File::objects("validating.yaml", &[configuration("ValidatingWebhookConfiguration", "/validate")]),
        File::objects("mutating.yaml", &[configuration("MutatingWebhookConfiguration", "/mutate")]),
    ]
}

/// What tells the API server to ask.
fn configuration(kind: &str, path: &str) -> Node {
    let service =
        map([("name", NAME.into()), ("namespace", NAMESPACE.into()), ("path", path.into()), ("port", 443_u16.into())]);
    let elsewhere = map([
        ("key", "kubernetes.io/metadata.name".into()),
        ("operator", "NotIn".into()),
        ("values", list(["kube-system", NAMESPACE])),
    ]);
    let mutates = kind.starts_with("Mutating");
    let mut webhook = map([
        ("name", format!("{}.{NAME}.io", path.trim_start_matches('/')).into()),
        ("admissionReviewVersions", list(["v1"])),
        ("sideEffects", "None".into()),
        // A label that stays where it is breaks no more than it did; a verdict that is not given would.
        ("failurePolicy", if mutates { "Ignore" } else { "Fail" }.into()),
        ("timeoutSeconds", 5_u16.into()),
        ("matchPolicy", "Equivalent".into()),
        ("clientConfig", map([("service", service)])),
        ("namespaceSelector", map([("matchExpressions", list([elsewhere]))])),
        // Only what has a pod template can have the label in the wrong place.
        ("rules", if mutates { super::reach::template_rules() } else { resource_rules(true, true) }),
        ("matchConditions", match_conditions()),
    ]);
    if mutates {
        webhook = webhook.with("reinvocationPolicy", "IfNeeded".into());
    }
    let injected = map([("cert-manager.io/inject-ca-from", format!("{NAMESPACE}/{NAME}").into())]);
    let metadata = map([("name", NAME.into()), ("annotations", injected)]);
    object("admissionregistration.k8s.io/v1", kind, metadata).with("webhooks", list([webhook]))
}

/// The server with what it needs, in the order in which it can be applied.
fn server() -> Vec<Node> {
    let restricted = map([("pod-security.kubernetes.io/enforce", "restricted".into())]);
    let settings = map([("settings.yaml", "unknown: warn\nexempt:\n  namespaces: [kube-*]\n".into())]);
    let budget = map([("maxUnavailable", 1_u16.into()), ("selector", map([("matchLabels", labels())]))]);
    vec![
        object("v1", "Namespace", map([("name", NAMESPACE.into()), ("labels", restricted)])),
        object("v1", "ServiceAccount", here()),
        object("rbac.authorization.k8s.io/v1", "ClusterRole", named(NAME))
            .with("rules", reads("serviceaccounts", &["get", "list", "watch"])),
        binding("ClusterRole", named(NAME)),
        object("rbac.authorization.k8s.io/v1", "Role", here()).with("rules", reads("configmaps", &["list", "watch"])),
        binding("Role", here()),
        object("v1", "ConfigMap", here()).with("data", settings),
        service(),
        object("apps/v1", "Deployment", here()).with("spec", deployment()),
        object("policy/v1", "PodDisruptionBudget", here()).with("spec", budget),
        object("networking.k8s.io/v1", "NetworkPolicy", here()).with("spec", network()),
    ]
}

fn here() -> Node {
    map([("name", NAME.into()), ("namespace", NAMESPACE.into())])
}

fn labels() -> Node {
    map([("app.kubernetes.io/name", NAME.into()), ("app.kubernetes.io/component", "admission".into())])
}

fn reads(resource: &str, verbs: &[&str]) -> Node {
    let verbs = list(verbs.iter().copied());
    list([map([("apiGroups", list([""])), ("resources", list([resource])), ("verbs", verbs)])])
}

fn binding(kind: &str, metadata: Node) -> Node {
    let role = map([("apiGroup", "rbac.authorization.k8s.io".into()), ("kind", kind.into()), ("name", NAME.into())]);
    let subject = map([("kind", "ServiceAccount".into()), ("name", NAME.into()), ("namespace", NAMESPACE.into())]);
    object("rbac.authorization.k8s.io/v1", &format!("{kind}Binding"), metadata)
        .with("roleRef", role)
        .with("subjects", list([subject]))
}

fn service() -> Node {
    let port = map([("name", "https".into()), ("port", 443_u16.into()), ("targetPort", "https".into())]);
    object("v1", "Service", here()).with("spec", map([("selector", labels()), ("ports", list([port]))]))
}

fn network() -> Node {
    let ports = [8443_u16, 8080].map(|port| map([("port", port.into()), ("protocol", "TCP".into())]));
    map([
        ("podSelector", map([("matchLabels", labels())])),
        ("policyTypes", list(["Ingress"])),
        ("ingress", list([map([("ports", list(ports))])])),
    ])
}

fn deployment() -> Node {
    let probe = |path: &str| map([("httpGet", map([("path", path.into()), ("port", "status".into())]))]);
    let port = |name: &str, port: u16| map([("name", name.into()), ("containerPort", port.into())]);
    let mount =
        |name: &str, path: &str| map([("name", name.into()), ("mountPath", path.into()), ("readOnly", true.into())]);
    let container = map([
        ("name", NAME.into()),
        ("image", format!("registry.example.com/wiguard:v{}", env!("CARGO_PKG_VERSION")).into()),
        (
            "args",
            list([
                "serve",
                "--tls-cert=/etc/wiguard/tls/tls.crt",
                "--tls-key=/etc/wiguard/tls/tls.key",
                "--settings=/etc/wiguard/settings/settings.yaml",
            ]),
        ),
        ("ports", list([port("https", 8443), port("status", 8080)])),
        ("readinessProbe", probe("/readyz")),
        ("livenessProbe", probe("/healthz")),
        (
            "resources",
            map([
                ("requests", map([("cpu", "100m".into()), ("memory", "128Mi".into())])),
                ("limits", map([("memory", "512Mi".into())])),
            ]),
        ),
        (
            "securityContext",
            map([
                ("allowPrivilegeEscalation", false.into()),
                ("capabilities", map([("drop", list(["ALL"]))])),
                ("readOnlyRootFilesystem", true.into()),
            ]),
        ),
        ("volumeMounts", list([mount("tls", "/etc/wiguard/tls"), mount("settings", "/etc/wiguard/settings")])),
    ]);
    let pod = map([
        ("serviceAccountName", NAME.into()),
        // Longer than the server takes to end what it has begun.
        ("terminationGracePeriodSeconds", 45_u16.into()),
        (
            "securityContext",
            map([
                ("runAsNonRoot", true.into()),
                ("runAsUser", 65532_u16.into()),
                ("seccompProfile", map([("type", "RuntimeDefault".into())])),
            ]),
        ),
        ("containers", list([container])),
        (
            "volumes",
            list([
                map([("name", "tls".into()), ("secret", map([("secretName", "wiguard-tls".into())]))]),
                map([("name", "settings".into()), ("configMap", named(NAME))]),
            ]),
        ),
    ]);
    map([
        ("replicas", 2_u16.into()),
        ("selector", map([("matchLabels", labels())])),
        ("template", map([("metadata", map([("labels", labels())])), ("spec", pod)])),
    ])
}
