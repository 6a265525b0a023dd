//! What is deployed agrees with itself: the chart has the manifests and scripts that lie elsewhere
//! too, its version is the program's, and what its jobs run can be typed.
//!
//! `UPDATE_DOCS=1 cargo test --release --workspace --locked deploy` copies anew.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use wiguard::read::{Limits, Root, read_all};

use crate::program::Folder;

const CHART: &str = "policy/deploy/chart";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder with this ending, by name; none if there is no such folder.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(at(folder)) else { return BTreeMap::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).map(|name| (name.clone(), text(&format!("{folder}/{name}")))).collect()
}

/// Fails unless the copy is what it is copied from.
fn same(from: &BTreeMap<String, String>, copy: &str, ending: &str) {
    if env::var_os("UPDATE_DOCS").is_some() {
        files(copy, ending).keys().for_each(|name| fs::remove_file(at(copy).join(name)).unwrap());
        fs::create_dir_all(at(copy)).unwrap();
        from.iter().for_each(|(name, text)| fs::write(at(copy).join(name), text).unwrap());
    }
    assert!(files(copy, ending) == *from, "`{copy}` is stale: run the tests once with UPDATE_DOCS=1");
}

#[test]
fn the_scripts_of_the_jobs_are_the_same_everywhere() {
    let scripts = files(&format!("{CHART}/files/collect"), ".sh");
    assert_eq!(scripts.keys().collect::<Vec<_>>(), ["azure.sh", "kubernetes.sh"]);
    same(&scripts, "reporter/deploy", ".sh");
    same(&scripts, "policy/deploy/trust", ".sh");
}

#[test]
fn versions_are_the_programs() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = text(&format!("{CHART}/Chart.yaml"));
    for line in [format!("\nversion: {version}\n"), format!("\nappVersion: {version}\n")] {
        assert!(chart.contains(&line), "{chart}");
    }
    for folder in ["reporter/deploy", "policy/deploy/trust"] {
        let kustomization = text(&format!("{folder}/kustomization.yaml"));
        assert!(kustomization.contains(&format!("wiguard, newTag: {version}}}")), "{kustomization}");
    }
}

/// The objects of a manifest of the repository.
fn objects(path: &str) -> Vec<Value> {
    objects_of(&at(path))
}

fn objects_of(path: &Path) -> Vec<Value> {
    let outcome = read_all(
        &[Root::Path(path.to_path_buf())],
        || Box::new(std::io::empty()),
        &Limits::default(),
        |batch| batch.pieces().map(|piece| serde_json::from_slice(piece.json).unwrap()).collect::<Vec<Value>>(),
    );
    assert!(outcome.defects.is_empty(), "{:?}", outcome.defects);
    outcome.results.into_iter().flat_map(|(_, objects)| objects).collect()
}

#[test]
fn what_the_jobs_run_can_be_typed() {
    for path in ["reporter/deploy/cronjob.yaml", "policy/deploy/trust/cronjob.yaml"] {
        let objects = objects(path);
        let spec = &objects[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        let arguments: Vec<String> = spec["containers"][0]["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect();
        // The same folder, of another name, and a kubeconfig that names no cluster.
        let folder = Folder::of(&[(
            "sources/this-cluster/openid-configuration.json",
            r#"{"issuer":"https://a.example/","jwks_uri":"x"}"#,
        )]);
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.iter_mut().filter(|it| **it == "/sources").for_each(|it| *it = "sources");
        if arguments.contains(&"--apply") {
            arguments.extend(["--kubeconfig", "none"]);
        }
        let ran = folder.run(&arguments);
        let meant = if arguments.contains(&"--apply") {
            ran.err.contains("could not read the kubeconfig `none`")
        } else {
            ran.status == 0
        };
        assert!(meant, "{path}: {ran:?}");
        // Every image is one that the kustomization names.
        let kustomization = text(&Path::new(path).with_file_name("kustomization.yaml").display().to_string());
        for list in ["initContainers", "containers"] {
            for container in spec[list].as_array().unwrap() {
                assert!(
                    kustomization.contains(&format!("name: {}, newName", container["image"].as_str().unwrap())),
                    "{container}"
                );
            }
        }
    }
}

#[test]
fn the_chart_has_the_generated_manifests() {
    for (from, copy) in [("policy/deploy/gatekeeper/external-data", "gatekeeper"), ("policy/deploy/vap", "vap")] {
        let mut generated = files(from, ".yaml");
        // These the chart makes itself, with its own names, levels and certificates.
        generated
            .retain(|name, _| !["provider.yaml", "constraint.yaml", "kustomization.yaml"].contains(&name.as_str()));
        same(&generated, &format!("{CHART}/files/{copy}"), ".yaml");
    }
}

#[test]
fn the_chart_asks_about_what_the_manifests_ask_about() {
    let kubewarden = "policy/deploy/kubewarden/cluster-admission-policy.yaml";
    let policy = objects(kubewarden).into_iter().find(|it| it["kind"] == "ClusterAdmissionPolicy").unwrap();
    let conditions = text(&format!("{CHART}/files/match-conditions.yaml"));
    let folder = Folder::new();
    let indented: String = conditions.lines().map(|line| format!("  {line}\n")).collect();
    let file =
        folder.write("conditions.yaml", format!("kind: Conditions\napiVersion: v1\nmatchConditions:\n{indented}"));
    let read = objects_of(&file);
    assert_eq!(read[0]["matchConditions"], policy["spec"]["matchConditions"], "`{kubewarden}` has others");
}

/// `az` of a tenant with an identity in each of two subscriptions, the first with a credential, and
/// an app registration; it fails if it is asked for anything else.
const AZ: &str = r#"#!/bin/sh
id() { echo "/subscriptions/$1/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-$1"; }
client() { echo "5a1e2c3d-000$1-4000-8000-000000000001"; }
case "$*" in
  "login --service-principal --username me --tenant here --federated-token token "*) ;;
  "account list "*) printf '1\n2\n' ;;
  "identity list --subscription $4 --output json")
    echo "[{\"id\": \"$(id "$4")\", \"name\": \"id-$4\", \"clientId\": \"$(client "$4")\", \"type\": \"Microsoft.ManagedIdentity/userAssignedIdentities\"}]" ;;
  "identity list --subscription $4 --query "*) printf '%s\tid-%s\trg\n' "$(client "$4")" "$4" ;;
  "identity federated-credential list --subscription 1 --identity-name id-1 --resource-group rg --output json")
    echo "[{\"id\": \"$(id 1)/federatedIdentityCredentials/fc\", \"name\": \"fc\", \"issuer\": \"https://a.example/\", \"subject\": \"system:serviceaccount:shop:cart\", \"audiences\": [\"api://AzureADTokenExchange\"]}]" ;;
  "identity federated-credential list --subscription 2 --identity-name id-2 --resource-group rg --output json") echo "[]" ;;
  "ad app list --all --output json") echo "[{\"appId\": \"$(client 3)\", \"id\": \"$(client 4)\", \"displayName\": \"web\"}]" ;;
  "ad app list --all --query "*) client 3 ;;
  "ad app federated-credential list --id $(client 3) --output json") echo "[]" ;;
  *) echo "az: $*" >&2; exit 1 ;;
esac
"#;

const KUBECTL: &str = r#"#!/bin/sh
case "$*" in
  "get --raw /.well-known/openid-configuration") echo '{"issuer": "https://a.example/", "jwks_uri": "x"}' ;;
  "get namespaces "*) echo '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "1"}}]}' ;;
  "get serviceaccounts "*) echo '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop", "uid": "2"}}]}' ;;
  *) echo "kubectl: $*" >&2; exit 1 ;;
esac
"#;

#[test]
fn what_the_scripts_write_can_be_read() {
    let folder = Folder::of(&[("bin/az", AZ), ("bin/kubectl", KUBECTL), ("token", "token")]);
    for name in ["az", "kubectl"] {
        fs::set_permissions(folder.path().join("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.path().join("bin").display(), env::var("PATH").unwrap());
    let script = |name: &str, arguments: &[&str], applications: &str, client: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.arg(at(&format!("{CHART}/files/collect/{name}.sh"))).args(arguments).current_dir(folder.path());
        shell.env("PATH", &path).env("AZURE_CLIENT_ID", client).env("AZURE_TENANT_ID", "here").env("SUBSCRIPTIONS", "");
        shell.env("AZURE_FEDERATED_TOKEN_FILE", "token").env("APPLICATIONS", applications);
        let output = shell.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let done = |ran: (bool, String)| assert!(ran.0, "{}", ran.1);
    done(script("kubernetes", &["sources/prod", "namespaces,serviceaccounts"], "", "me"));
    done(script("azure", &["sources/azure"], "false", "me"));
    let ran = folder.run(&["policy", "trust", "sources", "--cluster", "prod", "--managed-identities-only"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.contains("name: trust.shop\n") && ran.out.contains("\"name\":\"fc\""), "{}", ran.out);
    assert_eq!(
        folder.run(&["policy", "trust", "sources", "--cluster", "prod"]).status,
        3,
        "no app registration was listed"
    );
    done(script("azure", &["sources/azure"], "true", "me"));
    let ran = folder.run(&["policy", "trust", "sources", "--cluster", "prod"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");

    // What fails must not pass for an empty list.
    let (ok, err) = script("azure", &["other"], "false", "somebody");
    assert!(!ok && err.contains("az: login"), "{err}");
    assert!(!script("kubernetes", &["other", "namespaces,secrets"], "", "me").0);
    folder.write("bin/az", AZ.replace("--subscription 2 --identity-name", "--subscription 9 --identity-name"));
    let (ok, err) = script("azure", &["other"], "false", "me");
    assert!(!ok && err.contains("identity federated-credential list --subscription 2"), "{err}");
}

#[test]
fn what_the_documents_name_is_there() {
    for name in ["deploy", "kubewarden", "preview", "trust"] {
        let page = text(&format!("docs/{name}.md"));
        let links = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("http")) {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { format!("docs/{name}.md") } else { format!("docs/{path}") };
            assert!(at(&path).exists(), "docs/{name}.md: {link}");
            if !section.is_empty() {
                let headings = text(&path);
                let mut headings = headings.lines().filter(|line| line.starts_with('#')).map(|line| {
                    let heading = line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
                    heading.chars().filter(|it| it.is_alphanumeric() || *it == '-').collect::<String>()
                });
                assert!(headings.any(|heading| heading == section), "docs/{name}.md: {link}");
            }
        }
        let mut commands = 0;
        for line in page.lines().map(|line| line.split('#').next().unwrap().trim_end()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["wiguard", arguments @ ..] if !line.contains(['…', '[', '|']) => {
                    let ran = Folder::new().run(&[arguments, &["--help"]].concat());
                    assert!(ran.status == 0 && ran.out.contains("Usage: "), "docs/{name}.md: {line}: {ran:?}");
                    commands += 1;
                }
                ["kubectl", "apply", "-k" | "-f", path, ..] => {
                    assert!(at(path).exists(), "docs/{name}.md: {line}");
                    commands += 1;
                }
                _ => {}
            }
        }
        assert!(commands > 0, "docs/{name}.md has no command");
    }
}

#[test]
fn the_sample_policy_can_be_previewed() {
    let folder = Folder::new();
    let policy = at("policy/deploy/kubewarden/cluster-admission-policy.yaml").display().to_string();
    let ran = folder.run(&["preview", &at("testdata/small").display().to_string(), "--settings", &policy]);
    assert!(ran.status == 1 && ran.out.contains("AWI301 untrusted-workload"), "{ran:?}");
}
