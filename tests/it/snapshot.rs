//! Snapshots: scanned, they say what their sources say; they hold no secret; and one that is
//! damaged, cut off or of another version is never taken for whole.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use wiguard::collect::{Collected, Feed, Gap, Home, Missing, Proof, Resource, Wanted, collect};
use wiguard::read::Root;
use wiguard::snapshot::{Header, Writer};
use wiguard_rules::manifest::{Manifest, read};
use wiguard_rules::model::{
    ClusterIx, DEFAULT_AUDIENCE, FederatedIdentityCredential, IdentityKind, Origin, Parent, Subject,
};
use wiguard_tests::case::{documents, scanned, testdata};
use wiguard_tests::objects::cases;

use crate::program::{Folder, KNOWN, Ran, command};

/// What a report says, without the snapshot's own line of coverage and without the name of `from`.
fn told(ran: &Ran, snapshot: &str) -> Value {
    let mut report = ran.report();
    report["coverage"].as_array_mut().unwrap().retain(|row| row["source"] != snapshot);
    report
}

/// Scanning `sources` and scanning their snapshot is the same.
fn same(folder: &Folder, sources: &[&str], flags: &[&str]) {
    let direct = folder.run(&[&["scan", "-o", "json"], sources, flags].concat());
    let collected = folder.run(&[&["collect", "-o", "kept.gz"], sources, flags].concat());
    assert!([0, 3].contains(&collected.status), "{collected:?}");
    let kept = folder.run(&["scan", "-o", "json", "kept.gz"]);
    assert_eq!(kept.status, direct.status, "{kept:?}");
    assert_eq!(told(&kept, "kept.gz"), told(&direct, "kept.gz"));
    assert_eq!(collected.status == 3, direct.status == 3, "{collected:?}");
    let (status, reason) = kept.coverage("kept.gz");
    assert_eq!((status.as_str(), reason.as_str()), ("complete", ""), "of the snapshot itself");
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The estate, in a folder `in`.
fn estate() -> Folder {
    let folder = Folder::new();
    copy(&testdata("estate"), &folder.path().join("in"));
    folder
}

#[test]
fn a_snapshot_of_files_says_what_the_files_say() {
    same(&estate(), &["in"], &[]);
    for case in documents().unwrap() {
        let folder = Folder::new();
        copy(&case, &folder.path().join("in"));
        same(&folder, &["in"], &[]);
    }
}

#[test]
fn ties_and_what_cannot_be_read_are_kept_too() {
    let folder = Folder::of(&[
        ("a/shop.yaml", KNOWN),
        ("a/cut.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"ki"),
        ("a/prose.md", "# Read me\n\nThis is prose.\n"),
        ("b/list.json", "[]"),
        (
            "c/late.json",
            r#"{"items":[{"metadata":{"name":"a","namespace":"b"}}],"kind":"ServiceAccountList","apiVersion":"v1"}"#,
        ),
    ]);
    same(&folder, &["a", "b/list.json", "c"], &["--cluster", "prod=a"]);
    same(&folder, &["a/shop.yaml", "nowhere"], &[]);
}

#[test]
fn it_is_read_in_every_form_and_among_other_files() {
    let folder = estate();
    assert_eq!(folder.run(&["collect", "in", "-o", "kept.gz"]).status, 0);
    let expected = folder.run(&["scan", "in", "-o", "json"]).findings();
    let bytes = fs::read(folder.path().join("kept.gz")).unwrap();
    let plain = unpacked(&bytes);
    folder.write("plain/kept", &plain);
    let spaced: String = plain.lines().map(|line| format!("{line:#} \r\n")).collect();
    folder.write("spaced/kept.json", spaced.replace("{\"schema\":\"", "{ \"schema\" : \""));
    for path in ["kept.gz", "plain"] {
        assert_eq!(folder.run(&["scan", path, "-o", "json"]).findings(), expected, "{path}");
    }
    // Spaces change what the lines add up to: it is used, and not trusted to be whole.
    assert_eq!(folder.run(&["scan", "spaced", "-o", "json"]).status, 3);
    assert_eq!(folder.pipe(&["scan", "-", "-o", "json=piped.json"], &bytes).status, 1);
    let piped: Value = serde_json::from_str(&folder.read("piped.json")).unwrap();
    assert_eq!(piped["findings"].as_array().unwrap().len(), expected.len());
    folder.write("mixed/a.yaml", KNOWN);
    folder.write("mixed/kept.gz", &bytes);
    let mixed = folder.run(&["scan", "mixed", "-o", "json"]);
    assert_eq!(mixed.findings().len(), expected.len() + 1, "{mixed:?}");
    // What was collected can be collected again, with more beside it.
    assert_eq!(folder.run(&["collect", "mixed", "-o", "again.gz"]).status, 0);
    assert_eq!(folder.run(&["scan", "again.gz", "-o", "json"]).findings(), mixed.findings());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_objects_keep_every_fact(
        chosen in subsequence((0..cases().unwrap().len()).collect::<Vec<_>>(), 1..60),
        listed in any::<bool>(),
        azure in any::<bool>(),
    ) {
        let all = cases().unwrap();
        let objects: Vec<&Value> = chosen.iter().map(|index| &all[*index].object).collect();
        let folder = Folder::new();
        let text = if listed {
            json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
        } else {
            objects.iter().map(|object| format!("{object:#}\n")).collect()
        };
        folder.write("in/objects.json", text);
        if azure {
            copy(&testdata("small"), &folder.path().join("in"));
        }
        same(&folder, &["in"], &[]);
    }
}

/// Objects with something that is nobody's business in every place that may hold it.
fn secretive(secret: &str) -> Vec<Value> {
    let meta = |name: &str| {
        json!({"name": name, "namespace": "shop", "uid": "1",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": secret, "note": secret},
            "labels": {"note": secret}, "managedFields": [{"manager": secret}]})
    };
    let container = json!({"name": "c", "image": format!("shop:{secret}@registry.example.com/c"), "command": [secret], "args": ["--password", secret],
        "env": [{"name": "PASSWORD", "value": secret}, {"name": "AZURE_CLIENT_SECRET", "value": secret},
            {"name": "AZURE_CLIENT_CERTIFICATE_PASSWORD", "value": secret}, {"name": "ARM_ACCESS_KEY", "value": secret},
            {"name": "AZURE_STORAGE_CONNECTION_STRING", "value": secret}, {"name": "AZURE_ACCESS_TOKEN", "value": secret},
            {"name": "AZURE_STORAGE_SAS", "value": secret}, {"name": "ARM_ACCESS_SAS", "value": secret},
            {"name": "AZURE_BLOB_SAS_URL", "value": format!("https://a.blob.core.windows.net/c?sig={secret}")},
            {"name": "AZURE_STORAGE_URL", "value": format!("https://a.blob.core.windows.net/c?sv=2026&sig={secret}")},
            {"name": "AZURE_CREDENTIALS", "value": json!({"clientSecret": secret}).to_string()},
            {"name": "AZURE_SOMETHING_NEW", "value": secret}, {"name": "AZURE_CLIENT_ID", "value": "kept-client-id"}],
        "livenessProbe": {"exec": {"command": [secret]}}});
    let pod = json!({"serviceAccountName": "a", "containers": [container], "initContainers": [container],
        "volumes": [{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "x", "note": secret}}}]});
    let template = json!({"metadata": meta("t"), "spec": pod});
    vec![
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("s"), "data": {"password": secret}, "stringData": {"token": secret}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("broken"), "data": secret}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("c"), "data": {"x": secret}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("a"), "secrets": [{"name": secret}]}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("p"), "spec": pod}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("d"), "spec": {"template": template}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta("j"), "spec": {"jobTemplate": {"spec": {"template": template}}}}),
        json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": meta("x"),
            "spec": {"provider": "azure", "parameters": {"clientID": "c", "objects": secret}}}),
    ]
}

#[test]
fn no_secret_is_ever_kept() {
    let secret = "hunter2-c2VjcmV0LW9mLXRoZS1zaG9w";
    let folder = Folder::new();
    let objects = secretive(secret);
    folder.write("in/list.json", json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    for (index, object) in objects.iter().enumerate() {
        folder.write(&format!("in/{index}.yaml"), format!("{object:#}"));
    }
    // The kind of what is in this list comes last, and never.
    let mut nameless = objects[0].clone();
    nameless.as_object_mut().unwrap().retain(|name, _| name != "kind" && name != "apiVersion");
    folder.write("in/late.json", format!(r#"{{"items":[{nameless}],"apiVersion":"v1","kind":"SecretList"}}"#));
    folder.write("in/never.json", format!(r#"{{"items":[{nameless}]}}"#));
    folder.write("in/app.json", json!([{"appId": "a", "displayName": "b", "passwordCredentials": [{"secretText": secret}], "keyCredentials": [{"key": secret}]}]).to_string());
    let ran = folder.run(&["collect", "in", "-o", "kept.gz"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    let text = unpacked(&fs::read(folder.path().join("kept.gz")).unwrap());
    assert!(text.contains("kept-client-id") && text.contains("AZURE_STORAGE_SAS"), "what rules read is there: {text}");
    assert!(text.contains("AZURE_CLIENT_SECRET") && text.contains("\"password\""), "the names are there: {text}");
    assert!(!text.contains("hunter2") && !text.contains("c2VjcmV0"), "{text}");
    assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{ran:?}");
}

/// Lines of a snapshot with these feeds.
pub(crate) fn snapshot_of(header: Header, feeds: &[Feed]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.header(header).unwrap();
    feeds.iter().for_each(|feed| writer.feed(feed.clone()).unwrap());
    writer.end(vec!["kube://prod as somebody".into()]).unwrap();
    writer.finish().unwrap()
}

/// A manifest as a live reader gives it.
pub(crate) fn manifest(object: &Value) -> Manifest {
    read(object.to_string().as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest
}

/// What a live reader gives of a cluster: all that is asked for by a workload that opts in.
pub(crate) fn cluster(name: &str, at: u64) -> Vec<Feed> {
    let home = Home {
        name: name.into(),
        uid: format!("uid-of-{name}"),
        issuer: Some(format!("https://{name}.example/").into()),
    };
    let kind = |kind: &str| Proof::Kind { kind: kind.into(), namespace: None };
    let feed = |what: &str, manifests: Vec<Manifest>, kind_of: &str| Feed {
        source: format!("kube://{name}/{what}"),
        cluster: Some(home.clone()),
        at,
        read: manifests.len() as u64,
        manifests,
        proofs: vec![kind(kind_of)],
        ..Feed::default()
    };
    let pod = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"azure.workload.identity/use": "true"}},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "c"}]}}}});
    vec![
        feed("deployments", vec![manifest(&pod)], "Deployment"),
        feed("serviceaccounts", Vec::new(), "ServiceAccount"),
        feed(
            "namespaces",
            vec![manifest(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))],
            "Namespace",
        ),
    ]
}

pub(crate) fn collected(paths: &[&Path]) -> Collected {
    let roots = paths.iter().map(|path| Root::Path(path.to_path_buf())).collect();
    collect(&Wanted { roots, ..Wanted::default() }, Vec::new(), || Box::new(std::io::empty()))
}

#[test]
fn a_snapshot_of_feeds_says_what_the_feeds_say() {
    let mut feeds = cluster("prod", 1_790_000_000);
    let folder = testdata("estate");
    let estate = collected(&[&folder]).inventory;
    feeds.push(Feed {
        source: "azure://s/identities".into(),
        at: 1_790_000_100,
        read: 2,
        resources: estate
            .identities
            .iter()
            .cloned()
            .map(Resource::Identity)
            .chain(estate.credentials.iter().cloned().map(Resource::Credential))
            .chain(estate.clusters.iter().cloned().map(Box::new).map(Resource::Cluster))
            .collect(),
        proofs: vec![
            Proof::Subscriptions { tenant: "t".into(), subscriptions: vec!["s".into()] },
            Proof::ManagedIdentities { subscription: "s".into() },
            Proof::Applications { tenant: "t".into() },
        ],
        gaps: vec![Gap {
            path: "azure://s/clusters".into(),
            line: None,
            reason: "is forbidden".into(),
            extent: Missing::All,
        }],
        ..Feed::default()
    });
    feeds.push(Feed {
        source: "kube://prod/all".into(),
        cluster: feeds[0].cluster.clone(),
        at: 1_790_000_000,
        manifests: cases().unwrap().iter().map(|case| manifest(&case.object)).collect(),
        ..Feed::default()
    });
    let place = Folder::new();
    let kept = place.write("kept.gz", snapshot_of(Header::default(), &feeds));
    let kept = collected(&[&kept]);
    let direct = collect(&Wanted::default(), feeds, || Box::new(std::io::empty()));
    assert_eq!(scanned(&kept).findings, scanned(&direct).findings);
    assert!(direct.inventory.identities.iter().any(|it| it.kind == IdentityKind::UserAssigned));
    assert_eq!(kept.gaps, direct.gaps);
    let (kept, direct) = (kept.inventory, direct.inventory);
    assert_eq!(kept.coverage, direct.coverage);
    assert_eq!(kept.workloads.len(), direct.workloads.len());
    assert_eq!(kept.identities.len(), direct.identities.len());
}

/// A cluster, and a credential for an account of a namespace that it does not have.
pub(crate) fn dangling() -> Vec<Feed> {
    let credential = FederatedIdentityCredential {
        name: "for-gone".into(),
        id: String::new(),
        parent: Parent::Unknown,
        issuer: "https://prod.example/".into(),
        subject: Some(Subject::of("gone", "cart")),
        audiences: vec![DEFAULT_AUDIENCE.into()],
        expression: None,
        declared: None,
        origin: Origin::default(),
    };
    let azure = Feed {
        source: "azure://s/credentials".into(),
        at: 1_790_000_000,
        resources: vec![Resource::Credential(credential)],
        ..Feed::default()
    };
    [cluster("prod", 1_790_000_000), vec![azure]].concat()
}

#[test]
fn what_proves_absence_is_lost_with_a_line() {
    let folder = Folder::new();
    let bytes = snapshot_of(Header { begun: 1_790_000_000, ..Header::default() }, &dangling());
    folder.write("whole.gz", &bytes);
    let accused = |path: &str| {
        let ran = folder.run(&["scan", path, "-o", "json"]);
        (ran.findings().iter().any(|found| found[0] == "AWI311"), ran.status, ran.coverage(path))
    };
    let whole = folder.run(&["scan", "whole.gz"]);
    assert!(accused("whole.gz").0, "the namespace does not exist, which is proven: {whole:?}");
    let text = unpacked(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let without = |index: usize| -> String {
        lines.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| format!("{line}\n")).collect()
    };
    folder.write("no-end", without(lines.len() - 1));
    folder.write("no-header", without(0));
    folder.write("no-middle", without(2));
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    folder.write("swapped", swapped.join("\n"));
    folder.write("changed", text.replace("\"cart\"", "\"carp\""));
    folder.write("cut.gz", &bytes[..bytes.len() - 30]);
    for path in ["no-end", "no-header", "no-middle", "swapped", "changed", "cut.gz"] {
        let (accused, status, (coverage, reason)) = accused(path);
        assert!(!accused && status == 3 && coverage == "partial", "{path}: {status} {coverage} {reason}");
        assert!(["copy it", "export it again"].iter().any(|word| reason.contains(word)), "{path}: {reason}");
    }
}

#[test]
fn other_versions_are_told_apart() {
    let folder = Folder::new();
    let mut header = Header { program: "9.9.9".into(), ..Header::default() };
    header.begun = 1_790_000_000;
    let text = unpacked(&snapshot_of(header, &dangling()));
    folder.write("major", text.replace("wiguard.snapshot/v1", "wiguard.snapshot/v2"));
    let ran = folder.run(&["scan", "major", "-o", "json"]);
    let (status, reason) = ran.coverage("major");
    assert_eq!((ran.status, status.as_str()), (3, "missing"), "{reason}");
    assert!(reason.contains("wiguard.snapshot/v2") && reason.contains("version that wrote it"), "{reason}");

    // A member more is no matter; an object of a kind that is not known may be what another points to.
    let newer = text
        .replace("wiguard.snapshot/v1", "wiguard.snapshot/v1.3")
        .replace("\"feed\":{", "\"feed\":{\"colour\":\"red\",");
    folder.write("minor", &newer);
    let ran = folder.run(&["scan", "minor", "-o", "json"]);
    assert!(ran.findings().iter().all(|found| found[0] != "AWI311"), "its lines do not add up any more: {ran:?}");
    folder.write("kinds", newer.replace("\"manifests\":[", "\"manifests\":[{\"gizmo\":{\"name\":\"x\"}},"));
    let ran = folder.run(&["scan", "kinds", "-o", "json"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert_eq!(ran.report()["summary"]["workloads"], 1, "the rest is read: {ran:?}");
}

#[test]
fn it_appears_whole_or_not_at_all_and_is_its_owners_alone() {
    let folder = Folder::of(&[("in/a.yaml", KNOWN), ("kept.gz", "old")]);
    let ran = folder.run(&["collect", "in", "-o", "kept.gz"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.err.contains("wrote kept.gz"), "{ran:?}");
    let mode = fs::metadata(folder.path().join("kept.gz")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(folder.path().join("kept.gz")).unwrap();
    for wrong in [
        &["collect", "-o", "kept.gz"][..],
        &["collect", "in", "-o", "kept.gz", "--assume-complete"],
        &["collect", "in", "-o", "in"],
    ] {
        assert_eq!(folder.run(wrong).status, 2, "{wrong:?}");
    }
    assert_eq!(fs::read(folder.path().join("kept.gz")).unwrap(), bytes);
    assert_eq!(folder.run(&["collect", "in", "-o", "no/such/folder.gz"]).status, 4);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let piped = command(folder.path(), &["collect", "in", "-o", "-"]).output().unwrap();
    assert!(piped.status.success(), "{piped:?}");
    assert!(unpacked(&piped.stdout).lines().count() > 2);
}

#[test]
fn the_report_says_when_it_was_collected() {
    let folder = Folder::new();
    folder.write(
        "kept.gz",
        snapshot_of(Header { begun: 1_790_000_000, ..Header::default() }, &cluster("prod", 1_790_000_060)),
    );
    let ran = folder.run(&["scan", "kept.gz", "-o", "json"]);
    let report = ran.report();
    let at = |source: &str| {
        let rows = report["coverage"].as_array().unwrap();
        rows.iter().find(|row| row["source"] == source).map(|row| row["collected"].clone()).unwrap_or_default()
    };
    assert_eq!(at("kept.gz"), "2026-09-21T14:13:20Z");
    assert_eq!(at("kube://prod/deployments"), "2026-09-21T14:14:20Z");
    let table = folder.run(&["scan", "kept.gz"]).out;
    assert!(table.contains("collected from 2026-09-21T14:13:20Z to 2026-09-21T14:14:20Z"), "{table}");
}
