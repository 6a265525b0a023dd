//! Bills of materials and lock files: what of each format is read, whose workloads run it, and what
//! becomes of files that are broken or have nothing of Azure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use wiguard::collect::{Collected, Missing};
use wiguard_rules::finding::Severity;
use wiguard_tests::case::{collect_path, collect_text, rules_that_find, scan_path, scanned, testdata};

use crate::program::Folder;

const ID: &str = "AWI801";

/// The libraries that are delivered, by what they are part of.
fn delivered(collected: &Collected) -> BTreeMap<String, Vec<String>> {
    let software = collected.inventory.software.iter();
    software.map(|it| (it.name.clone(), it.delivered().map(|library| library.shown()).collect())).collect()
}

/// What is found in a text, and how grave it is.
fn severity(text: &str) -> Option<Severity> {
    let found = scanned(&collect_text(text, false)).findings;
    found.into_iter().find(|seen| seen.rule == ID).map(|seen| seen.severity)
}

fn deployment(name: &str, label: &str, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"azure.workload.identity/use": label}},
        "spec": {"serviceAccountName": name, "containers": [{"name": name, "image": image}]}}}})
}

fn bill(subject: &Value, purls: &[&str]) -> Value {
    let components: Vec<Value> = purls.iter().map(|purl| json!({"type": "library", "purl": purl})).collect();
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": subject}, "components": components})
}

fn container(name: &str) -> Value {
    json!({"type": "container", "name": name})
}

#[test]
fn every_lock_file_is_read() {
    let collected = collect_path(&testdata("software/locks"), false);
    assert!(collected.gaps.is_empty(), "{:?}", collected.gaps);
    let folder = testdata("software/locks").display().to_string();
    let found: Vec<(String, Vec<String>)> = delivered(&collected)
        .into_iter()
        .map(|(name, libraries)| {
            (name.strip_prefix(&folder).unwrap_or(&name).trim_start_matches('/').into(), libraries)
        })
        .collect();
    const GO: &str = "github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.2.2";
    let expected: [(&str, &[&str]); 15] = [
        ("go-sum/go.sum", &[GO]),
        // Beside it `go.sum` says nothing.
        ("go/go.mod", &[GO]),
        ("gradle/gradle.lockfile", &["com.azure:azure-identity 1.8.1"]),
        ("npm-v1/package-lock.json", &["@azure/identity 3.0.1"]),
        ("npm/package-lock.json", &["@azure/identity 2.1.0", "@azure/identity 3.1.4"]),
        ("nuget/packages.lock.json", &["Azure.Core 1.25.0", "Azure.Identity 1.8.2"]),
        ("pip/requirements.txt", &["azure-identity 1.12.0"]),
        ("pipenv/Pipfile.lock", &["azure-identity 1.12.0"]),
        ("pnpm-v5/pnpm-lock.yaml", &["@azure/identity 3.1.3"]),
        ("pnpm/pnpm-lock.yaml", &["@azure/identity 3.1.4"]),
        ("poetry/poetry.lock", &["azure-identity 1.12.0"]),
        ("uv/uv.lock", &["azure-identity 1.12.0"]),
        ("vcpkg/vcpkg.json", &["azure-identity-cpp 1.5.1#1"]),
        ("yarn-berry/yarn.lock", &["@azure/identity 3.1.4"]),
        ("yarn/yarn.lock", &["@azure/identity 3.1.3"]),
    ];
    let expected: Vec<(String, Vec<String>)> = expected
        .iter()
        .map(|(name, libraries)| ((*name).into(), libraries.iter().map(|it| (*it).into()).collect()))
        .collect();
    assert_eq!(found, expected);
    let findings = scanned(&collected).findings;
    assert_eq!(findings.len(), expected.len(), "each is too old");
    assert!(
        findings.iter().all(|seen| seen.rule == ID && seen.severity == Severity::Medium && seen.kind == "Software")
    );
}

#[test]
fn bills_are_tied_to_the_workloads_that_run_their_images() {
    let collected = collect_path(&testdata("software/images"), false);
    let images: Vec<&str> = collected.inventory.software.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        images,
        ["shop.azurecr.io/shop/cart:1.4", "shop.azurecr.io/shop/report:7", "shop.azurecr.io/shop/stock:3.2"]
    );
    let found = scan_path(&testdata("software/images"), false).findings;
    let found: Vec<_> = found.iter().filter(|it| it.rule == ID).map(|it| (it.name.as_str(), it.severity)).collect();
    let expected = [
        ("shop.azurecr.io/shop/cart:1.4", Severity::High),
        // Nobody who runs it uses workload identity.
        ("shop.azurecr.io/shop/report:7", Severity::Info),
        ("shop.azurecr.io/shop/stock:3.2", Severity::High),
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_image_is_named_in_many_ways() {
    const DIGEST: &str = "sha256:77a1c9b3e5d2f4860aa11bb22cc33dd44ee55ff66001122334455667788990cd";
    let oci = format!("pkg:oci/cart@{}?repository_url=reg.io%2Fshop%2Fcart&tag=1.4", DIGEST.replace(':', "%3A"));
    let subjects = [
        container("reg.io/shop/cart:1.4"),
        json!({"type": "container", "name": "reg.io/shop/cart", "version": "1.4"}),
        json!({"type": "container", "group": "reg.io/shop", "name": "cart", "version": "1.4"}),
        json!({"type": "application", "name": "cart", "purl": oci}),
        json!({"type": "container", "name": "cart", "version": DIGEST, "properties": [{"name": "aquasecurity:trivy:RepoTag", "value": "reg.io/shop/cart:1.4"}]}),
        json!({"type": "application", "name": "cart", "purl": "pkg:docker/shop/cart@1.4?repository_url=reg.io"}),
    ];
    let run = |subject: &Value, image: &str| {
        let bill = bill(subject, &["pkg:nuget/Azure.Identity@1.8.2"]);
        severity(&format!("{bill}\n{}", deployment("cart", "true", image)))
    };
    for subject in &subjects {
        assert_eq!(run(subject, "reg.io/shop/cart:1.4"), Some(Severity::High), "{subject}");
        assert_eq!(run(subject, "reg.io/shop/cart:1.5"), Some(Severity::Medium), "{subject}");
    }
    for subject in [&subjects[3], &subjects[4]] {
        assert_eq!(run(subject, &format!("mirror.io/cart@{DIGEST}")), Some(Severity::High), "{subject}");
        assert_eq!(run(subject, "reg.io/shop/cart:1.4@sha256:00"), Some(Severity::Medium), "{subject}");
    }
    // A program of that name is no image of that name.
    let program = json!({"type": "application", "name": "cart", "version": "1.4"});
    assert_eq!(run(&program, "cart:1.4"), Some(Severity::Medium));
    assert_eq!(run(&container("docker.io/library/cart:1.4"), "cart:1.4"), Some(Severity::High));
}

#[test]
fn who_runs_it_decides_how_grave_it_is() {
    let bill = bill(&container("reg.io/cart:1"), &["pkg:pypi/azure-identity@1.12.0"]);
    let with = |workloads: &[Value]| {
        let documents: Vec<String> = [&bill].into_iter().chain(workloads).map(Value::to_string).collect();
        severity(&documents.join("\n"))
    };
    assert_eq!(with(&[]), Some(Severity::Medium), "nobody is known to run it");
    assert_eq!(
        with(&[deployment("cart", "false", "reg.io/cart:1")]),
        Some(Severity::Info),
        "whoever runs it does without"
    );
    let both = [deployment("cart", "false", "reg.io/cart:1"), deployment("till", "true", "reg.io/cart:1")];
    assert_eq!(with(&both), Some(Severity::High), "one of them does not");
    assert_eq!(with(&[deployment("cart", "true", "reg.io/till:1")]), Some(Severity::Medium), "another image");
}

#[test]
fn minimum_versions_are_those_of_the_documentation() {
    for (purl, least, before) in [
        ("pkg:nuget/Azure.Identity", "1.9.0", "1.9.0-beta.3"),
        ("pkg:golang/github.com/azure/azure-sdk-for-go/sdk/azidentity", "v1.3.0", "v1.3.0-beta.5"),
        ("pkg:maven/com.azure/azure-identity", "1.9.0", "1.8.3"),
        ("pkg:npm/%40azure/identity", "3.2.0", "3.2.0-beta.2"),
        ("pkg:pypi/azure-identity", "1.13.0", "1.13.0b4"),
        ("pkg:conan/azure-identity-cpp", "1.6.0", "1.6.0-beta.1"),
    ] {
        let found =
            |version: &str| severity(&bill(&Value::Null, &[&format!("{purl}@{version}")]).to_string()).is_some();
        assert!(!found(least), "{purl}@{least}");
        assert!(found(before), "{purl}@{before}");
        assert!(!found("latest"), "{purl}: what is no version is unknown");
    }
}

#[test]
fn a_version_that_is_not_fixed_is_unknown() {
    let folder = Folder::of(&[("requirements.txt", "azure-identity>=1.10\n")]);
    let ran = folder.run(&["scan", "-o", "json", "."]);
    assert_eq!((ran.status, ran.findings().len()), (0, 0), "{ran:?}");
    assert_eq!(ran.report()["summary"]["undecided"], 1, "{ran:?}");
}

#[test]
fn what_has_nothing_of_azure_is_passed_over_quietly() {
    let collected = collect_path(&testdata("software/quiet"), false);
    assert!(collected.gaps.is_empty(), "{:?}", collected.gaps);
    assert_eq!(collected.sources.len(), 4);
    assert_eq!(rules_that_find(&collected), [""; 0]);
    // What was no bill before is none now.
    for other in [
        r#"{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "b"}, "bomFormat": "x"}"#,
        r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"bill": "{\"bomFormat\": \"CycloneDX\"}"}}"#,
    ] {
        let collected = collect_text(other, false);
        assert!(collected.inventory.software.is_empty(), "{other}");
        assert!(collected.gaps.iter().all(|gap| gap.extent == Missing::Use), "{other}: {:?}", collected.gaps);
    }
}

#[test]
fn what_is_broken_is_named_with_its_place() {
    for (name, text, line) in [
        ("a.cdx.json", "{\"bomFormat\": \"CycloneDX\",\n\"components\": \"none\"}", 2),
        ("a.cdx.json", "{\"bomFormat\": \"CycloneDX\",\n\"components\": [{\"purl\": \"pkg:pypi/adal@1\"},", 1),
        ("a.spdx.json", "{\"spdxVersion\": \"SPDX-2.3\",\n\"packages\": 7}", 2),
        ("packages.lock.json", "{\"version\": 1,\n\"dependencies\": {x}}", 2),
        ("go.mod", "hello\n", 1),
        ("go.sum", "a v1.0.0 h1:A=\nhello\n", 2),
        ("gradle.lockfile", "# made by Gradle\na:b:1=x\nhello\n", 3),
        ("yarn.lock", "hello\n", 1),
        ("poetry.lock", "[[package]]\nname = \"a\"\nversion = \n", 3),
    ] {
        let folder = Folder::of(&[(name, text)]);
        let gaps = collect_path(folder.path(), false).gaps;
        let gap = gaps.first().unwrap_or_else(|| panic!("{name}: `{text}` is read"));
        assert_eq!((gaps.len(), gap.line), (1, Some(line)), "{name}: {gaps:?}");
        assert!(gap.path.ends_with(name), "{gap:?}");
        assert_eq!(gap.extent, Missing::All, "{gap:?}");
    }
    // What stands beside it is still read.
    let odd = r#"{"bomFormat": "CycloneDX", "components": [7, null, {"purl": 5}, {"components": {}}, {"purl": "pkg:pypi/adal@1"}]}"#;
    assert_eq!(severity(odd), Some(Severity::Medium));
}

#[test]
fn the_user_says_which_image_a_lock_file_is_of() {
    let cart = deployment("cart", "true", "reg.io/cart:1").to_string();
    let lock = r#"{"lockfileVersion": 3, "packages": {"node_modules/@azure/identity": {"version": "3.1.4"}}}"#;
    let folder = Folder::of(&[("cart.json", &cart), ("lock/package-lock.json", lock)]);
    let ran = |more: &[&str]| {
        let ran = folder.run(&[&["scan", "-o", "json", "."], more].concat());
        let report = ran.report();
        let found = report["findings"].as_array().unwrap().iter().find(|it| it["rule"] == ID).cloned();
        (found.unwrap()["severity"].as_str().unwrap().to_owned(), ran.status)
    };
    assert_eq!(ran(&[]), ("medium".into(), 0));
    assert_eq!(ran(&["--image", "reg.io/cart:1=lock"]), ("high".into(), 1));
    // A misspelt path must not pass for a clean one.
    assert_eq!(ran(&["--image", "reg.io/cart:1=locks"]), ("medium".into(), 3));
}

#[test]
fn a_snapshot_keeps_it_under_other_names_too() {
    let folder = Folder::new();
    let images = testdata("software/images").display().to_string();
    let scan = |path: &str| folder.run(&["scan", "-o", "json", path]);
    let count = |path: &str| scan(path).findings().iter().filter(|found| found[0] == ID).count();
    for (flags, kept) in [(&[] as &[&str], "kept.gz"), (&["--redact"], "redacted.gz")] {
        let ran = folder.run(&[&["collect", &images, "-o", kept], flags].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!((count(kept), count(&images)), (3, 3));
        let shown = scan(kept).out;
        assert_eq!(shown.contains("shop.azurecr.io"), flags.is_empty(), "{shown}");
    }
}

#[test]
fn a_large_bill_is_read_one_component_at_a_time() {
    let mut text = String::from("{\"bomFormat\": \"CycloneDX\", \"components\": [\n");
    for index in 0..20_000 {
        let _ = writeln!(
            text,
            "{{\"type\": \"file\", \"name\": \"/usr/lib/{index}\", \"purl\": \"pkg:deb/debian/p{index}@1\"}},"
        );
    }
    text.push_str("{\"purl\": \"pkg:pypi/adal@1.2.7\"}]}");
    let collected = collect_text(&text, false);
    assert_eq!(delivered(&collected).into_values().collect::<Vec<_>>(), [["adal 1.2.7"]]);
}
