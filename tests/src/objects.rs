//! Objects: every workload and ServiceAccount in the tests, by itself, and many odd ones made for the
//! purpose, for whatever must say of an object alone what the rules say.
#![allow(clippy::indexing_slicing, reason = "the lists are constants, and the objects are made here")]

use std::io::Cursor;

use serde_json::{Value, json};
use wiguard::read::{Limits, Outcome, Root, read_all};
use wiguard_rules::catalogue::{ADMISSION, CATALOGUE, Entry};
use wiguard_rules::finding::Finding;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::{Object, judge};
use wiguard_rules::manifest::{Manifest, Read, read};
use wiguard_rules::model::{ClusterIx, Origin, POD_BEARING, Shape};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::spelling::KEYS;
use wiguard_rules::trust::Trust;

use crate::case::{documents, examples, testdata};

/// A workload or a ServiceAccount.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where it comes from.
    pub origin: String,
    /// The object.
    pub object: Value,
}

/// All of them.
///
/// # Errors
/// Whatever the file system refuses.
pub fn cases() -> std::io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in CATALOGUE {
        let manual = entry.manual();
        for text in ["Fails", "Passes"].into_iter().flat_map(|section| examples(&manual, section)) {
            let stdin = || Box::new(Cursor::new(text.clone())) as Box<_>;
            take(entry.id, &read_all(&[Root::Stdin], stdin, &Limits::default(), pieces), &mut cases);
        }
    }
    let folders = documents()?.into_iter().chain([testdata("estate"), testdata("small")]);
    for folder in folders {
        let origin = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let roots = [Root::Path(folder)];
        take(&origin, &read_all(&roots, || Box::new(std::io::empty()), &Limits::default(), pieces), &mut cases);
    }
    cases.extend(odd());
    Ok(cases)
}

fn pieces(batch: &wiguard::read::Batch) -> Vec<Vec<u8>> {
    batch.pieces().map(|piece| piece.json.to_vec()).collect()
}

fn take(origin: &str, outcome: &Outcome<Vec<Vec<u8>>>, cases: &mut Vec<Case>) {
    for json in outcome.results.iter().flat_map(|(_, pieces)| pieces) {
        if let Ok(object) = serde_json::from_slice(json) {
            cases.extend(Some(Case { origin: origin.into(), object }).filter(|case| case.read().is_some()));
        }
    }
}

/// Objects that nobody writes on purpose: misspelt keys, values at the edge of what is right, and
/// lists of containers and variables in all combinations.
fn odd() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |object: Value| cases.push(Case { origin: "odd".into(), object });
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        usize::try_from(chance % below as u64).unwrap_or_default()
    };
    for round in 0..120 {
        for key in KEYS {
            let key = misspell(key, round % 5, &mut next);
            let beside = [KEYS[next(KEYS.len())], "app.kubernetes.io/name"][next(2)];
            match next(5) {
                0 => add(account(json!({ key: "x", beside: "y" }))),
                1 => add(workload(next(8), json!({ key: "true" }), json!({ beside: "true" }), json!({}), json!({}))),
                2 => add(workload(next(8), json!({ beside: "true" }), json!({ key: "true" }), json!({}), json!({}))),
                3 => add(workload(next(8), json!({}), json!({ beside: "1" }), json!({ key: "true" }), json!({}))),
                _ => add(workload(next(8), json!({}), json!({}), json!({ beside: "1" }), json!({ key: "true" }))),
            }
        }
    }
    for value in VALUES {
        for key in KEYS {
            add(account(json!({ key: value })));
            add(workload(next(8), json!({ key: value }), json!({}), json!({}), json!({})));
            add(workload(
                next(8),
                json!({ "azure.workload.identity/use": "true" }),
                json!({ key: value }),
                json!({}),
                json!({}),
            ));
        }
        add(workload(next(8), json!({}), json!({}), json!({ "azure.workload.identity/use": value }), json!({})));
        add(workload(next(8), json!({ "aadpodidbinding": value }), json!({}), json!({}), json!({})));
    }
    let used = ["true", "false"];
    for _ in 0..150 {
        let mut object = workload(
            next(8),
            json!({ "azure.workload.identity/use": used[next(2)] }),
            json!({ "azure.workload.identity/skip-containers": SKIPS[next(SKIPS.len())] }),
            json!({}),
            json!({}),
        );
        let variables = |next: &mut dyn FnMut(usize) -> usize| -> Vec<Value> {
            let count = next(4);
            (0..count).map(|_| variable(NAMES[next(NAMES.len())], next)).collect()
        };
        let containers: Vec<Value> = ["app", "logs", "init"]
            .into_iter()
            .take(next(4))
            .map(|name| json!({ "name": name, "env": variables(&mut next) }))
            .collect();
        let spec = spec_of(&mut object);
        spec["initContainers"] = json!(containers);
        spec["containers"] = json!([{ "name": "main", "env": variables(&mut next) }]);
        spec["serviceAccountName"] = json!(["", "default", "cart"][next(3)]);
        spec["serviceAccount"] = json!(["", "default", "other"][next(3)]);
        let audience = ["", "vault", "api://AzureADTokenExchange", "api://AzureADTokenExchangeChina"][next(4)];
        spec["volumes"] = json!([{ "name": "t", "projected": { "sources": [
            { "serviceAccountToken": { "path": "t", "audience": audience } }, { "configMap": { "name": "c" } }] } }]);
        if next(3) == 0 {
            let template = template_of(&mut object);
            template["metadata"]["labels"] = json!({ "app": "cart" });
            object["metadata"]["labels"] = json!({ "azure.workload.identity/use": "true" });
        }
        add(object);
    }
    cases
}

/// Values at the edge of what annotations and labels may be.
const VALUES: &[&str] = &[
    "",
    " ",
    "true",
    "True",
    "TRUE",
    "false",
    "FALSE",
    "yes",
    "1",
    "3599",
    "3600",
    "+3600",
    "-3600",
    "0086400",
    "86400",
    "86401",
    "3600.0",
    "3 600",
    "9999999999999999999999",
    "5a1e2c3d-0001-4000-8000-000000000001",
    "5A1E2C3D-0001-4000-8000-00000000000F",
    "{5a1e2c3d-0001-4000-8000-000000000001}",
    "5a1e2c3d-0001-4000-8000-000000000001\n",
    "00000000-0000-0000-0000-000000000000",
    "contoso.onmicrosoft.com",
    "contoso..com",
    "your-company.com",
    "your-tenant",
    " ChangeMe\u{a0}",
    "replace_me",
    "todo",
    "todo!",
    "${}",
    "${ }",
    "$${ID}",
    "a${b",
    "{{{x}}}",
    "{{}}",
    "< a",
    "<\u{2003}>",
    "__A_B__",
    "____",
    "#{x}#",
    "a,b",
];

/// Values of `skip-containers`.
const SKIPS: &[&str] = &[
    "",
    ";",
    "app",
    "app;logs",
    " app ; logs;",
    "app,logs",
    "istio-proxy",
    "istio-proxy;app;main;logs;init",
    "azwi-proxy",
    "main",
    "gone",
    "<x>",
];

/// Names of variables that rules read, and some that they do not.
const NAMES: &[&str] = &[
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_PASSWORD",
    "AZURE_USERNAME",
    "ARM_CLIENT_SECRET",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "PATH",
];

fn variable(name: &str, next: &mut dyn FnMut(usize) -> usize) -> Value {
    match next(7) {
        0 => json!({ "name": name }),
        1 => json!({ "name": name, "value": "" }),
        2 => json!({ "name": name, "value": "WorkloadIdentityCREDENTIAL" }),
        3 => json!({ "name": name, "value": "${ID}" }),
        4 => json!({ "name": name, "value": "$(ID)<id>" }),
        5 => json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "sp", "key": "secret" } } }),
        _ => json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }),
    }
}

/// The key with so many edits, each at a place and of a kind that chance gives.
fn misspell(key: &str, edits: usize, next: &mut dyn FnMut(usize) -> usize) -> String {
    let mut letters: Vec<char> = key.chars().collect();
    for _ in 0..edits {
        // Mostly behind the beginning that all keys share, where the edits are counted.
        let at = if next(4) == 0 { next(letters.len()) } else { 23 + next(letters.len().saturating_sub(23).max(1)) };
        let at = at.min(letters.len() - 1);
        let letter = ['a', 'e', 'i', 't', '-', '_', 'X', '.'][next(8)];
        match next(4) {
            0 => letters.insert(at, letter),
            1 if letters.len() > 1 => {
                letters.remove(at);
            }
            2 => letters[at] = letter,
            _ => letters[at] = letters[at].to_ascii_uppercase(),
        }
    }
    letters.into_iter().collect()
}

fn account(annotations: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "cart", "namespace": "shop", "annotations": annotations } })
}

/// A workload with these labels and annotations on its pods and on itself.
fn workload(kind: usize, labels: Value, annotations: Value, own_labels: Value, own_annotations: Value) -> Value {
    let kind = &POD_BEARING[kind];
    let template = json!({
        "metadata": { "labels": labels, "annotations": annotations },
        "spec": { "serviceAccountName": "cart", "containers": [{ "name": "app" }] },
    });
    let mut object = match kind.shape {
        Shape::Pod => {
            return json!({ "apiVersion": kind.api_version, "kind": kind.kind,
            "metadata": { "name": "cart", "namespace": "shop", "labels": labels, "annotations": annotations },
            "spec": template["spec"] });
        }
        Shape::Template | Shape::Under(_) => json!({ "spec": { "template": template } }),
        Shape::CronJob => json!({ "spec": { "jobTemplate": { "spec": { "template": template } } } }),
    };
    object["apiVersion"] = json!(kind.api_version);
    object["kind"] = json!(kind.kind);
    object["metadata"] =
        json!({ "name": "cart", "namespace": "shop", "labels": own_labels, "annotations": own_annotations });
    object
}

/// The object that has the pod's `metadata` and `spec`.
fn template_of(object: &mut Value) -> &mut Value {
    let path = match object["kind"].as_str() {
        Some("Pod") => "",
        Some("CronJob") => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    object.pointer_mut(path).unwrap_or_else(|| unreachable!("the corpus makes it"))
}

fn spec_of(object: &mut Value) -> &mut Value {
    &mut template_of(object)["spec"]
}

// === impl Case ===

impl Case {
    /// The object as the rules see it, if they judge such.
    #[must_use]
    pub fn read(&self) -> Option<Read> {
        let json = serde_json::to_vec(&self.object).ok()?;
        let read = read(&json, None, ClusterIx(0), Origin::default()).ok()?;
        matches!(read.manifest, Manifest::Workload(_) | Manifest::ServiceAccount(_)).then_some(read)
    }

    /// What the rules about admission find in it when they see nothing else; nothing if it is being deleted.
    #[must_use]
    pub fn findings(&self) -> Vec<(&'static Entry, Finding)> {
        let mut found = Vec::new();
        let Some(read) = self.read().filter(|read| !read.deleting) else { return found };
        let object = match &read.manifest {
            Manifest::Workload(workload) => Object::Workload(workload),
            Manifest::ServiceAccount(account) => Object::ServiceAccount(account),
            _ => return found,
        };
        let (inventory, parameters) = (Inventory::default(), Parameters::default());
        judge(object, &Trust::join(&inventory, &parameters).at_admission(), ADMISSION.iter(), |judgement| {
            found.extend(judgement.outcome.ok().map(|finding| (judgement.rule, finding)));
        });
        found
    }
}
