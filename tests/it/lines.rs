//! A finding points at the line of the field at fault, however the object was written.

use serde_json::Value;

use crate::program::{Folder, KNOWN};

/// A Deployment whose opt-in label, on the line marked, has a wrong value.
const FAULTY: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
spec:
  template:
    metadata:
      labels:
        app: cart
        azure.workload.identity/use: \"yes\" # here
    spec:
      serviceAccountName: cart
      containers:
      - name: cart
        image: cart
";

const FAULTY_JSON: &str = r#"{
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "metadata": {
    "name": "cart",
    "namespace": "shop"
  },
  "spec": {
    "template": {
      "metadata": {
        "labels": {
          "app": "cart",
          "azure.workload.identity/use": "yes"
        }
      },
      "spec": {
        "serviceAccountName": "cart",
        "containers": []
      }
    }
  }
}"#;

/// Where AWI102 is reported in a file, and on standard input.
fn place(content: &str) -> u64 {
    let folder = Folder::of(&[("file", content)]);
    let line = line_in(&folder.run(&["scan", "file", "-o", "json"]).report(), "file");
    let piped = folder.pipe(&["scan", "-", "-o", "json"], content.as_bytes()).report();
    assert_eq!(line_in(&piped, "-"), line, "on standard input");
    line
}

fn line_in(report: &Value, path: &str) -> u64 {
    let found: Vec<&Value> =
        report["findings"].as_array().unwrap().iter().filter(|found| found["rule"] == "AWI102").collect();
    let [found] = found.as_slice() else { panic!("{report:#}") };
    assert_eq!(found["source"]["path"], path);
    found["source"]["line"].as_u64().unwrap()
}

/// The line, from 1, of the field at fault.
fn line_of(content: &str) -> u64 {
    let at = content.lines().position(|line| line.contains("\"yes\"")).unwrap();
    u64::try_from(at).unwrap() + 1
}

fn indented(text: &str, first: &str, rest: &str) -> String {
    text.lines().enumerate().map(|(index, line)| format!("{}{line}\n", if index == 0 { first } else { rest })).collect()
}

#[test]
fn the_line_is_that_of_the_field() {
    let second = KNOWN.replace("name: cart", "name: other");
    let kubectl = format!(
        "apiVersion: v1\nitems:\n{}{}kind: List\nmetadata:\n  resourceVersion: \"\"\n",
        indented(&second, "- ", "  "),
        indented(FAULTY, "- ", "  ")
    );
    let list = format!(
        "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n{},\n{}    ],\n    \"kind\": \"List\"\n}}\n",
        FAULTY_JSON.replace("yes", "true").replace("cart", "other"),
        FAULTY_JSON
    );
    let cases = [
        ("YAML", FAULTY.to_owned()),
        ("YAML behind a comment and a marker", format!("# one\n# two\n---\n{FAULTY}")),
        ("many documents", format!("{second}---\n# between\n\n{second}...\n---\n{FAULTY}---\n{second}")),
        ("a YAML list", kubectl),
        ("a bare YAML list", format!("{}{}", indented(&second, "- ", "  "), indented(FAULTY, "- ", "  "))),
        ("JSON", FAULTY_JSON.to_owned()),
        ("JSON below empty lines", format!("\n\n{FAULTY_JSON}")),
        ("a JSON list", list),
        (
            "a JSON array",
            format!("[\n{},\n{FAULTY_JSON}\n]", FAULTY_JSON.replace("yes", "true").replace("cart", "other")),
        ),
        (
            "objects one after the other",
            format!("{}\n{FAULTY_JSON}\n", FAULTY_JSON.replace("yes", "true").replace("cart", "other")),
        ),
        ("line ends of Windows", FAULTY.replace('\n', "\r\n")),
        ("other scripts before it", format!("# caf\u{e9} \u{1f600} \u{4e2d}\u{6587}\n{FAULTY}")),
    ];
    for (name, content) in cases {
        assert_eq!(place(&content), line_of(&content), "{name}:\n{content}");
    }
}

#[test]
fn a_field_that_is_missing_has_the_line_of_what_should_hold_it() {
    let folder = Folder::of(&[("k.yaml", &format!("# a comment\n---\n{KNOWN}"))]);
    let report = folder.run(&["scan", "k.yaml", "-o", "json"]).report();
    assert_eq!(report["findings"][0]["source"], serde_json::json!({"path": "k.yaml", "line": 8}));
}

#[test]
fn beyond_what_is_kept_of_standard_input_it_is_the_line_of_the_object() {
    let folder = Folder::new();
    let content = format!("{}---\n{FAULTY}---\n", KNOWN.replace("name: cart", "name: other"));
    let line = |content: &str| line_in(&folder.pipe(&["scan", "-", "-o", "json"], content.as_bytes()).report(), "-");
    assert_eq!(line(&content), 23);
    assert_eq!(line(&format!("{content}{}", "# more\n".repeat(5 << 20))), 13);
}
