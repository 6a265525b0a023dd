//! The preview: what the policy would do to everything that runs today, in words, in JSON, and as
//! an exit status.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Folder, KNOWN, Ran, command, run};

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata");
const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: shop}\n";

/// Runs in `testdata`.
fn preview(arguments: &[&str]) -> Ran {
    run(command(Path::new(TESTDATA), &[&["preview"], arguments].concat()))
}

#[test]
fn the_small_estate_reads_well() {
    let folder = Folder::of(&[("trust.yaml", "trust: {}\n"), ("wary.yaml", "unknown: warn\nrules: {AWI101: warn}\n")]);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let table = preview(&["small"]);
    assert_eq!((table.status, table.err.as_str()), (1, ""));
    insta::assert_snapshot!("table", table.out);
    let json = preview(&["small", "-o", "json"]);
    let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");
    insta::assert_snapshot!("json", json.out.replace(version, "\"version\": \"[version]\""));
    insta::assert_snapshot!("with_trust", preview(&["small", "--settings", &at("trust.yaml")]).out);
    insta::assert_snapshot!("wary", preview(&["small", "--settings", &at("wary.yaml")]).out);
}

#[test]
fn the_status_says_how_it_went() {
    let folder = Folder::of(&[("fine.yaml", ACCOUNT), ("k.yaml", KNOWN), ("broken.json", "{")]);
    let status = |arguments: &[&str]| folder.run(&[&["preview"], arguments].concat()).status;
    assert_eq!(status(&["fine.yaml"]), 0);
    assert_eq!(status(&["fine.yaml", "k.yaml"]), 1);
    assert_eq!(status(&["k.yaml", "broken.json"]), 3, "what was not read matters more");
    assert_eq!(status(&["k.yaml", "none.yaml"]), 3);
    for wrong in [&[][..], &["k.yaml", "-o", "csv"], &["k.yaml", "-o", "json", "-o", "table"], &["k.yaml", "--frob"]] {
        assert_eq!(status(wrong), 2, "{wrong:?}");
    }
    let ran = folder.run(&["preview", "k.yaml", "-n", "shpo"]);
    assert!(ran.status == 3 && ran.out.contains("namespace shpo: nothing that was read is in it"), "{ran:?}");
    assert_eq!(status(&["k.yaml", "-n", "shop"]), 1);
    folder.write("other.yaml", ACCOUNT.replace("shop", "depot"));
    assert_eq!(status(&[".", "-n", "depot"]), 3, "broken.json lies there");
}

#[test]
fn settings_come_as_people_keep_them() {
    let folder = Folder::of(&[
        ("k/k.yaml", KNOWN),
        ("off.yaml", "rules:\n  AWI101: \"off\"\n"),
        ("off.json", r#"{"rules":{"label-on-workload-metadata":"warn"}}"#),
        (
            "cluster.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n---\napiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {name: wiguard}\nspec:\n  settings:\n    exempt: {namespaces: [sh*]}\n",
        ),
        ("empty.yaml", ""),
        ("bare.yaml", "rules: {AWI101: off}\n"),
        ("unknown.yaml", "rule: {}\n"),
        ("two.yaml", "unknown: warn\n---\nunknown: deny\n"),
        ("text.yaml", "just words\n"),
    ]);
    let with = |settings: &str| folder.run(&["preview", "k", "--settings", settings]);
    for (settings, status) in [("off.yaml", 0), ("off.json", 0), ("cluster.yaml", 0), ("empty.yaml", 1)] {
        let ran = with(settings);
        assert_eq!(ran.status, status, "{settings}: {ran:?}");
    }
    assert!(with("off.json").out.contains("warned    Deployment shop/cart"), "{:?}", with("off.json"));
    for (settings, says) in [
        (
            "bare.yaml",
            "the policy does not accept the settings: invalid type: boolean `false`, expected a string; in YAML, a bare on, off, yes or no is a boolean: write it in quotes\n",
        ),
        ("unknown.yaml", "the policy does not accept the settings: unknown field `rule`"),
        ("two.yaml", "could not understand the settings `two.yaml`: it holds neither settings alone"),
        ("text.yaml", "could not understand the settings `text.yaml`: "),
        ("none.yaml", "could not read `none.yaml`"),
        (".", "`.` is a folder"),
    ] {
        let ran = with(settings);
        assert!(ran.status == 2 && ran.out.is_empty() && ran.err.contains(says), "{settings}: {ran:?}");
    }
}

#[test]
fn those_that_share_a_fate_are_one() {
    let metadata = |kind: &str, name: &str, owner: Option<(&str, &str)>| {
        let owners: Vec<Value> =
            owner.iter().map(|(kind, name)| json!({"kind": kind, "name": name, "controller": true})).collect();
        let api = if kind == "Pod" { "v1" } else { "apps/v1" };
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}})
    };
    let bad = json!({"labels": {"azure.workload.identity/use": "yes"}});
    let with = |mut object: Value, pod: &Value| {
        if object["kind"] == "Pod" {
            object["metadata"]["labels"] = pod["labels"].clone();
            object["spec"] = json!({"containers": []});
        } else {
            object["spec"] = json!({"replicas": 2, "template": {"metadata": pod, "spec": {"containers": []}}});
        }
        object
    };
    let mut retired = with(metadata("ReplicaSet", "cart-0", Some(("Deployment", "cart"))), &bad);
    retired["spec"]["replicas"] = json!(0);
    let objects = [
        with(metadata("Deployment", "cart", None), &bad),
        with(metadata("ReplicaSet", "cart-1", Some(("Deployment", "cart"))), &bad),
        retired,
        with(metadata("Pod", "cart-1-a", Some(("ReplicaSet", "cart-1"))), &bad),
        with(metadata("Pod", "cart-1-b", Some(("ReplicaSet", "cart-1"))), &bad),
        // Nothing is wrong with its controller, as far as can be told: nobody stands for it.
        with(metadata("Deployment", "mail", None), &json!({})),
        with(metadata("Pod", "mail-1", Some(("Deployment", "mail"))), &bad),
        // Its controller was not read.
        with(metadata("Pod", "stray", Some(("ReplicaSet", "gone"))), &bad),
    ];
    let folder =
        Folder::of(&[("all.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())]);
    let ran = folder.run(&["preview", "all.json", "-o", "json", "-o", "table=table.txt"]);
    let report = ran.report();
    assert_eq!(ran.status, 1, "{ran:?}");
    let summary = json!({"objects": 7, "rejected": 6, "warned": 0, "undecided": 1, "passed": 0, "failed": 0, "controlled": 3, "retired": 1});
    assert_eq!(report["summary"], summary);
    let shown: Vec<(&str, u64)> = report["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (object["object"]["name"].as_str().unwrap(), object["controlledObjects"].as_u64().unwrap()))
        .collect();
    assert_eq!(shown, [("cart", 3), ("mail-1", 0), ("stray", 0), ("mail", 0)]);
    let row = &report["namespaces"][0];
    assert_eq!((&row["rule"], &row["rejected"], &row["controlledObjects"]), (&json!("AWI102"), &json!(3), &json!(3)));
    let table = folder.read("table.txt");
    assert!(table.contains("and 3 objects it controls") && table.contains("1 past revision not judged"), "{table}");
}

#[test]
fn standard_input_is_read_twice_and_pipes_are_not() {
    let folder = Folder::new();
    let ran = folder.pipe(&["preview", "-"], KNOWN.as_bytes());
    assert!(ran.status == 1 && ran.out.contains("AWI101"), "{ran:?}");
    let mut command = command(folder.path(), &["preview", "/dev/stdin"]);
    command.stdin(std::process::Stdio::null());
    let ran = run(command);
    assert!(ran.status == 2 && ran.err.contains("is neither a file nor a folder"), "{ran:?}");
}

/// A policy, assembled by hand, that answers every call with the same words, or crashes.
fn policy(answer: Option<&str>) -> Vec<u8> {
    fn sized(bytes: &[u8]) -> Vec<u8> {
        let mut out = number(bytes.len());
        out.extend(bytes);
        out
    }
    fn number(mut number: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while number >= 0x80 {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
        out
    }
    fn named(name: &str, rest: &[u8]) -> Vec<u8> {
        [sized(name.as_bytes()), rest.to_vec()].concat()
    }
    let text = answer.unwrap_or_default();
    // i32.const takes signed numbers: two bytes are enough for what is said here.
    let length = [(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8];
    assert!(text.len() < 0x2000);
    let body = match answer {
        Some(_) => [&[0, 0x41, 0, 0x41][..], &length, &[0x10, 0, 0x41, 1, 0x0b]].concat(),
        None => vec![0, 0x00, 0x0b],
    };
    let import = [named("wapc", &[]), named("__guest_response", &[0, 0])].concat();
    let sections: [(u8, Vec<u8>); 7] = [
        (1, vec![2, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
        (2, [vec![1], import].concat()),
        (3, vec![1, 1]),
        (5, vec![1, 0, 1]),
        (7, [vec![2], named("memory", &[2, 0]), named("__guest_call", &[0, 1])].concat()),
        (10, [vec![1], sized(&body)].concat()),
        (11, [vec![1, 0, 0x41, 0, 0x0b], sized(text.as_bytes())].concat()),
    ];
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, payload) in sections {
        module.push(id);
        module.extend(sized(&payload));
    }
    module
}

#[test]
fn a_policy_that_fails_is_said() {
    let folder = Folder::of(&[("k.yaml", KNOWN), ("text.wasm", "no module")]);
    let with = |policy: &str| folder.run(&["preview", "k.yaml", "--policy", policy]);
    folder.write("crash.wasm", policy(None));
    let ran = with("crash.wasm");
    assert!(
        ran.status == 4 && ran.err.contains("the policy could not check the settings: the policy crashed"),
        "{ran:?}"
    );
    folder.write("nonsense.wasm", policy(Some(r#"{"valid":true}"#)));
    let ran = with("nonsense.wasm");
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.out.contains("THE POLICY FAILED\n  Deployment shop/cart: the policy answered nonsense: "), "{ran:?}");
    folder.write("refuses.wasm", policy(Some(r#"{"valid":false,"message":"say more"}"#)));
    let ran = with("refuses.wasm");
    assert!(ran.status == 2 && ran.err.contains("error: the policy does not accept the settings: say more"), "{ran:?}");
    folder.write("content.wasm", policy(Some(r#"{"valid":true,"findings":[],"unknown":[]}"#)));
    assert_eq!(with("content.wasm").status, 0);
    let ran = with("text.wasm");
    assert!(ran.status == 2 && ran.err.contains("could not load the policy `text.wasm`: cannot compile"), "{ran:?}");
    assert_eq!(with("none.wasm").status, 2);
}

#[test]
fn it_says_what_the_scan_says() {
    let scan = run(command(Path::new(TESTDATA), &["scan", "estate", "-o", "json"]));
    let preview = preview(&["estate", "-o", "json"]);
    let report = preview.report();
    let mut judged: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    for object in report["objects"].as_array().unwrap() {
        let text = |name: &str| object["object"][name].as_str().unwrap().to_owned();
        let reasons = object["reasons"].as_array().unwrap().iter().filter(|it| it["verdict"] != "undecided");
        let place = (
            object["cluster"].as_str().unwrap().to_owned(),
            text("namespace"),
            format!("{}/{}", text("kind"), text("name")),
        );
        judged.insert(place, reasons.map(|reason| reason["rule"].as_str().unwrap().to_owned()).collect());
    }
    // Rules that need the object, or it and its ServiceAccount, decide alike in both.
    let alike = ["AWI101", "AWI102", "AWI103", "AWI201", "AWI203", "AWI205"];
    let mut compared = 0;
    for found in scan.report()["findings"].as_array().unwrap() {
        let rule = found["rule"].as_str().unwrap();
        // Mere information passes without a word.
        if !alike.contains(&rule) || found["severity"] == "info" {
            continue;
        }
        let text = |name: &str| found["object"][name].as_str().unwrap().to_owned();
        let place = (
            found["cluster"].as_str().unwrap().to_owned(),
            text("namespace"),
            format!("{}/{}", text("kind"), text("name")),
        );
        assert!(judged.get(&place).is_some_and(|rules| rules.iter().any(|it| it == rule)), "{rule} on {place:?}");
        compared += 1;
    }
    assert!(compared > 5, "{compared}");
    let one = run({
        let mut one = command(Path::new(TESTDATA), &["preview", "estate", "-o", "json"]);
        one.env("RAYON_NUM_THREADS", "1");
        one
    });
    assert!(one.out == preview.out, "the same whatever the number of threads");
}

#[test]
fn every_member_is_described() {
    let page = std::fs::read_to_string(Path::new(TESTDATA).join("../docs/preview.md")).unwrap();
    let report = preview(&["estate", "-o", "json"]).report();
    let named = |name: &str| page.contains(&format!("`{name}`"));
    let members = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let rows = ["namespaces", "objects"].map(|list| members(&report[list][0]));
    let reasons = members(&report["objects"][0]["reasons"][0]);
    for name in [members(&report), members(&report["summary"]), reasons].concat().iter().chain(rows.iter().flatten()) {
        assert!(named(name), "`{name}` is not described");
    }
}
