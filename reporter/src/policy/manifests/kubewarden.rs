//! Kubewarden: the policy as a cluster has it and as a namespace has it, the permission that the
//! policy server lacks, the questions of Rancher's form, and what Artifact Hub wants to know.

use wiguard_rules::catalogue::ADMISSION;

use super::reach::{NAMESPACE, groups, match_conditions, resource_rules};
use super::yaml::{Node, document, list, map};
use super::{File, named, object};

/// Where the module is thought to be; it is published nowhere.
const REGISTRY: &str = "registry.example.com/policies/wiguard";

/// The date of the release, which Artifact Hub wants.
const CREATED: &str = "2026-11-24T00:00:00Z";

/// The files.
pub(super) fn files() -> Vec<File> {
    vec![
        File::objects("cluster-admission-policy.yaml", &[cluster_policy()]),
        // Either this or the one above: what is printed to be applied is the cluster's.
        File::beside("admission-policy.yaml", &namespaced_policy()),
        File::objects("rbac.yaml", &rbac()),
        File::beside("questions-ui.yml", &questions()),
        File::beside("artifacthub-pkg.yml", &package()),
        File::beside("artifacthub-repo.yml", &repository()),
    ]
}

fn cluster_policy() -> Node {
    let reads = ["ServiceAccount", "ConfigMap"];
    let reads = list(reads.map(|kind| map([("apiVersion", "v1".into()), ("kind", kind.into())])));
    let exempt = map([("namespaces", list(["kube-*", NAMESPACE]))]);
    let settings = map([
        ("unknown", "warn".into()),
        ("exempt", exempt),
        ("trust", map([("namespace", NAMESPACE.into()), ("maxAge", "26h".into())])),
    ]);
    let spec = spec(settings).with("contextAwareResources", reads);
    object("policies.kubewarden.io/v1", "ClusterAdmissionPolicy", named("wiguard")).with("spec", spec)
}

/// The policy of one namespace may read nothing, so that what needs a look-up is undecided.
fn namespaced_policy() -> Node {
    let metadata = map([("name", "wiguard".into()), ("namespace", "shop".into())]);
    let settings = map([("unknown", "allow".into())]);
    object("policies.kubewarden.io/v1", "AdmissionPolicy", metadata).with("spec", spec(settings))
}

fn spec(settings: Node) -> Node {
    map([
        ("module", format!("registry://{}", image()).into()),
        ("mutating", false.into()),
        ("mode", "protect".into()),
        ("failurePolicy", "Fail".into()),
        ("backgroundAudit", true.into()),
        ("timeoutSeconds", 10_u16.into()),
        ("rules", resource_rules(true, true)),
        ("matchConditions", match_conditions()),
        ("settings", settings),
    ])
}

fn image() -> String {
    format!("{REGISTRY}:v{}", env!("CARGO_PKG_VERSION"))
}

/// What the policy server's own role does not cover: to get, which is all that the policy asks for.
fn rbac() -> Vec<Node> {
    let role = |resource: &str| {
        list([map([("apiGroups", list([""])), ("resources", list([resource])), ("verbs", list(["get"]))])])
    };
    let binding = |kind: &str, metadata: Node| {
        let reference = map([
            ("apiGroup", "rbac.authorization.k8s.io".into()),
            ("kind", kind.into()),
            ("name", "wiguard-policy-server".into()),
        ]);
        let subject = map([
            ("kind", "ServiceAccount".into()),
            ("name", "policy-server".into()),
            ("namespace", "kubewarden".into()),
        ]);
        object("rbac.authorization.k8s.io/v1", &format!("{kind}Binding"), metadata)
            .with("roleRef", reference)
            .with("subjects", list([subject]))
    };
    let everywhere = named("wiguard-policy-server");
    let here = map([("name", "wiguard-policy-server".into()), ("namespace", NAMESPACE.into())]);
    vec![
        object("rbac.authorization.k8s.io/v1", "ClusterRole", everywhere.clone())
            .with("rules", role("serviceaccounts")),
        binding("ClusterRole", everywhere),
        object("rbac.authorization.k8s.io/v1", "Role", here.clone()).with("rules", role("configmaps")),
        binding("Role", here),
    ]
}

/// The form in which Rancher asks for settings: a level for each rule, and the rest.
fn questions() -> Node {
    let question = |variable: &str, label: &str, about: &str, kind: &str, default: Node| {
        map([
            ("variable", variable.into()),
            ("label", label.into()),
            ("description", about.into()),
            ("group", "Settings".into()),
            ("required", false.into()),
            ("type", kind.into()),
            ("default", default),
        ])
    };
    let one_of = |node: Node, values: [&str; 3]| node.with("options", list(values));
    let levels = ADMISSION.iter().map(|entry| {
        let about = format!("{}: {}", entry.id, entry.rule.summary);
        let usual = if entry.rule.severity >= wiguard_rules::finding::Severity::High { "deny" } else { "warn" };
        let name = entry.name();
        one_of(question(&format!("rules.{name}"), &name, &about, "enum", usual.into()), ["deny", "warn", "off"])
    });
    let rules = question("rules", "Rules", "What a finding of a rule does", "map[", map([]));
    let exempt = [
        question(
            "exempt.namespaces",
            "Namespaces",
            "Namespaces that are not judged, with * and ?",
            "array[",
            list::<Node>([]),
        ),
        question(
            "exempt.serviceAccounts",
            "ServiceAccounts",
            "NAMESPACE/NAME, with * and ?: they and what runs under them are not judged",
            "array[",
            list::<Node>([]),
        ),
    ];
    let trust = [
        question("trust.namespace", "Namespace", "Where the trust inventory is", "string", NAMESPACE.into()),
        question("trust.maxAge", "Age", "From when on its findings are warnings: 26h, 2d", "string", "26h".into()),
    ];
    let unknown = "What a rule does that lacks a fact, a ServiceAccount that could not be read say";
    let moves = "Move the label that opts in from a workload to its pod template; the module must be a mutating one";
    let issuer = "The issuer of this cluster's tokens, byte for byte; the trust inventory says it too";
    let questions = [
        rules.with("subquestions", list(levels)),
        one_of(question("unknown", "Unknown", unknown, "enum", "allow".into()), ["allow", "warn", "deny"]),
        question("exempt", "Exempt", "What is not judged", "map[", map([])).with("subquestions", list(exempt)),
        question("issuer", "Issuer", issuer, "string", "".into()),
        question("trust", "Trust inventory", "What Azure trusts, as published in the cluster", "map[", map([]))
            .with("subquestions", list(trust)),
        question("moveLabel", "Move the label", moves, "boolean", false.into()),
    ];
    map([("questions", list(questions))])
}

fn package() -> Node {
    let kinds: Vec<&str> = groups(true, true).into_iter().flat_map(|group| group.kinds).collect();
    let install = format!(
        "Pull the module with [kwctl](https://github.com/kubewarden/adm-controller), allow the policy server to read ServiceAccounts, and apply the policy:\n\
         ```console\n\
         kwctl pull registry://{}\n\
         kubectl apply -f rbac.yaml -f cluster-admission-policy.yaml\n\
         ```\n",
        image()
    );
    let annotations = map([
        ("kubewarden/mutation", "false".into()),
        ("kubewarden/resources", kinds.join(",").into()),
        ("kubewarden/rules", document(&resource_rules(true, true)).into()),
        (
            "kubewarden/contextAwareResources",
            "- apiVersion: v1\n  kind: ServiceAccount\n- apiVersion: v1\n  kind: ConfigMap\n".into(),
        ),
        ("kubewarden/questions-ui", document(&questions()).into()),
    ]);
    map([
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("name", "wiguard".into()),
        ("displayName", "wiguard: Azure Workload Identity".into()),
        ("createdAt", CREATED.into()),
        ("description", "Checks the Azure Workload Identity trust chain of pods, workloads and ServiceAccounts".into()),
        ("license", "Apache-2.0".into()),
        ("containersImages", list([map([("name", "policy".into()), ("image", image().into())])])),
        ("keywords", list(["azure", "workload identity", "entra", "serviceaccount", "pod"])),
        ("install", install.into()),
        ("provider", named("wiguard")),
        (
            "recommendations",
            list([map([("url", "https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller".into())])]),
        ),
        ("annotations", annotations),
    ])
}

/// Whose repository it is: whoever publishes the policy puts the id that Artifact Hub gave here.
fn repository() -> Node {
    let owner = map([("name", "wiguard".into()), ("email", "wiguard@example.com".into())]);
    map([("repositoryID", "00000000-0000-0000-0000-000000000000".into()), ("owners", list([owner]))])
}
