//! Gatekeeper's own command evaluates the templates: what they say of every object of the corpus is
//! what the rules say, and the suites that are shipped pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use wiguard::read::{Limits, Root, read_all};
use wiguard_rules::catalogue::{ADMISSION, Entry};
use wiguard_rules::finding::Severity;
use wiguard_rules::model::POD_BEARING;
use wiguard_tests::objects::{Case, cases};

/// A case, the name of a constraint that it violates, and what that does.
type Verdict = (usize, String, String);

fn gator(arguments: &[&Path]) -> Output {
    let servers = std::env::var_os("WIGUARD_SERVERS").expect("WIGUARD_SERVERS names the folder of the servers");
    Command::new(PathBuf::from(servers).join("gator")).args(arguments).output().unwrap()
}

/// The violations that `gator test` finds in a folder.
fn violations(folder: &Path) -> Vec<Value> {
    let output = gator(&[Path::new("test"), Path::new("-f"), folder, Path::new("-o"), Path::new("json")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)) && said.is_empty(), "{said}");
    serde_json::from_slice::<Option<Vec<Value>>>(&output.stdout).unwrap().unwrap_or_default()
}

/// What is shipped, which another test compares with what the program makes.
fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policy/deploy").join(path)
}

/// The folders of the templates in CEL.
fn templates() -> Vec<PathBuf> {
    fs::read_dir(shipped("gatekeeper/cel")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Writes the objects, each under its number as a name, which no rule reads.
fn write_cases(path: &Path, cases: &[Case]) {
    let named = cases.iter().enumerate().map(|(number, case)| {
        let mut object = case.object.clone();
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("generateName");
        metadata.insert("name".into(), json!(format!("case-{number}")));
        format!("{object}\n")
    });
    fs::write(path, named.collect::<Vec<_>>().join("---\n")).unwrap();
}

fn number(violation: &Value) -> usize {
    let name = violation["violatingObject"]["metadata"]["name"].as_str().unwrap();
    name.strip_prefix("case-").unwrap().parse().unwrap()
}

#[test]
fn the_suites_pass() {
    let output = gator(&[Path::new("verify"), &shipped("gatekeeper/cel/...")]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok")).count(), templates().len(), "{said}");
    // It can fail: a sample that passes is no sample that fails.
    let (folder, rule) = (tempfile::tempdir().unwrap(), shipped("gatekeeper/cel/aad-pod-identity-label"));
    fs::create_dir(folder.path().join("samples")).unwrap();
    for name in ["template.yaml", "suite.yaml", "samples/constraint.yaml", "samples/passes-1.yaml"] {
        fs::copy(rule.join(name), folder.path().join(name)).unwrap();
    }
    fs::copy(rule.join("samples/passes-1.yaml"), folder.path().join("samples/fails-1.yaml")).unwrap();
    assert!(!gator(&[Path::new("verify"), &folder.path().join("...")]).status.success());
}

#[test]
fn what_must_be_synced_is() {
    let sync = |files: &[&str]| {
        let files: Vec<PathBuf> = files.iter().map(|name| shipped("gatekeeper/external-data").join(name)).collect();
        let named = files.iter().flat_map(|file| [Path::new("--filename"), file.as_path()]);
        let asked = ["sync", "test", "--force-omit-gvk-manifest"].map(Path::new);
        gator(&asked.into_iter().chain(named).collect::<Vec<_>>()).status.success()
    };
    assert!(sync(&["template.yaml", "syncset.yaml"]));
    assert!(!sync(&["template.yaml"]));
}

#[test]
fn cel_and_the_rules_agree() {
    let cases = cases().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for rule in templates() {
        for name in ["template", "constraint"] {
            let copy = format!("{}-{name}.yaml", rule.file_name().unwrap().to_string_lossy());
            fs::copy(rule.join(name).with_extension("yaml"), folder.path().join(copy)).unwrap();
        }
    }
    agree(&cases, &evaluated(folder.path(), &cases));
}

/// Gatekeeper evaluates CEL with the API server's own library, so that a policy of the API server
/// may be tried as a template.
#[test]
fn the_policies_of_the_api_server_agree_too() {
    let cases = cases().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let objects = documents_below(&shipped("vap"));
    let of = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
    let (policies, bindings) = (of("ValidatingAdmissionPolicy"), of("ValidatingAdmissionPolicyBinding"));
    assert_eq!(policies.len() + bindings.len(), objects.len());
    for (policy, binding) in policies.into_iter().zip(bindings) {
        let (name, spec) = (policy["metadata"]["name"].as_str().unwrap(), &policy["spec"]);
        assert_eq!(binding["spec"]["policyName"], name);
        let denies = binding["spec"]["validationActions"] == json!(["Deny"]);
        assert!(denies || binding["spec"]["validationActions"] == json!(["Warn", "Audit"]), "{binding}");
        let validation = &spec["validations"][0];
        let source = json!({
            "matchCondition": spec["matchConditions"], "variables": spec["variables"],
            "validations": [{ "expression": validation["expression"], "message": validation["message"] }],
        });
        let rules = spec["matchConstraints"]["resourceRules"].as_array().unwrap();
        let resources: Vec<&str> = rules
            .iter()
            .flat_map(|rule| rule["resources"].as_array().unwrap())
            .map(|name| name.as_str().unwrap())
            .collect();
        let bearing = POD_BEARING.iter().filter(|kind| resources.contains(&kind.resource)).map(|kind| kind.kind);
        let account = resources.contains(&"serviceaccounts").then_some("ServiceAccount");
        let kinds: Vec<&str> = bearing.chain(account).collect();
        assert_eq!(kinds.len(), resources.len());
        let kind = name.replace('-', "");
        let constraint = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
            "metadata": { "name": name.strip_prefix("wiguard-").unwrap() },
            "spec": {
                "enforcementAction": if denies { "deny" } else { "warn" },
                "match": { "kinds": [{ "apiGroups": ["*"], "kinds": kinds }] },
            },
        });
        let text = format!("{}\n---\n{constraint}\n", template(&kind, &source));
        fs::write(folder.path().join(name).with_extension("yaml"), text).unwrap();
    }
    agree(&cases, &evaluated(folder.path(), &cases));
}

/// What the constraints in a folder say of the cases.
fn evaluated(folder: &Path, cases: &[Case]) -> BTreeSet<Verdict> {
    write_cases(&folder.join("cases.yaml"), cases);
    let mut evaluated = BTreeSet::new();
    for violation in violations(folder) {
        let text = |pointer: &str| violation.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        // An expression that fails is a violation too, and says so.
        let message = text("/msg");
        assert!(message.starts_with("AWI"), "{message}: {}", violation["violatingObject"]);
        evaluated.insert((number(&violation), text("/constraint/metadata/name"), text("/enforcementAction")));
    }
    evaluated
}

/// Compares verdicts with those of the rules, and prints how many there are of each.
fn agree(cases: &[Case], evaluated: &BTreeSet<Verdict>) {
    let expressed: Vec<&Entry> = ADMISSION.iter().filter(|entry| entry.cel().is_some()).collect();
    let mut native = BTreeSet::<Verdict>::new();
    for (number, case) in cases.iter().enumerate() {
        for (entry, finding) in case.findings() {
            if !expressed.contains(&entry) {
                continue;
            }
            let denies = finding.severity >= Severity::High;
            let mild = !denies && entry.rule.severity >= Severity::High;
            let name = if mild { format!("{}-mild", entry.name()) } else { entry.name() };
            native.insert((number, name, if denies { "deny" } else { "warn" }.to_owned()));
        }
    }
    let differing: Vec<String> = evaluated
        .symmetric_difference(&native)
        .take(20)
        .map(|verdict| {
            let side = if native.contains(verdict) { "the rules" } else { "CEL" };
            let case = &cases[verdict.0];
            format!("only {side}: {} {} of {}: {}", verdict.1, verdict.2, case.origin, case.object)
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    println!("{:<42}{:>10}{:>10}", "constraint", "violated", "kept");
    let mut counts = BTreeMap::<&str, usize>::new();
    native.iter().for_each(|(_, name, _)| *counts.entry(name).or_default() += 1);
    for (name, count) in &counts {
        println!("{name:<42}{count:>10}{:>10}", cases.len() - count);
    }
    println!("{} objects, {} verdicts", cases.len(), native.len());
    for entry in expressed {
        assert!(counts.contains_key(entry.name().as_str()), "no case breaks {entry:?}, which proves nothing of it");
        let parted = entry.cel().is_some_and(|(_, mild)| mild.is_some());
        assert_eq!(counts.contains_key(format!("{}-mild", entry.name()).as_str()), parted, "{entry:?}");
    }
    assert!(cases.len() > 1000, "{} cases", cases.len());
}

/// The documents of the YAML below a folder.
fn documents_below(folder: &Path) -> Vec<Value> {
    let roots = [Root::Path(folder.to_path_buf())];
    let outcome = read_all(
        &roots,
        || Box::new(std::io::empty()),
        &Limits::default(),
        |batch| batch.pieces().map(|piece| piece.json.to_vec()).collect::<Vec<_>>(),
    );
    assert!(outcome.defects.is_empty(), "{:?}", outcome.defects);
    let pieces = outcome.results.iter().flat_map(|(_, pieces)| pieces);
    pieces.map(|json| serde_json::from_slice(json).unwrap()).collect()
}

/// A template of that kind with that source.
fn template(kind: &str, source: &Value) -> Value {
    let code = json!({ "engine": "K8sNativeValidation", "source": source });
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": { "name": kind.to_lowercase() },
        "spec": {
            "crd": { "spec": { "names": { "kind": kind } } },
            "targets": [{ "target": "admission.k8s.gatekeeper.sh", "code": [code] }],
        },
    })
}

/// A template whose one constraint is violated where the expression is true.
fn probe(folder: &Path, expression: &str) {
    let validation = json!({ "expression": format!("!({expression})"), "message": "true" });
    let template = template("Probe", &json!({ "validations": [validation] }));
    let constraint =
        json!({ "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Probe", "metadata": { "name": "probe" } });
    fs::write(folder.join("probe.yaml"), format!("{template}\n---\n{constraint}\n")).unwrap();
}

/// The conditions of the webhook keep out only what no rule has anything to say of.
#[test]
fn the_involved_are_let_in() {
    let webhook = fs::read_to_string(shipped("webhook/validating.yaml")).unwrap();
    let (_, rest) = webhook.split_once("- name: involved\n").unwrap();
    let expression: Vec<&str> = rest.lines().skip(1).map(str::trim_start).collect();
    let folder = tempfile::tempdir().unwrap();
    probe(folder.path(), &expression.join("\n"));
    let mut cases = cases().unwrap();
    // Raw manifests may lack what the API server fills in.
    cases.retain(|case| case.read().is_some_and(|read| !read.deleting));
    write_cases(&folder.path().join("cases.yaml"), &cases);
    let mut involved = BTreeSet::new();
    for violation in
        violations(folder.path()).iter().filter(|violation| violation["violatingObject"]["kind"] != "Probe")
    {
        if violation["violatingObject"]["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("case-")) {
            assert_eq!(violation["msg"], "true", "{violation}");
            involved.insert(number(violation));
        }
    }
    let kept_out = cases.iter().enumerate().filter(|(number, _)| !involved.contains(number));
    let mut count = 0;
    for (_, case) in kept_out {
        count += 1;
        let found: Vec<_> = case.findings().into_iter().map(|(entry, _)| entry.id).collect();
        assert!(found.is_empty(), "{found:?} in {}", case.object);
    }
    println!("{} of {} objects are kept out", count, cases.len());
    assert!(count > 10 && involved.len() > 100);
}

/// What the provider would be asked, with a provider that answers with its question.
#[test]
fn the_key_is_what_is_judged_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let by = |name: &str| fs::read_to_string(shipped("gatekeeper/external-data").join(name)).unwrap();
    let asks = r#"external_data({"provider": input.parameters.provider, "keys": [key]})"#;
    let template = by("template.yaml");
    assert_eq!(template.matches(asks).count(), 1);
    let answers = r#"{"responses": [[key, {"deny": [{"rule": "AWI000", "says": key}], "warn": []}]], "errors": [], "system_error": ""}"#;
    // Of whatever type, as an answer from outside is.
    let any = |answers: &str| format!("json.unmarshal(json.marshal({answers}))");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "case-0", "namespace": "shop", "uid": "1", "resourceVersion": "2", "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{}], "labels": { "b": "1", "a": "2" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "x": "y" } },
        "spec": { "serviceAccount": "cart" }, "status": { "phase": "Running" },
    });
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "case-1", "namespace": "shop" },
        "spec": { "jobTemplate": { "spec": { "template": { "spec": {} } } } },
    });
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "cart", "namespace": "shop", "uid": "9" } });
    for (with_account, answers) in [(true, answers), (false, answers)] {
        fs::write(folder.path().join("template.yaml"), template.replace(asks, &any(answers))).unwrap();
        fs::write(folder.path().join("constraint.yaml"), by("constraint.yaml")).unwrap();
        let objects = if with_account {
            format!("{pod}\n---\n{cron}\n---\n{account}\n")
        } else {
            format!("{pod}\n---\n{cron}\n")
        };
        fs::write(folder.path().join("objects.yaml"), objects).unwrap();
        let found = violations(folder.path());
        let key = |name: &str| -> Value {
            let own = |violation: &&Value| violation["violatingObject"]["metadata"]["name"] == name;
            let found: Vec<&Value> = found.iter().filter(own).collect();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert_eq!(
                (&found[0]["enforcementAction"], &found[0]["metadata"]["details"]["rule"]),
                (&json!("deny"), &json!("AWI000"))
            );
            let text = found[0]["msg"].as_str().unwrap();
            let key: Value = serde_json::from_str(text).unwrap();
            assert_eq!(key.to_string(), text, "members are sorted, with no space between them");
            key
        };
        let mut slim = json!({ "v": 1, "object": { "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "case-0", "namespace": "shop", "labels": { "a": "2", "b": "1" }, "annotations": { "x": "y" } },
            "spec": { "serviceAccount": "cart" } } });
        if with_account {
            slim["serviceAccount"] = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "cart", "namespace": "shop" } });
        }
        assert_eq!(key("case-0"), slim);
        // Its ServiceAccount is `default`, which is not among the objects.
        assert_eq!(key("case-1"), json!({ "v": 1, "object": cron }));
        if with_account {
            assert_eq!(key("cart"), json!({ "v": 1, "object": slim["serviceAccount"] }));
        }
    }
    // The provider fails: a violation for the constraint that denies, and none for the other.
    for answers in [
        r#"{"responses": [], "errors": [], "system_error": "down"}"#,
        r#"{"responses": [], "errors": [[key, "down"]], "system_error": ""}"#,
        r#"{"responses": [["another", {}]], "errors": [], "system_error": ""}"#,
    ] {
        fs::write(folder.path().join("template.yaml"), template.replace(asks, &any(answers))).unwrap();
        let found = violations(folder.path());
        assert_eq!(found.len(), 2, "{answers}: {found:?}");
        assert!(found.iter().all(|violation| violation["enforcementAction"] == "deny"
            && violation["msg"].as_str().unwrap().starts_with("provider wiguard gave no verdict: ")));
    }
    let unreadable =
        r#"{"responses": [[key, {"deny": [], "warn": [], "unreadable": "odd"}]], "errors": [], "system_error": ""}"#;
    fs::write(folder.path().join("template.yaml"), template.replace(asks, &any(unreadable))).unwrap();
    let found = violations(folder.path());
    assert!(
        found.len() == 2 && found.iter().all(|violation| violation["msg"] == "the object cannot be judged: odd"),
        "{found:?}"
    );
}
