//! `wiguard doctor`: what it prints without anybody asked, what it asks Azure, and that the manifests
//! beside the program grant what it says.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wiguard_tests::cloud::{Cloud, Estate, Options, Size};
use wiguard_tests::cluster::objects::manifests;

use crate::program::PROGRAM;

const SMALL: Size = Size { subscriptions: 2, identities: 4, credentials: 1, applications: 3 };

/// Runs it: status, standard output, standard error.
fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn doctor(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("doctor").args(arguments);
    run(command)
}

/// Asks the cloud: the status, and what is answered, by place and need.
fn ask(cloud: &Cloud) -> (i32, Vec<(String, String, String)>) {
    let mut command = Command::new(PROGRAM);
    command.args(["doctor", "-o", "json", "--azure-rate", "95", "-q"]).args(cloud.arguments());
    cloud.workload_identity(&mut command);
    let (status, out, err) = run(command);
    assert!(cloud.leaks((out.clone() + &err).as_bytes()).is_empty(), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let mut answers = Vec::new();
    for place in report["places"].as_array().unwrap() {
        for need in place["needs"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = text(&need["action"]) + &text(&need["permission"]);
            answers.push((text(&place["place"]), name, text(&need["answer"])));
        }
    }
    (status, answers)
}

fn definition() -> Value {
    let (status, out, err) = doctor(&["--role-definition"]);
    assert_eq!((status, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn without_anybody_named_it_says_what_would_be_needed() {
    let (status, out, err) = doctor(&[]);
    assert_eq!((status, err.as_str()), (0, ""));
    for part in ["list pods", "federatedIdentityCredentials/read", "Application.Read.All", "kind: ClusterRole"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("LACKS") && out.contains("Nothing was asked"), "{out}");
}

#[test]
fn kinds_that_are_declared_are_needed_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("own.toml");
    std::fs::write(&config, "podBearing = [\"example.com/v1/BuildPolicy=spec.pods\"]\n").unwrap();
    let typed = ["--pod-bearing", "apps.kruise.io/v1beta1/StatefulSet=spec.template"];
    let arguments = [&["--cluster-role", "--config", config.to_str().unwrap()][..], &typed].concat();
    let (status, out, err) = doctor(&arguments);
    assert_eq!((status, err.as_str()), (0, ""));
    let roles = manifests(&out);
    let rules = roles[0]["rules"].as_array().unwrap();
    for (group, resource) in [("example.com", "buildpolicies"), ("apps.kruise.io", "statefulsets")] {
        let rule = json!({"apiGroups": [group], "resources": [resource], "verbs": ["get", "list"]});
        assert!(rules.contains(&rule), "{rule}: {out}");
    }
    assert!(!doctor(&["--cluster-role"]).1.contains("kruise"));
    assert_eq!(doctor(&["--pod-bearing", "Widget"]).0, 2);
}

#[test]
fn what_it_prints_for_others_is_that_alone() {
    let (_, out, _) = doctor(&["--cluster-role", "-n", "shop", "--secret-keys"]);
    let roles = manifests(&out);
    let kinds: Vec<_> = roles.iter().map(|role| (&role["kind"], &role["metadata"]["namespace"])).collect();
    assert_eq!(kinds, [(&json!("ClusterRole"), &json!(null)), (&json!("Role"), &json!("shop"))]);
    assert!(roles[1].to_string().contains("\"secrets\""), "{out}");
    assert!(!doctor(&["--cluster-role"]).1.contains("secrets]"), "not unless it is asked for");

    let id = "11111111-2222-4333-8444-555555555555";
    let (_, out, _) = doctor(&["--role-definition", "--azure", "--subscription", id, "--management-group", "mg"]);
    let definition: Value = serde_json::from_str(&out).unwrap();
    let scopes = [format!("/subscriptions/{id}"), "/providers/Microsoft.Management/managementGroups/mg".into()];
    assert_eq!(definition["AssignableScopes"], json!(scopes));
    assert_eq!(doctor(&["--role-definition", "--cluster-role"]).0, 2);
    assert_eq!(doctor(&["-n", "no/namespace"]).0, 2);
}

#[test]
fn a_reader_has_everything_and_without_one_action_exactly_that_lacks() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let (status, answers) = ask(&cloud);
    assert!(status == 0 && answers.iter().all(|(.., answer)| answer == "has"), "{status} {answers:?}");
    let actions = definition()["Actions"].as_array().unwrap().clone();
    assert_eq!(answers.len(), 2 * actions.len() + 2, "two subscriptions and a tenant: {answers:?}");

    cloud.allow(json!([{"actions": actions}]));
    assert_eq!(ask(&cloud).0, 0, "the role that it prints is enough");
    for dropped in &actions {
        cloud.allow(json!([{"actions": ["*"], "notActions": [dropped]}]));
        let (status, answers) = ask(&cloud);
        let lacking: Vec<&str> =
            answers.iter().filter(|(.., answer)| answer == "lacks").map(|it| it.1.as_str()).collect();
        assert_eq!((status, lacking), (1, vec![dropped.as_str().unwrap(); 2]));
    }
}

#[test]
fn what_azure_does_not_say_is_unknown_and_lacks_not() {
    let estate = Estate::made(7, SMALL);
    let forbidden = estate.subscriptions[0].id.clone();
    let cloud = Cloud::start(estate, Options { reads_applications: false, ..Options::default() });
    let (status, answers) = ask(&cloud);
    let lacking: Vec<_> = answers.iter().filter(|(.., answer)| answer == "lacks").map(|it| it.1.as_str()).collect();
    assert_eq!((status, lacking), (1, vec!["Application.Read.All"]));
    cloud.forbid(&forbidden);
    let (status, answers) = ask(&cloud);
    let unknown = |(place, _, answer): &&(String, String, String)| place.contains(&forbidden) && answer == "unknown";
    let all = definition()["Actions"].as_array().unwrap().len();
    assert_eq!((status, answers.iter().filter(unknown).count()), (3, all), "{answers:?}");
}

#[test]
fn the_manifests_of_the_audit_and_of_the_chart_grant_what_it_says() {
    let (_, out, _) = doctor(&["--cluster-role"]);
    let printed = out.split_once("\nrules:\n").unwrap().1.trim_end();
    for path in
        ["reporter/deploy/access.yaml", "policy/deploy/trust/access.yaml", "policy/deploy/chart/templates/_collect.tpl"]
    {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text = std::fs::read_to_string(&file).unwrap();
        // The chart has the rules alone, in a template.
        let role = text.find("\nkind: ClusterRole\n").unwrap_or_default();
        let from = role + text[role..].find("\nrules:\n").unwrap() + "\nrules:\n".len();
        let to = ["\n---\n", "\n{{"].iter().filter_map(|end| text[from..].find(end)).min().unwrap_or(text.len() - from);
        let rules = &text[from..from + to];
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, format!("{}{printed}{}", &text[..from], &text[from + to..])).unwrap();
        } else {
            assert_eq!(rules.trim_end(), printed, "{path} is stale: run the tests once with UPDATE_DOCS=1");
        }
    }
}
