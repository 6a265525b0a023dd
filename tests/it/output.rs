//! What others read of a report: its shape, its bytes, and strangers' strings inside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::Config as Runs;
use serde_json::{Value, json};
use wiguard::collect::{Collected, Wanted, collect};
use wiguard::config::Config;
use wiguard::read::Root;
use wiguard::render::{Format, Output, Style, to_bytes, write};
use wiguard::scan::assess;

use crate::program::{Folder, Ran, command, run};

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata");
const SHEETS: [&str; 7] =
    ["findings", "namespaces", "workloads", "service-accounts", "identities", "credentials", "coverage"];

/// Runs in `testdata`.
fn scan(arguments: &[&str]) -> Ran {
    let ran = run(command(Path::new(TESTDATA), &[&["scan"], arguments].concat()));
    assert_eq!(ran.status, 1, "{ran:?}");
    ran
}

#[test]
fn the_small_estate_reads_well() {
    let text =
        scan(&["small", "-o", "json"]).out.replace(concat!("\"", env!("CARGO_PKG_VERSION"), "\""), "\"[version]\"");
    insta::assert_snapshot!("small_json", text);
    insta::assert_snapshot!("small_table", scan(&["small"]).out);
    insta::assert_snapshot!("small_ndjson", scan(&["small", "-o", "ndjson"]).out);
    let folder = Folder::new();
    scan(&["small", "-o", &format!("csv={}", folder.path().display())]);
    for sheet in SHEETS {
        let text = folder.read(&format!("{sheet}.csv"));
        assert!(text.lines().count() == text.matches("\r\n").count(), "{sheet}: every line ends as RFC 4180 has it");
        insta::assert_snapshot!(format!("small_csv_{sheet}"), text.replace("\r\n", "\n"));
    }
}

/// The members of an object, checked against those that must and those that may be there.
fn members(value: &Value, must: &[&str], may: &[&str]) {
    let members: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    for name in must {
        assert!(members.contains(name), "`{name}` is missing in {value:#}");
    }
    let known: BTreeSet<&str> = must.iter().chain(may).copied().collect();
    assert!(members.is_subset(&known), "{:?} are not promised", members.difference(&known));
}

#[test]
fn json_has_the_shape_that_was_promised() {
    let report = scan(&["estate", "-o", "json"]).report();
    members(&report, &["schema", "summary", "findings", "identities", "coverage"], &["tool"]);
    assert_eq!(report["schema"], "wiguard.report/v1");
    let summary = &report["summary"];
    let counts = ["clusters", "namespaces", "workloads", "serviceAccounts", "identities", "credentials", "suppressed"];
    members(summary, &[&counts[..], &["findings"]].concat(), &["undecided"]);
    assert!(counts.iter().all(|name| summary[name].is_u64()), "{summary:#}");
    let severities = ["critical", "high", "medium", "low", "info"];
    members(&summary["findings"], &severities, &[]);

    let list = |name: &str| report[name].as_array().unwrap().clone();
    let mut seen: BTreeMap<String, u64> = severities.iter().map(|name| ((*name).to_owned(), 0)).collect();
    for found in list("findings") {
        members(
            &found,
            &["rule", "name", "severity", "object", "message", "evidence", "fix", "source", "fingerprint"],
            &["cluster", "confidence", "field", "controlledObjects"],
        );
        *seen.get_mut(found["severity"].as_str().unwrap()).unwrap() += 1;
        members(&found["source"], &["path", "line"], &[]);
        assert!(found["source"]["line"].as_u64().unwrap() > 0 && found["evidence"].is_object(), "{found:#}");
        let object = &found["object"];
        if ["ManagedIdentity", "Application", "FederatedIdentityCredential", "Cluster"]
            .contains(&object["kind"].as_str().unwrap())
        {
            members(object, &["kind", "name", "id"], &[]);
        } else {
            members(object, &["apiVersion", "kind", "namespace", "name"], &[]);
            assert!(found["cluster"].is_string(), "{found:#}");
        }
        for text in ["message", "fix"] {
            let text = found[text].as_str().unwrap();
            // `ServiceAccount` is a name, `The` would be a sentence.
            let sentence = text.starts_with(char::is_uppercase)
                && text.split(' ').next().unwrap().chars().skip(1).all(char::is_lowercase);
            assert!(!text.is_empty() && !text.ends_with('.') && !sentence, "{text}");
        }
    }
    assert_eq!(json!(seen), summary["findings"]);
    for identity in list("identities") {
        members(
            &identity,
            &["clientId", "name", "resourceId", "credentials", "limit", "sharedBy"],
            &["kind", "tenantId", "credentialsComplete"],
        );
        assert!(
            identity["credentials"].is_u64() && identity["limit"].is_u64() && identity["sharedBy"].is_array(),
            "{identity:#}"
        );
    }
    assert_eq!(json!(list("identities").len()), summary["identities"]);
    for row in list("coverage") {
        members(&row, &["source", "status", "rulesNotEvaluated"], &["reason", "collected"]);
        let complete = row["status"] == "complete";
        assert!(complete || ["partial", "missing"].contains(&row["status"].as_str().unwrap()));
        assert_eq!(row.get("reason").is_none(), complete, "{row:#}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bytes = |threads: &str| {
        let folder = Folder::new();
        let sheets = format!("csv={}", folder.path().join("sheets").display());
        let json = scan(&["estate", "--threads", threads, "-o", "json", "-o", &sheets]).out;
        let table = scan(&["estate", "--threads", threads]).out;
        (json, table, SHEETS.map(|sheet| folder.read(&format!("sheets/{sheet}.csv"))))
    };
    let one = bytes("1");
    for threads in ["1", "2", "8"] {
        assert!(bytes(threads) == one, "{threads} threads");
    }
}

/// Fingerprints by what they stand for, all of them different.
fn fingerprints(ran: &Ran) -> BTreeMap<String, String> {
    let report = ran.report();
    let found = report["findings"].as_array().unwrap();
    let prints: BTreeMap<String, String> = found
        .iter()
        .map(|found| {
            (
                found["fingerprint"].as_str().unwrap().to_owned(),
                format!("{} {} {}", found["rule"], found["cluster"], found["object"]),
            )
        })
        .collect();
    assert_eq!(prints.len(), found.len(), "two findings share a fingerprint: {report:#}");
    prints
}

#[test]
fn fingerprints_tell_findings_apart_and_stay() {
    let at = |arguments: &[&str]| {
        let ran = run(command(&Path::new(TESTDATA).join("estate"), &[&["scan", "-o", "json"], arguments].concat()));
        fingerprints(&ran)
    };
    let there = at(&["azure", "dev-sandbox", "edge-fra", "prod-neu", "prod-weu"]);
    assert_eq!(there, at(&["prod-weu", "prod-neu", "edge-fra", "dev-sandbox", "azure"]));
    assert_eq!(there, at(&["."]));

    let small = |name: &str| std::fs::read_to_string(Path::new(TESTDATA).join("small").join(name)).unwrap();
    let expected = fingerprints(&scan(&["small", "-o", "json"]));
    let documents = small("shop.yaml");
    let mut documents: Vec<&str> = documents.split("---\n").collect();
    documents.reverse();
    let folder = Folder::of(&[
        ("in/zone/z.json", &small("aks.json")),
        ("in/zone/a.yaml", &format!("# moved\n\n{}", documents.join("---\n"))),
    ]);
    let mut identities: Vec<Value> = serde_json::from_str(&small("identities.json")).unwrap();
    identities.reverse();
    folder.write("in/y.json", json!(identities).to_string());
    folder.write("in/id-cart.json", small("credentials/id-cart.json"));
    folder.write("in/id-mail.json", "[]");
    assert_eq!(fingerprints(&folder.run(&["scan", "in", "-o", "json"])), expected);

    folder.write("twin/a.yaml", crate::program::KNOWN);
    folder.write("twin-too/a.yaml", crate::program::KNOWN);
    assert_eq!(fingerprints(&folder.run(&["scan", "twin", "twin-too", "-o", "json"])).len(), 2);
}

/// The rows of a table as RFC 4180 has them; anything else is refused.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let mut cell = String::new();
        if let Some(mut inner) = rest.strip_prefix('"') {
            rest = loop {
                let (part, after) = inner.split_once('"').unwrap_or_else(|| panic!("a quote is not closed: {inner}"));
                cell.push_str(part);
                let Some(more) = after.strip_prefix('"') else { break after };
                cell.push('"');
                inner = more;
            };
        } else {
            let end = rest.find([',', '\r', '\n', '"']).unwrap_or(rest.len());
            cell.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        row.push(cell);
        if let Some(after) = rest.strip_prefix("\r\n") {
            rows.push(std::mem::take(&mut row));
            rest = after;
        } else {
            rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("neither comma nor line end: {rest:?}"));
        }
    }
    assert!(row.is_empty(), "the last line has no end");
    rows
}

/// Whether a spreadsheet would run it (OWASP, CSV Injection).
fn runs(cell: &str) -> bool {
    let begins = |text: &str| text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    cell.starts_with(['\t', '\r', '\n']) || begins(cell) || begins(cell.trim_start())
}

/// An estate of which a stranger chose every string.
fn strange(strings: &[String]) -> String {
    let at = |index: usize| &strings[index % strings.len()];
    let id = format!(
        "/subscriptions/s/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}",
        at(0).replace('/', ""),
        at(1).replace('/', "")
    );
    let client = "5e0d2c1b-93a4-4f5e-8b6a-1c7d8e9f0a21";
    [
        json!({"id": id, "name": at(1), "clientId": client, "tenantId": at(2), "type": "Microsoft.ManagedIdentity/userAssignedIdentities"}),
        json!({"id": format!("{id}/federatedIdentityCredentials/{}", at(3).replace('/', "")), "name": at(3), "issuer": at(4), "subject": at(5),
            "audiences": [at(6)], "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": at(7), "namespace": at(8), "annotations": {
            "azure.workload.identity/client-id": at(9), "azure.workload.identity/tenant-id": at(2), at(10).as_str(): at(0)}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": at(11), "namespace": at(8), "labels": {"azure.workload.identity/use": at(0)}},
            "spec": {"template": {"metadata": {"labels": {"azure.workload.identity/use": at(4)}}, "spec": {"serviceAccountName": at(7), "containers": [
                {"name": at(2), "image": at(3), "env": [{"name": "AZURE_CLIENT_SECRET", "value": at(1)}, {"name": "AZURE_TENANT_ID", "value": at(5)}]}]}}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": at(5), "namespace": at(6), "annotations": {"azure.workload.identity/client-id": at(9)}},
            "spec": {"serviceAccountName": at(3), "containers": []}}),
    ]
    .iter()
    .map(|object| format!("{object}\n"))
    .collect()
}

fn collected(text: String) -> Collected {
    collect(&Wanted { roots: vec![Root::Stdin], ..Wanted::default() }, Vec::new(), || Box::new(Cursor::new(text)))
}

fn anything() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..24).prop_map(String::from_iter)
}

fn hostile_string() -> impl Strategy<Value = String> {
    let bait = prop::sample::select(vec![
        "=cmd|' /C calc'!A0",
        "+1",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\r\n=1",
        " =1",
        "\u{a0}=1",
        "＝1",
        "a\"b",
        "a,b",
        "a\nb",
        "\"",
        "",
        "\u{1b}]0;title\u{7}",
        "\u{1b}[31mred",
        "\u{9b}31m",
        "\u{202e}desrever",
        "\u{2028}",
        "é中😀",
        "${X}",
        "a;b",
        "'quoted'",
        "true",
        "\u{0}",
    ]);
    prop_oneof![
        bait.clone().prop_map(str::to_owned),
        (bait, anything()).prop_map(|(bait, rest)| format!("{bait}{rest}")),
        anything()
    ]
}

proptest! {
    #![proptest_config(Runs { cases: 128, failure_persistence: None, ..Runs::default() })]

    #[test]
    fn strange_strings_harm_nobody(strings in prop::collection::vec(hostile_string(), 12)) {
        let collected = collected(strange(&strings));
        prop_assert_eq!(collected.inventory.workloads.len(), 2, "{:?}", collected.gaps);
        let folder = Folder::new();
        let (table, json) = assess(&collected, &Config::default(), None, |report| {
            let sheets = Output { format: Format::Csv, path: Some(folder.path().to_path_buf()) };
            write(report, &sheets, Style::PLAIN).unwrap();
            (to_bytes(report, Format::Table).unwrap(), to_bytes(report, Format::Json).unwrap())
        });
        let table = String::from_utf8(table).unwrap();
        let obeyed = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        prop_assert!(!table.contains(obeyed), "{:?}", table);
        let json: Value = serde_json::from_slice(&json).unwrap();
        let mut cells = BTreeSet::new();
        for sheet in SHEETS {
            let rows = rows(&folder.read(&format!("{sheet}.csv")));
            for row in &rows {
                prop_assert_eq!(row.len(), rows[0].len(), "{}", sheet);
                for cell in row {
                    prop_assert!(!runs(cell), "{}: {:?}", sheet, cell);
                }
            }
            cells.extend(rows.into_iter().flatten());
        }
        // What must survive, in a cell of its own: identity, credential, issuer, subject, audience, account, workload.
        for index in [1, 3, 4, 5, 6, 7, 11] {
            let text = &strings[index];
            prop_assert!(text.is_empty() || cells.contains(text) || cells.contains(&format!("'{text}")), "{:?} is lost", text);
        }
        prop_assert_eq!(&json["identities"][0]["name"], &json!(strings[1]));
        let workloads: Vec<&Value> = json["findings"].as_array().unwrap().iter().filter(|found| found["object"]["kind"] == "Deployment").collect();
        prop_assert!(workloads.iter().all(|found| found["object"]["name"] == strings[11].as_str()), "{:#?}", workloads);
    }
}
