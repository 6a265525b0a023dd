//! What is deployed agrees with itself: the chart has the manifests that lie elsewhere
//! too, its version is the program's, and what its jobs run can be typed.
//!
//! `UPDATE_DOCS=1 cargo test --release --workspace --locked deploy` copies anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;
use wiguard::read::{Limits, Root, read_all};

use crate::program::{Folder, command, run};

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
fn versions_are_the_programs() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = text(&format!("{CHART}/Chart.yaml"));
    for line in [format!("\nversion: {version}\n"), format!("\nappVersion: {version}\n")] {
        assert!(chart.contains(&line), "{chart}");
    }
    for folder in ["reporter/deploy", "reporter/deploy/fleet", "policy/deploy/trust"] {
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

const JOBS: [&str; 4] = [
    "reporter/deploy/cronjob.yaml",
    "reporter/deploy/fleet/collect.yaml",
    "reporter/deploy/fleet/merge.yaml",
    "policy/deploy/trust/cronjob.yaml",
];

#[test]
fn what_the_jobs_run_can_be_typed() {
    for path in JOBS {
        let objects = objects(path);
        let job = &objects[0]["spec"]["jobTemplate"]["spec"];
        let container = &job["template"]["spec"]["containers"][0];
        let arguments: Vec<String> =
            container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        // Here there is no cluster and no container: what is typed is understood, and nothing is there.
        let folder = Folder::new();
        let mut arguments: Vec<String> = arguments
            .iter()
            .filter(|it| !it.starts_with("--kubeconfig="))
            .map(|it| it.replace("az://wiguard/", "").replace("fleet/shard", "shard"))
            .collect();
        let reads = arguments[0] != "merge";
        if reads {
            arguments.extend(["--kubeconfig", "none"].map(String::from));
        }
        let mut command = command(folder.path(), &arguments);
        command.env("JOB_COMPLETION_INDEX", "0");
        for variable in container["env"].as_array().into_iter().flatten() {
            // What the cluster fills in has no value here.
            if variable["valueFrom"].is_null() {
                command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
            }
        }
        let ran = run(command);
        let says = if reads { "could not read the kubeconfig `none`" } else { "there is no snapshot" };
        let missing = ran.status == 3 && ran.out.contains("does not exist");
        assert!((ran.status == 2 && ran.err.contains(says)) || (!reads && missing), "{path}: {ran:?}");
        // The image is one that the kustomization names.
        let kustomization = text(&Path::new(path).with_file_name("kustomization.yaml").display().to_string());
        assert!(kustomization.contains("name: wiguard, newName") && container["image"] == "wiguard", "{container}");
        // What cannot be mended by trying again fails the job: the codes are documented.
        let policy = job["podFailurePolicy"]["rules"].to_string();
        assert!(policy.contains("FailJob") && policy.contains("\"values\":[2"), "{path}: {policy}");
        assert!(policy.contains(container["name"].as_str().unwrap()), "{path}: {policy}");
    }
}

#[test]
fn a_fleet_has_as_many_pods_as_shards() {
    let job = &objects("reporter/deploy/fleet/collect.yaml")[0]["spec"]["jobTemplate"]["spec"];
    let env = job["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let shards = env.iter().find(|it| it["name"] == "WIGUARD_SHARDS").unwrap()["value"].as_str().unwrap();
    assert_eq!(job["completionMode"], "Indexed");
    for member in ["completions", "parallelism", "maxFailedIndexes"] {
        assert_eq!(job[member].to_string(), shards, "{member}");
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

#[test]
fn what_the_documents_name_is_there() {
    for name in ["deploy", "kubewarden", "preview", "snapshots", "trust"] {
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
