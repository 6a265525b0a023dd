//! A finding points at the line of the field at fault, however the object was written.

use serde_json::Value;

use crate::iac::{CART, ISSUER};
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

/// The only finding of a rule in what was written: its line.
fn line_of_rule(folder: &Folder, rule: &str) -> u64 {
    let report = folder.run(&["scan", ".", "-o", "json"]).report();
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<&Value> = findings.iter().filter(|found| found["rule"] == rule).collect();
    let [found] = found.as_slice() else { panic!("{report:#}") };
    found["source"]["line"].as_u64().unwrap_or_else(|| panic!("{found:#}"))
}

#[test]
fn a_variable_has_a_line_of_its_own() {
    let env = "        env:\n        - name: A\n          value: x\n        - name: AZURE_CLIENT_SECRET\n          value: y\n";
    let folder = Folder::of(&[("k.yaml", format!("{}{env}", FAULTY.replace("\"yes\" # here", "\"true\"")).as_str())]);
    assert_eq!(line_of_rule(&folder, "AWI605"), 20);
}

#[test]
fn a_field_of_azure_has_its_line_however_it_is_held() {
    const SUBJECT: &str = "system:serviceaccount:shop:*";
    let id = format!("{CART}/federatedIdentityCredentials/shop");
    let row = format!(
        r#"{{"value": [
{{"id": "{id}", "name": "shop",
"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
"properties": {{"issuer": "{ISSUER}", "audiences": ["api://AzureADTokenExchange"],
"subject": "{SUBJECT}"}}}}]}}"#
    );
    assert_eq!(line_of_rule(&Folder::of(&[("row.json", row.as_str())]), "AWI308"), 5);
    let object = format!(
        "apiVersion: managedidentity.azure.com/v1api20230131
kind: FederatedIdentityCredential
metadata: {{name: shop, namespace: shop}}
spec:
  owner: {{name: id-cart}}
  audiences: [\"api://AzureADTokenExchange\"]
  issuer: {ISSUER}
  subject: {SUBJECT}
"
    );
    assert_eq!(line_of_rule(&Folder::of(&[("object.yaml", object.as_str())]), "AWI308"), 8);
}

#[test]
fn what_a_registration_says_has_its_line() {
    let discovery = r#"{"issuer": "https://oidc.example.com/k3s/", "jwks_uri": "https://oidc.example.com/k3s/openid/v1/jwks", "response_types_supported": ["id_token"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]}"#;
    let registration = "apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: azure-wi-webhook-mutating-webhook-configuration}
webhooks:
- name: mutation.azure-workload-identity.io
  failurePolicy: Ignore
  objectSelector: {matchLabels: {azure.workload.identity/use: \"true\"}}
---
";
    let workload = FAULTY.replace("\"yes\" # here", "\"true\"");
    let folder =
        Folder::of(&[("k3s/oidc.json", discovery), ("k3s/all.yaml", &format!("# one\n{registration}{workload}"))]);
    let report = folder.run(&["scan", ".", "-o", "json", "--cluster", "k3s=k3s"]).report();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|found| found["rule"] == "AWI702").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(found["object"]["kind"], "Cluster");
    let path = found["source"]["path"].as_str().unwrap();
    assert!(path.ends_with("k3s/all.yaml") && found["source"]["line"] == 7, "{found:#}");
}
