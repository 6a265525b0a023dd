//! The module as a file: the same bytes wherever it is built, small, asking for nothing but what the
//! protocol gives and the time, and with metadata that a Kubewarden host can read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use serde_json::{Value, json};
use wiguard::read::{Limits, Root, read_all};
use wiguard_rules::model::POD_BEARING;
use wiguard_tests::modules;

/// What Kubewarden reads, as strictly as it might: no member unknown, and each of the right type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    protocol_version: String,
    rules: Vec<Rule>,
    mutating: bool,
    background_audit: bool,
    execution_mode: String,
    policy_type: String,
    context_aware_resources: BTreeSet<Resource>,
    host_capabilities: Vec<String>,
    minimum_kubewarden_version: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resource {
    api_version: String,
    kind: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sections of a module: id and content.
fn sections(module: &[u8]) -> Vec<(u8, &[u8])> {
    let (magic, mut rest) = module.split_at(8);
    assert_eq!(magic, b"\0asm\x01\0\0\0");
    let mut sections = Vec::new();
    while let Some((id, after)) = rest.split_first() {
        let (content, after) = sized(after);
        sections.push((*id, content));
        rest = after;
    }
    sections
}

/// Bytes with their number before them, and what follows.
fn sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = number(bytes);
    rest.split_at(length)
}

fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let number = bytes[..=end].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
    (number, &bytes[end + 1..])
}

/// The contents of the custom sections of that name.
fn custom<'m>(module: &'m [u8], name: &str) -> Vec<&'m [u8]> {
    let custom = sections(module).into_iter().filter(|(id, _)| *id == 0).map(|(_, content)| sized(content));
    custom.filter(|(own, _)| *own == name.as_bytes()).map(|(_, content)| content).collect()
}

/// `metadata.yml`, as it is for people.
fn written() -> Value {
    let path = root().join("policy/deploy/kubewarden/metadata.yml");
    let read = read_all(
        &[Root::Path(path)],
        || Box::new(std::io::empty()),
        &Limits::default(),
        |batch| batch.pieces().map(|piece| serde_json::from_slice(piece.json).unwrap()).collect::<Vec<Value>>(),
    );
    let mut documents: Vec<Value> = read.results.into_iter().flat_map(|(_, documents)| documents).collect();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[test]
fn the_module_carries_its_metadata() {
    let [section] = custom(wiguard::POLICY, "io.kubewarden.metadata")[..] else { panic!("one such section") };
    let carried: Value = serde_json::from_slice(section).unwrap();
    let mut expected = written();
    expected["protocolVersion"] = json!("v1");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("policy/src/metadata.json"), expected.to_string()).unwrap();
    }
    assert_eq!(carried, expected, "`metadata.json` is stale: run the tests once with UPDATE_DOCS=1");
    assert_eq!(section, expected.to_string().as_bytes(), "in one order, and without a space");
}

#[test]
fn the_metadata_is_as_kubewarden_wants_it() {
    let [section] = custom(wiguard::POLICY, "io.kubewarden.metadata")[..] else { panic!("one such section") };
    let metadata: Metadata = serde_json::from_slice(section).unwrap();
    assert_eq!((metadata.protocol_version.as_str(), metadata.execution_mode.as_str()), ("v1", "kubewarden-wapc"));
    assert_eq!(
        (metadata.mutating, metadata.background_audit, metadata.policy_type.as_str()),
        (false, true, "kubernetes")
    );
    let mut asked = BTreeSet::new();
    for rule in &metadata.rules {
        assert_eq!(
            (rule.api_versions.as_slice(), rule.operations.as_slice()),
            (&["v1".into()][..], &["CREATE".into(), "UPDATE".into()][..])
        );
        let [group] = rule.api_groups.as_slice() else { panic!("{rule:?}") };
        asked.extend(rule.resources.iter().map(|resource| (group.as_str(), resource.as_str())));
    }
    let judged = POD_BEARING.iter().map(|kind| (kind.group, kind.resource)).chain([("", "serviceaccounts")]);
    assert_eq!(asked, judged.collect());
    let read = |kind: &str| Resource { api_version: "v1".into(), kind: kind.into() };
    assert_eq!(metadata.context_aware_resources, BTreeSet::from([read("ConfigMap"), read("ServiceAccount")]));
    assert_eq!(metadata.host_capabilities, ["kubernetes/get_resource"]);
    let version: Vec<u32> = metadata.minimum_kubewarden_version.split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(version, [1, 38, 0]);
    let annotation = |name: &str| metadata.annotations[name].as_str();
    assert_eq!(annotation("io.kubewarden.policy.version"), env!("CARGO_PKG_VERSION"));
    assert!(["critical", "high", "medium", "low", "info"].contains(&annotation("io.kubewarden.policy.severity")));
    let kinds: BTreeSet<&str> = annotation("io.artifacthub.resources").split(", ").collect();
    assert_eq!(kinds, POD_BEARING.iter().map(|kind| kind.kind).chain(["ServiceAccount"]).collect());
    // Without these `kwctl scaffold artifacthub` refuses.
    for name in ["title", "description", "license", "ociUrl", "usage", "category"] {
        assert!(!annotation(&format!("io.kubewarden.policy.{name}")).is_empty());
    }
    assert!(annotation("io.artifacthub.keywords").split(',').all(|word| !word.trim().is_empty()));
    assert!(!annotation("io.artifacthub.displayName").is_empty());
    // Who it is by, and where it is from, is for whoever publishes it.
    let known = ["io.kubewarden.policy.", "io.artifacthub."];
    assert!(metadata.annotations.keys().all(|name| known.iter().any(|prefix| name.starts_with(prefix))));
}

#[test]
fn the_module_is_small() {
    let size = wiguard::POLICY.len();
    assert!(size <= 300_000, "the module has {size} bytes; what made it grow?");
}

#[test]
fn the_module_asks_for_the_protocol_and_the_time() {
    let (_, imports) = sections(wiguard::POLICY).into_iter().find(|(id, _)| *id == 2).unwrap();
    let (count, mut rest) = number(imports);
    let mut asked = BTreeMap::<String, BTreeSet<String>>::new();
    for _ in 0..count {
        let (module, after) = sized(rest);
        let (name, after) = sized(after);
        let [0, after @ ..] = after else { panic!("an import that is no function") };
        rest = number(after).1;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        asked.entry(text(module)).or_default().insert(text(name));
    }
    assert_eq!(asked.remove("wasi_snapshot_preview1"), Some(BTreeSet::from(["clock_time_get".to_owned()])));
    assert!(asked.remove("wapc").is_some_and(|names| names.len() == 9));
    assert!(asked.is_empty(), "{asked:?}");
    // No names, no traces of where it was built.
    let known = ["io.kubewarden.metadata", "producers", "target_features"];
    for (_, content) in sections(wiguard::POLICY).iter().filter(|(id, _)| *id == 0) {
        let name = String::from_utf8_lossy(sized(content).0);
        assert!(known.contains(&name.as_ref()), "section `{name}`");
    }
    let text = String::from_utf8_lossy(wiguard::POLICY);
    for home in [
        env!("CARGO_MANIFEST_DIR").trim_end_matches("/tests").to_owned(),
        env::var("HOME").unwrap_or_else(|_| "/nowhere".into()),
    ] {
        assert!(!text.contains(&home), "the module names `{home}`, where it was built");
    }
}

/// Copies what the module is built from, and of the other members what cargo wants to see.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match name.to_str() {
            Some("target" | "testdata" | ".git" | "node_modules") => {}
            _ if path.is_dir() => copy(&path, &to.join(name)),
            _ => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

#[test]
fn it_is_the_same_wherever_it_is_built() {
    // Another folder, another home, another target: all that paths could come from.
    let elsewhere = tempfile::tempdir().unwrap();
    let (source, home) = (elsewhere.path().join("a/folder of another name"), elsewhere.path().join("home"));
    for member in ["rules", "policy", "reporter", "tests"] {
        copy(&root().join(member), &source.join(member));
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(root().join(file), source.join(file)).unwrap();
    }
    let own = env::var_os("CARGO_HOME").map(PathBuf::from);
    let own = own.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap();
    fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink(own.join("registry"), home.join("registry")).unwrap();
    for config in ["config.toml", "config"].into_iter().filter(|name| own.join(name).exists()) {
        std::os::unix::fs::symlink(own.join(config), home.join(config)).unwrap();
    }
    let module = modules::policy_of(&source, &home, &elsewhere.path().join("target"));
    assert!(module == wiguard::POLICY, "{} bytes there, {} here", module.len(), wiguard::POLICY.len());
}
