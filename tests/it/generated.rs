//! What is written for readers agrees with the program: the pages of the rules are what the
//! catalogue says, and what the documents quote or give as a sample is real.
//!
//! `UPDATE_DOCS=1 cargo test --release --workspace --locked generated` writes the pages anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};
use wiguard::config::Config;
use wiguard::policy::manifests::{Door, LEFT_OUT, files};
use wiguard::read::{Limits, Root, read_all};
use wiguard_policy::Host;
use wiguard_rules::catalogue::{ADMISSION, CATALOGUE};

const INDEX: &str = "# Rules

Every rule, computed from the catalogue; `wiguard rules` prints the same and `wiguard explain ID` the page of one. Severities are the usual ones: a finding may say another, and its page says when. *At admission* means that the [policy](policy.md) evaluates it too.

";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The pages in `docs/` that are generated, by path.
fn pages() -> BTreeMap<String, String> {
    let mut table = Vec::new();
    wiguard::rules::markdown(&mut table).unwrap();
    let mut index = format!("{INDEX}{}", String::from_utf8(table).unwrap());
    for entry in CATALOGUE {
        index = index.replace(&format!("| {} |", entry.id), &format!("| [{0}](rules/{0}.md) |", entry.id));
    }
    let manual = CATALOGUE.iter().map(|entry| (format!("rules/{}.md", entry.id), wiguard::explain::page(entry)));
    manual.chain([("rules.md".to_owned(), index)]).collect()
}

#[test]
fn the_pages_of_rules_are_what_the_catalogue_says() {
    let (docs, pages) = (root().join("docs"), pages());
    let folder = docs.join("rules");
    if env::var_os("UPDATE_DOCS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        pages.iter().for_each(|(path, page)| fs::write(docs.join(path), page).unwrap());
    }
    let kept: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| format!("rules/{}", entry.unwrap().file_name().to_string_lossy()))
        .chain(["rules.md".to_owned()])
        .collect();
    assert_eq!(kept, pages.keys().cloned().collect(), "run the tests once with UPDATE_DOCS=1");
    for (path, page) in &pages {
        let kept = fs::read_to_string(docs.join(path)).unwrap();
        assert!(kept == *page, "`docs/{path}` is stale: run the tests once with UPDATE_DOCS=1");
    }
}

#[test]
fn the_manifests_are_what_the_program_makes() {
    // What else lies in a door's folder is written by hand.
    for (door, name, whole) in [
        (Door::Gatekeeper, "gatekeeper", true),
        (Door::Vap, "vap", true),
        (Door::Webhook, "webhook", true),
        (Door::Kubewarden, "kubewarden", false),
    ] {
        let (folder, files) = (root().join("policy/deploy").join(name), files(door));
        if env::var_os("UPDATE_DOCS").is_some() {
            if whole {
                let _ = fs::remove_dir_all(&folder);
            }
            for file in &files {
                let path = folder.join(&file.path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &file.text).unwrap();
            }
        }
        for file in &files {
            let kept = fs::read_to_string(folder.join(&file.path)).unwrap_or_default();
            assert!(
                kept == file.text,
                "`policy/deploy/{name}/{}` is stale: run the tests once with UPDATE_DOCS=1",
                file.path
            );
        }
        let made: BTreeSet<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
        let kept = below(&folder);
        assert!(!whole || kept == made, "{:?}", kept.symmetric_difference(&made));
    }
}

/// The files below a folder.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { BTreeSet::from([path]) }).collect()
}

#[test]
fn the_page_on_gatekeeper_names_every_rule() {
    const FROM: &str = "<!-- what CEL decides: written by the tests -->\n";
    const TO: &str = "<!-- end -->\n";
    let mut table = "| rule | in CEL |\n|---|---|\n".to_owned();
    for entry in ADMISSION {
        let said = match (entry.cel(), LEFT_OUT.iter().find(|(id, _)| *id == entry.id)) {
            (None, reason) => format!("no: {}", reason.unwrap().1),
            (Some(_), _) => {
                let manual = entry.manual();
                let note = manual.split_once("\n# As CEL\n").unwrap().1.split("```").next().unwrap().trim().to_owned();
                if note.is_empty() { "yes".to_owned() } else { format!("yes. {note}") }
            }
        };
        table += &format!("| [{}](rules/{}.md) `{}` | {said} |\n", entry.id, entry.id, entry.name());
    }
    let page = document("docs/gatekeeper.md");
    let (head, rest) = page.split_once(FROM).unwrap();
    let (kept, tail) = rest.split_once(TO).unwrap();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("docs/gatekeeper.md"), format!("{head}{FROM}{table}{TO}{tail}")).unwrap();
    } else {
        assert!(kept == table, "`docs/gatekeeper.md` is stale: run the tests once with UPDATE_DOCS=1");
    }
}

#[test]
fn the_readme_quotes_the_report() {
    let report = scan(&[]);
    let mut lines = report.lines();
    for quoted in
        block(&document("README.md"), "text", "critical  AWI").lines().filter(|line| !matches!(line.trim(), "" | "…"))
    {
        assert!(lines.any(|line| line == quoted), "the report has no such line, or not here: {quoted}");
    }
}

#[test]
fn the_readme_quotes_the_rejection() {
    let readme = document("README.md");
    let request = json!({
        "kind": { "group": "apps", "version": "v1", "kind": "Deployment" },
        "namespace": "shop",
        "object": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "cart", "namespace": "shop" },
            "spec": { "template": {
                "metadata": { "labels": { "azure.workload.identity/use": "true" } },
                "spec": { "serviceAccountName": "cart", "containers": [{ "name": "cart", "image": "cart:1" }] },
            } },
        },
    });
    let payload =
        json!({ "request": request, "settings": settings(&block(&readme, "yaml", "kind: ClusterAdmissionPolicy")) });
    let answer = wiguard_policy::call("validate", payload.to_string().as_bytes(), &mut Shop).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["message"].as_str(), Some(block(&readme, "text", "AWI301 untrusted-workload at ").trim_end()));
}

/// A cluster whose one ServiceAccount is `shop/cart`.
struct Shop;

impl Host for Shop {
    fn call(&mut self, _: &str, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
        let annotations = json!({ "azure.workload.identity/client-id": "33333333-3333-3333-3333-333333333333" });
        let metadata = json!({ "name": "cart", "namespace": "shop", "annotations": annotations });
        Ok(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }).to_string().into_bytes())
    }
}

#[test]
fn the_samples_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wiguard.toml");
    for path in ["README.md", "docs/configuration.md"] {
        let samples = blocks(&document(path), "toml");
        assert!(!samples.is_empty(), "`{path}` has no sample");
        for sample in samples {
            fs::write(&file, sample).unwrap();
            Config::load(Some(&file)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
    for path in ["README.md", "docs/policy.md"] {
        let sample = block(&document(path), "yaml", "kind: ClusterAdmissionPolicy");
        let settings = settings(&sample).to_string();
        let answer = wiguard_policy::call("validate_settings", settings.as_bytes(), &mut Shop).unwrap();
        assert_eq!(answer, br#"{"valid":true}"#, "{path}: {}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn every_column_and_member_is_described() {
    let page = document("docs/output.md");
    let folder = tempfile::tempdir().unwrap();
    scan(&["-o", &format!("csv={}", folder.path().display())]);
    let mut tables = 0;
    for table in fs::read_dir(folder.path()).unwrap() {
        let table = table.unwrap();
        let name = table.file_name().to_string_lossy().into_owned();
        let (_, section) =
            page.split_once(&format!("### {name}\n")).unwrap_or_else(|| panic!("`{name}` is not described"));
        let section = section.split("\n##").next().unwrap();
        let content = fs::read_to_string(table.path()).unwrap();
        for column in content.lines().next().unwrap().split(',') {
            assert!(section.contains(&format!("`{column}`")), "column `{column}` of `{name}` is not described");
        }
        tables += 1;
    }
    assert_eq!(tables, 7);
    let report: Value = serde_json::from_str(&scan(&["-o", "json"])).unwrap();
    let mut members = BTreeSet::new();
    collect(&report, &mut members);
    assert!(members.len() > 30, "{members:?}");
    for member in members {
        assert!(page.contains(&format!("`{member}`")), "member `{member}` is not described");
    }
}

/// The names of all members, but of the evidence, which is each rule's own.
fn collect(value: &Value, members: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, members)),
        Value::Object(object) => {
            for (name, value) in object {
                members.insert(name.clone());
                if name != "evidence" {
                    collect(value, members);
                }
            }
        }
        _ => {}
    }
}

/// What a scan of the estate in `testdata` prints.
fn scan(arguments: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wiguard-under-test"));
    let output = program.current_dir(root()).args(["scan", "testdata/estate"]).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The `settings` of a sample policy.
fn settings(sample: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, sample).unwrap();
    let read = |batch: &wiguard::read::Batch| batch.pieces().map(|piece| piece.json.to_vec()).collect::<Vec<_>>();
    let outcome = read_all(&[Root::Path(file)], || Box::new(std::io::empty()), &Limits::default(), read);
    assert!(outcome.defects.is_empty(), "{:?}", outcome.defects);
    let objects: Vec<Value> = outcome
        .results
        .iter()
        .flat_map(|(_, objects)| objects)
        .map(|json| serde_json::from_slice(json).unwrap())
        .collect();
    let policy = objects.iter().find(|object| object["kind"] == "ClusterAdmissionPolicy").unwrap();
    assert!(policy["spec"]["settings"].is_object(), "{policy}");
    policy["spec"]["settings"].clone()
}

/// The fenced blocks of a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

/// The one fenced block that has this text.
fn block(document: &str, language: &str, text: &str) -> String {
    let found: Vec<String> = blocks(document, language).into_iter().filter(|block| block.contains(text)).collect();
    assert_eq!(found.len(), 1, "blocks with `{text}`");
    found.into_iter().next().unwrap()
}
