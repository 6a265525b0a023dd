//! Redaction: names are gone, and what was found of them is still found.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use wiguard::snapshot::Header;
use wiguard_tests::case::testdata;

use crate::program::{Folder, Ran};
use crate::snapshot::{dangling, snapshot_of};

const KEY: &str = "a key that is for tests alone";

pub(crate) fn unpacked(folder: &Folder, name: &str) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(&*fs::read(folder.path().join(name)).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// Findings by rule and severity, and what could not be decided by kind of evidence.
fn counts(ran: &Ran) -> BTreeMap<(String, String), usize> {
    let report = ran.report();
    let mut counts = BTreeMap::new();
    for found in report["findings"].as_array().unwrap() {
        *counts.entry((found["rule"].to_string(), found["severity"].to_string())).or_default() += 1;
    }
    counts
}

#[test]
fn the_estate_has_the_same_findings_under_other_names() {
    let estate = testdata("estate").display().to_string();
    let folder = Folder::of(&[("key", KEY)]);
    let collect = |flags: &[&str], to: &str| folder.run(&[&["collect", &estate, "-o", to], flags].concat());
    assert_eq!(collect(&[], "plain.gz").status, 0);
    let ran = collect(&["--redact"], "red.gz");
    assert_eq!(ran.status, 0, "{ran:?}");
    let (plain, red) = (folder.run(&["scan", "plain.gz", "-o", "json"]), folder.run(&["scan", "red.gz", "-o", "json"]));
    assert!(counts(&plain).values().sum::<usize>() > 30, "{plain:?}");
    assert_eq!(counts(&red), counts(&plain));
    assert_eq!(red.report()["summary"], plain.report()["summary"]);
    let shared = |ran: &Ran| {
        let mut shared: Vec<usize> = ran.report()["identities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|identity| identity["sharedBy"].as_array().unwrap().len())
            .collect();
        shared.sort_unstable();
        shared
    };
    assert_eq!(shared(&red), shared(&plain));

    let text = unpacked(&folder, "red.gz").to_lowercase();
    for name in ["norvind", "shipping", "prod-weu", "warehouse", "telemetry", "customs", "release-runner", "edge-fra"] {
        assert!(!text.contains(name), "{name}");
    }
    // Every GUID of the estate is another now.
    let plain = unpacked(&folder, "plain.gz");
    let identities: Vec<&str> = plain.split("\"clientId\":\"").skip(1).filter_map(|rest| rest.get(..36)).collect();
    assert!(identities.len() > 50 && identities.iter().all(|id| !text.contains(&id.to_lowercase())));
    for known in ["kube-system", "\"default\"", "azureadtokenexchange", ".oic.prod-aks.azure.com"] {
        assert!(text.contains(known), "{known}");
    }
}

#[test]
fn what_was_read_live_has_the_same_findings_under_other_names() {
    let folder = Folder::new();
    folder.write("live.gz", snapshot_of(Header::default(), &dangling()));
    let ran = folder.run(&["collect", "live.gz", "--redact", "-o", "red.gz"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let (plain, red) = (folder.run(&["scan", "live.gz", "-o", "json"]), folder.run(&["scan", "red.gz", "-o", "json"]));
    assert!(counts(&plain).keys().any(|(rule, _)| rule.contains("AWI311")), "{plain:?}");
    assert_eq!(counts(&red), counts(&plain));
    let text = unpacked(&folder, "red.gz");
    assert!(text.contains("\"kube://") && text.contains("\"azure://"), "{text}");
    // A pseudonym may by chance hold such letters, and hardly what stands around them.
    for name in ["\"cart\"", "\"shop\"", ":gone:", "//prod"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
}

#[test]
fn who_may_do_what_is_said_of_others_without_their_names() {
    const ROLES: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: till-user}
rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: till-binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: till-user}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:checkout"}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: cashiers}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: ann@norvind.example}
- {kind: ServiceAccount, name: cart, namespace: basket}
"#;
    let folder = Folder::of(&[("roles.yaml", ROLES)]);
    assert_eq!(folder.run(&["collect", "roles.yaml", "-o", "plain.gz"]).status, 0);
    assert_eq!(folder.run(&["collect", "roles.yaml", "--redact", "-o", "red.gz"]).status, 0);
    let (plain, red) = (folder.run(&["scan", "plain.gz", "-o", "json"]), folder.run(&["scan", "red.gz", "-o", "json"]));
    assert!(counts(&plain).keys().any(|(rule, _)| rule.contains("AWI708")), "{plain:?}");
    assert_eq!(counts(&red), counts(&plain));
    let text = unpacked(&folder, "red.gz");
    assert!(text.contains("system:authenticated"), "{text}");
    for name in ["till", "checkout", "cashiers", "ann@", "norvind", "\"cart\"", "basket"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
}

#[test]
fn a_key_makes_pseudonyms_that_last_and_none_makes_others_each_time() {
    let small = testdata("small").display().to_string();
    let folder = Folder::of(&[("key", KEY), ("other", "another key for tests alone"), ("short", "short")]);
    let names = |flags: &[&str]| {
        let ran = folder.run(&[&["collect", &small, "-o", "red.gz", "--redact"], flags].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let ran = folder.run(&["scan", "red.gz", "-o", "json"]);
        ran.findings()
    };
    let keyed = names(&["--redact-key", "key"]);
    assert_eq!(keyed, names(&["--redact-key", "key"]));
    assert_ne!(keyed, names(&["--redact-key", "other"]));
    assert_ne!(names(&[]), names(&[]));
    for wrong in
        [&["--redact", "--redact-key", "short"][..], &["--redact", "--redact-key", "none"], &["--redact-key", "key"]]
    {
        assert_eq!(folder.run(&[&["collect", &small, "-o", "x.gz"], wrong].concat()).status, 2, "{wrong:?}");
    }
    assert!(!folder.path().join("x.gz").exists());
}
