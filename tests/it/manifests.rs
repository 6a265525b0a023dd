//! The manifests that enforce the rules: they parse, nothing in them is named twice, and no rule is
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wiguard::policy::manifests::{Door, File, LEFT_OUT, files};
use wiguard::read::{Limits, Root, read_all};
use wiguard_rules::catalogue::{ADMISSION, Entry};
use wiguard_rules::judge::{Object, judge};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::Trust;
use wiguard_tests::case::{collect_path, documents, testdata};

use crate::program::Folder;

const DOORS: [Door; 4] = [Door::Kubewarden, Door::Gatekeeper, Door::Vap, Door::Webhook];

/// Rules that also look into Secrets, if they are given any.
const SEE_MORE: [&str; 2] = ["AWI605", "AWI606"];

/// The documents of a text.
fn parse(text: &str, place: &str) -> Vec<Value> {
    let owned = text.to_owned();
    let stdin = || Box::new(std::io::Cursor::new(owned.clone())) as Box<_>;
    let outcome = read_all(&[Root::Stdin], stdin, &Limits::default(), |batch| {
        batch.pieces().map(|piece| piece.json.to_vec()).collect::<Vec<_>>()
    });
    assert!(outcome.defects.is_empty(), "{place}: {:?}\n{text}", outcome.defects);
    let pieces = outcome.results.iter().flat_map(|(_, pieces)| pieces);
    pieces.map(|json| serde_json::from_slice(json).unwrap()).collect()
}

fn applied(door: Door) -> Vec<Value> {
    files(door).iter().filter(|file| file.applied).flat_map(|file| parse(&file.text, &file.path)).collect()
}

#[test]
fn every_manifest_parses_and_is_named_once() {
    for door in DOORS {
        let files = files(door);
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), files.len(), "{door:?}: a path is there twice");
        let mut seen = BTreeSet::new();
        for File { path, text, applied } in &files {
            let documents = parse(text, path);
            assert!(!documents.is_empty(), "{path} is empty");
            for object in documents.iter().filter(|_| *applied) {
                let text =
                    |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
                let name = text("/metadata/name");
                let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
                let label = |label: &str| {
                    (1..=63).contains(&label.len())
                        && label.bytes().all(|byte| letter(byte) || byte == b'-')
                        && label.bytes().next().is_some_and(letter)
                        && label.bytes().next_back().is_some_and(letter)
                };
                assert!(name.split('.').all(label), "{path}: `{name}` is no name");
                assert!(!text("/apiVersion").is_empty() && !text("/kind").is_empty(), "{path}: {object}");
                let id = (text("/kind"), text("/metadata/namespace"), name);
                assert!(seen.insert(id.clone()), "{path}: {id:?} is there twice");
            }
        }
        assert!(seen.len() > 2, "{door:?}: {seen:?}");
    }
}

#[test]
fn what_is_printed_is_what_is_applied() {
    let folder = Folder::new();
    for (name, door) in [
        ("kubewarden", Door::Kubewarden),
        ("gatekeeper", Door::Gatekeeper),
        ("vap", Door::Vap),
        ("webhook", Door::Webhook),
    ] {
        let ran = folder.run(&["policy", "manifests", "--for", name]);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert_eq!(parse(&ran.out, name), applied(door), "{name}");
        let ran = folder.run(&["policy", "manifests", "--for", name, "-o", name]);
        assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
        for file in files(door) {
            assert_eq!(std::fs::read_to_string(folder.path().join(name).join(&file.path)).unwrap(), file.text);
        }
    }
    assert_eq!(folder.run(&["policy", "manifests", "--for", "nobody"]).status, 2);
    folder.write("taken", "");
    assert_eq!(folder.run(&["policy", "manifests", "--for", "vap", "-o", "taken"]).status, 4);
}

#[test]
fn templates_come_before_their_constraints() {
    let objects = parse(&Folder::new().run(&["policy", "manifests", "--for", "gatekeeper"]).out, "gatekeeper");
    let is_constraint = |object: &Value| object["apiVersion"] == "constraints.gatekeeper.sh/v1beta1";
    let first = objects.iter().position(is_constraint).unwrap();
    let last = objects.iter().rposition(|object| object["kind"] == "ConstraintTemplate").unwrap();
    assert!(last < first, "a template at {last}, a constraint at {first}");
    assert!(objects.iter().skip(first).all(is_constraint));
}

#[test]
fn the_embedded_module_is_written() {
    let folder = Folder::new();
    let ran = folder.run(&["policy", "module", "-o", "policy.wasm"]);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert!(std::fs::read(folder.path().join("policy.wasm")).unwrap() == wiguard::POLICY);
}

#[test]
fn every_rule_has_cel_or_a_reason() {
    let with: Vec<&str> = ADMISSION.iter().filter(|entry| entry.cel().is_some()).map(|entry| entry.id).collect();
    let without: Vec<&str> = LEFT_OUT.iter().map(|(id, _)| *id).collect();
    let all: BTreeSet<&str> = with.iter().chain(&without).copied().collect();
    assert!(all.len() == with.len() + without.len() && all.iter().copied().eq(ADMISSION.iter().map(|entry| entry.id)));
    // One for each door; where findings are of two levels, a constraint or policy for each.
    let count = |door: Door, kind: &str| applied(door).iter().filter(|object| object["kind"] == kind).count();
    let doubled = ADMISSION.iter().filter(|entry| entry.cel().is_some_and(|(_, mild)| mild.is_some())).count();
    assert!(doubled > 0);
    assert_eq!(count(Door::Gatekeeper, "ConstraintTemplate"), with.len() + 1);
    assert_eq!(count(Door::Vap, "ValidatingAdmissionPolicy"), with.len() + doubled);
    assert_eq!(count(Door::Vap, "ValidatingAdmissionPolicyBinding"), with.len() + doubled);
}

#[test]
fn every_door_is_asked_about_the_same_kinds() {
    let rules = |object: &Value, pointer: &str| object.pointer(pointer).unwrap_or_else(|| panic!("{object}")).clone();
    let policy =
        applied(Door::Kubewarden).into_iter().find(|object| object["kind"] == "ClusterAdmissionPolicy").unwrap();
    let webhook =
        applied(Door::Webhook).into_iter().find(|object| object["kind"] == "ValidatingWebhookConfiguration").unwrap();
    assert_eq!(rules(&policy, "/spec/rules"), rules(&webhook, "/webhooks/0/rules"));
    assert_eq!(rules(&policy, "/spec/matchConditions"), rules(&webhook, "/webhooks/0/matchConditions"));
    let resources: Vec<String> = rules(&policy, "/spec/rules")
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["resources"].as_array().unwrap().clone())
        .map(|resource| resource.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(resources.len(), wiguard_rules::model::POD_BEARING.len() + 1);
    // A subresource must be asked for by name, and is not.
    assert!(resources.iter().all(|resource| !resource.contains('/')), "{resources:?}");
}

/// What has CEL is decided by the object: whatever else is known of the estate changes nothing.
#[test]
fn one_object_decides() {
    let expressed: Vec<&'static Entry> = ADMISSION.iter().filter(|entry| entry.cel().is_some()).collect();
    let mut found = BTreeMap::<&str, usize>::new();
    for folder in documents().unwrap().into_iter().chain([testdata("estate")]) {
        let collected = collect_path(&folder, true);
        let (inventory, parameters, nothing) = (&collected.inventory, Parameters::default(), Default::default());
        let (knowing, alone) = (Trust::join(inventory, &parameters), Trust::join(&nothing, &parameters));
        let objects = inventory.service_accounts.iter().map(Object::ServiceAccount);
        for object in objects.chain(inventory.workloads.iter().map(Object::Workload)) {
            let ids = |trust: &Trust<'_>| {
                let mut ids = BTreeSet::new();
                judge(object, trust, expressed.iter().copied(), |judgement| {
                    if judgement.outcome.is_ok() {
                        ids.insert(judgement.rule.id);
                    }
                });
                ids
            };
            let (knowing, alone) = (ids(&knowing), ids(&alone));
            assert!(alone.is_subset(&knowing), "{object:?}: {alone:?}, but {knowing:?}");
            assert!(
                knowing.difference(&alone).all(|id| SEE_MORE.contains(id)),
                "{object:?}: {alone:?}, but {knowing:?}"
            );
            alone.into_iter().for_each(|id| *found.entry(id).or_default() += 1);
        }
    }
    assert_eq!(found.len(), expressed.len(), "nothing in the estate breaks some: {found:?}");
}
