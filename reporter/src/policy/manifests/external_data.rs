//! Gatekeeper with all rules: it runs no WebAssembly, so that `wiguard serve` runs the module beside
//! it, as a provider of external data. The key is everything that the module is to judge, and the
//! answer what it finds; Gatekeeper may therefore keep the answer as long as it likes.

use super::gatekeeper::{annotations, kinds};
use super::reach::NAMESPACE;
use super::yaml::{list, map};
use super::{File, named, object};

/// The name of the Provider.
const PROVIDER: &str = "wiguard";

/// The kind of its constraints.
const KIND: &str = "WiguardWorkloadIdentity";

/// The files.
pub(super) fn files() -> Vec<File> {
    vec![
        File::objects("external-data/provider.yaml", &[provider()]),
        File::objects("external-data/syncset.yaml", &[syncset()]),
        File::objects("external-data/template.yaml", &[template()]),
        File::objects("external-data/constraint.yaml", &[constraint("deny", "deny"), constraint("warn", "ignore")]),
    ]
}

fn provider() -> super::Node {
    let spec = map([
        ("url", format!("https://wiguard.{NAMESPACE}.svc:443/gatekeeper/v1beta1").into()),
        ("timeout", 2_u16.into()),
        // The certificate authority of the server, PEM in base64; there is no default for it.
        ("caBundle", "CA_BUNDLE".into()),
    ]);
    object("externaldata.gatekeeper.sh/v1beta1", "Provider", named(PROVIDER)).with("spec", spec)
}

fn syncset() -> super::Node {
    let account = map([("group", "".into()), ("version", "v1".into()), ("kind", "ServiceAccount".into())]);
    object("syncset.gatekeeper.sh/v1alpha1", "SyncSet", named("wiguard")).with("spec", map([("gvks", list([account]))]))
}

fn template() -> super::Node {
    let about = annotations(
        "wiguard, all rules",
        "Asks the provider what the policy module finds in an object and in the ServiceAccount its pods run under.",
    );
    let synced = r#"[[{"groups":[""],"versions":["v1"],"kinds":["ServiceAccount"]}]]"#;
    let about = about.with("metadata.gatekeeper.sh/requires-sync-data", synced.into());
    let one_of = |description: &str, values: [&str; 2]| {
        map([("type", "string".into()), ("description", description.into()), ("enum", list(values))])
    };
    let provider = map([("type", "string".into()), ("description", "The Provider that is asked".into())]);
    let properties = map([
        ("provider", provider),
        ("level", one_of("Which findings: those that deny, or those that deserve a warning", ["deny", "warn"])),
        ("onProviderError", one_of("Whether it is a violation that the provider cannot be asked", ["deny", "ignore"])),
    ]);
    let schema = map([
        ("type", "object".into()),
        ("required", list(["provider", "level", "onProviderError"])),
        ("properties", properties),
    ]);
    let spec = map([("names", map([("kind", KIND.into())])), ("validation", map([("openAPIV3Schema", schema)]))]);
    let source = map([("version", "v1".into()), ("rego", REGO.into())]);
    let code = map([("engine", "Rego".into()), ("source", source)]);
    let target = map([("target", "admission.k8s.gatekeeper.sh".into()), ("code", list([code]))]);
    let metadata = map([("name", KIND.to_lowercase().into()), ("annotations", about)]);
    object("templates.gatekeeper.sh/v1", "ConstraintTemplate", metadata)
        .with("spec", map([("crd", map([("spec", spec)])), ("targets", list([target]))]))
}

fn constraint(level: &str, on_error: &str) -> super::Node {
    let parameters =
        map([("provider", PROVIDER.into()), ("level", level.into()), ("onProviderError", on_error.into())]);
    let spec = map([
        ("enforcementAction", level.into()),
        ("match", map([("kinds", kinds(true, true)), ("excludedNamespaces", list(["kube-system", NAMESPACE]))])),
        ("parameters", parameters),
    ]);
    let name = format!("workload-identity-{level}");
    object("constraints.gatekeeper.sh/v1beta1", KIND, named(&name)).with("spec", spec)
}

/// What changes without changing a verdict is left out of the key, so that answers are found again.
const REGO: &str = r#"package wiguard

violation contains {"msg": finding.says, "details": {"rule": finding.rule}} if {
  some finding in answer[input.parameters.level]
}

violation contains {"msg": sprintf("the object cannot be judged: %v", [answer.unreadable]), "details": {}} if {
  input.parameters.level == "deny"
  is_string(answer.unreadable)
}

violation contains {"msg": sprintf("provider %v gave no verdict: %v", [input.parameters.provider, problem]), "details": {}} if {
  input.parameters.onProviderError == "deny"
  some problem in problems
}

# What the provider is asked: everything that a verdict depends on, and nothing else.
key := json.marshal(object.union({"v": 1, "object": slim(input.review.object)}, with_account)) if {
  object.get(input.review, "operation", "") != "DELETE"
  object.get(input.review, "subResource", "") == ""
}

response := external_data({"provider": input.parameters.provider, "keys": [key]})

answer := pair[1] if {
  some pair in response.responses
  pair[0] == key
}

problems contains response.system_error if response.system_error != ""

problems contains pair[1] if some pair in response.errors

problems contains "the answer is for another key" if {
  response.system_error == ""
  count(response.errors) == 0
  not answer
}

# Without a ServiceAccount the provider takes it for unknown, never for absent.
default with_account := {}

with_account := {"serviceAccount": slim(account)}

account := data.inventory.namespace[namespace]["v1"].ServiceAccount[account_name]

namespace := array.concat(
  [name | some name in [object.get(input.review, ["object", "metadata", "namespace"], ""), object.get(input.review, "namespace", "")]; name != ""],
  ["default"],
)[0]

account_name := array.concat(
  [name | some member in ["serviceAccountName", "serviceAccount"]; name := object.get(pod_spec, member, ""); name != ""],
  ["default"],
)[0]

pod_spec := object.get(input.review.object, ["spec"], {}) if input.review.object.kind == "Pod"

pod_spec := object.get(input.review.object, ["spec", "jobTemplate", "spec", "template", "spec"], {}) if {
  input.review.object.kind == "CronJob"
}

pod_spec := object.get(input.review.object, ["spec", "template", "spec"], {}) if {
  not input.review.object.kind in {"Pod", "CronJob", "ServiceAccount"}
}

slim(whole) := json.remove(whole, [
  ["status"],
  ["metadata", "managedFields"],
  ["metadata", "uid"],
  ["metadata", "resourceVersion"],
  ["metadata", "generation"],
  ["metadata", "creationTimestamp"],
  ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
])
"#;
