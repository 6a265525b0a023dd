//! The tables as evidence: whatever was found of an object is counted in its row, and nothing that was left out
//! passes for right.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::plans;
use crate::program::{Folder, KNOWN};

/// Scans with these arguments; the rows of a table by the columns that name them, each as its verdict, its counts
/// from critical to info, and how many findings are suppressed.
fn rows(folder: &Folder, table: &str, names: &[&str], arguments: &[&str]) -> BTreeMap<String, String> {
    let ran = folder.run(&[&["scan", "-q", "-o", "csv=csv"], arguments].concat());
    assert!(ran.status < 2, "{ran:?}");
    let text = folder.read(&format!("csv/{table}.csv"));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let verdict = header.iter().position(|column| *column == "verdict").unwrap();
    assert_eq!(header[verdict..], ["verdict", "critical", "high", "medium", "low", "info", "suppressed"]);
    let named = |row: &[&str]| {
        let cell = |name: &&str| row[header.iter().position(|column| column == name).unwrap()];
        names.iter().map(cell).collect::<Vec<_>>().join("/")
    };
    lines.map(|row| (named(&row), row[verdict..].join(" "))).collect()
}

fn expect(rows: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let rows: Vec<(&str, &str)> = rows.iter().map(|(name, row)| (name.as_str(), row.as_str())).collect();
    assert_eq!(rows, expected);
}

const ESTATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/estate");
const WORKLOADS: (&str, &[&str]) = ("workloads", &["namespace", "name"]);
const NAMESPACES: (&str, &[&str]) = ("namespaces", &["namespace"]);

#[test]
fn what_is_left_out_is_not_compliant() {
    let folder = Folder::of(&[("k.yaml", KNOWN), ("other.yaml", KNOWN.replace("shop", "depot").as_str())]);
    folder.write("fine.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: fine, namespace: shop}\n");
    let all = |(table, names): (&str, &[&str]), arguments: &[&str]| {
        rows(&folder, table, names, &[&["k.yaml", "other.yaml", "fine.yaml"], arguments].concat())
    };
    expect(&all(WORKLOADS, &[]), &[("depot/cart", "findings 0 1 0 0 0 0"), ("shop/cart", "findings 0 1 0 0 0 0")]);
    expect(&all(WORKLOADS, &["-n", "depot"]), &[("depot/cart", "findings 0 1 0 0 0 0")]);
    expect(&all(NAMESPACES, &["-n", "depot"]), &[("depot", "findings 0 1 0 0 0 0")]);
    assert!(folder.read("csv/coverage.csv").contains("-n depot leaves out"));
    expect(&all(("service-accounts", &["name"]), &["-n", "depot"]), &[]);

    let unevaluated = "not evaluated wholly 0 0 0 0 0 0";
    expect(&all(WORKLOADS, &["--ignore", "AWI101"]), &[("depot/cart", unevaluated), ("shop/cart", unevaluated)]);
    let coverage = folder.read("csv/coverage.csv");
    let row = coverage.lines().find(|row| row.starts_with("ignored rules,missing,")).unwrap();
    assert!(row.ends_with(",AWI101,"), "{row}");
    folder.write("c.toml", "ignore = [\"label-on-workload-metadata\", \"awi101\"]\n");
    expect(&all(NAMESPACES, &["--config", "c.toml"]), &[("depot", unevaluated), ("shop", unevaluated)]);
    assert!(folder.read("csv/coverage.csv").contains(row), "the same in the configuration");

    let suppression = "[[suppressions]]\nrule = \"AWI101\"\nobject = \"shop/*\"\nreason = \"known\"\n";
    folder.write("c.toml", suppression);
    let suppressed = [("depot/cart", "findings 0 1 0 0 0 0"), ("shop/cart", "suppressed 0 0 0 0 0 1")];
    expect(&all(WORKLOADS, &["--config", "c.toml"]), &suppressed);
    folder.write("c.toml", format!("{suppression}expires = \"2020-01-31\"\n"));
    assert_eq!(all(WORKLOADS, &["--config", "c.toml"])["shop/cart"], "findings 0 1 0 0 0 0", "it has expired");
}

#[test]
fn a_row_counts_what_is_found_of_those_it_stands_for() {
    let owned = |kind: &str, name: &str, owner: (&str, &str), rest: Value| {
        let owners =
            json!([{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "uid": "1", "controller": true}]);
        let mut object = json!({"apiVersion": if kind == "Pod" { "v1" } else { "apps/v1" }, "kind": kind, "metadata": {
            "name": name, "namespace": "shop", "uid": name, "ownerReferences": owners,
            "labels": {"app": "cart", "azure.workload.identity/use": "true"}}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    };
    let template = json!({"metadata": {"labels": {"app": "cart", "azure.workload.identity/use": "true"}},
        "spec": {"serviceAccountName": "cart", "containers": [{"name": "app", "image": "app"}]}});
    let selector = json!({"matchLabels": {"app": "cart"}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "shop", "uid": "d"},
        "spec": {"replicas": 2, "selector": selector, "template": template}});
    let set = owned(
        "ReplicaSet",
        "cart-1",
        ("Deployment", "cart"),
        json!({"spec": {"replicas": 2, "selector": selector, "template": template}}),
    );
    let pod = |name: &str| {
        owned("Pod", name, ("ReplicaSet", "cart-1"), json!({"spec": template["spec"], "status": {"phase": "Running"}}))
    };
    let items =
        json!({"apiVersion": "v1", "kind": "List", "items": [deployment, set, pod("cart-1-a"), pod("cart-1-b")]});
    let folder = Folder::of(&[("all.json", items.to_string().as_str())]);
    let ran = folder.run(&["scan", "all.json", "-o", "json"]);
    let on_pods = ran.findings().iter().filter(|found| found[..2] == ["AWI105", "Pod"]).count();
    assert_eq!(on_pods, 2, "{ran:?}");
    let row = rows(&folder, WORKLOADS.0, WORKLOADS.1, &["all.json"]);
    assert_eq!(row.keys().collect::<Vec<_>>(), ["shop/cart"]);
    assert!(row["shop/cart"].starts_with("findings 0 2 "), "{row:?}");
    assert!(rows(&folder, NAMESPACES.0, NAMESPACES.1, &["all.json"])["shop"].starts_with("findings 0 2 "));
}

#[test]
fn a_namespace_counts_custom_resources() {
    let class = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: a, namespace: shop}\nspec: {provider: azure, parameters: {useVMManagedIdentity: \"true\", clientID: not-a-guid}}\n";
    let folder = Folder::of(&[("class.yaml", class)]);
    let found = folder.run(&["scan", "class.yaml", "-o", "json"]).findings();
    assert!(found.iter().all(|found| found[2] == "shop") && !found.is_empty(), "{found:?}");
    assert!(rows(&folder, NAMESPACES.0, NAMESPACES.1, &["class.yaml"])["shop"].starts_with("findings "));
}

#[test]
fn a_credential_counts_what_is_found_of_its_declaration() {
    const CREDENTIALS: (&str, &[&str]) = ("credentials", &["identity", "name"]);
    let folder = Folder::new();
    for (path, document) in plans::shop_with_a_plan_that_deletes() {
        folder.write(path, document.to_string());
    }
    let sources = ["prod", "azure", "plan.json", "--assume-complete"];
    let row = rows(&folder, CREDENTIALS.0, CREDENTIALS.1, &sources);
    assert!(row["id-cart/prod"].starts_with("findings 0 1 "), "{row:?}");
    let row = rows(&folder, CREDENTIALS.0, CREDENTIALS.1, &[&sources[..], &["--ignore", "AWI906"]].concat());
    assert!(row["id-cart/prod"].starts_with("not evaluated wholly 0 0 "), "{row:?}");
}

#[test]
fn every_finding_is_counted_in_a_row() {
    let folder = Folder::new();
    let report = folder.run(&["scan", "-q", ESTATE, "-o", "json", "-o", "csv=csv"]).report();
    let objects = || report["findings"].as_array().unwrap().iter().map(|found| &found["object"]);
    let of_kinds =
        |kinds: &[&str]| objects().filter(|object| kinds.contains(&object["kind"].as_str().unwrap())).count();
    let counted = |table: &str| -> usize {
        let text = folder.read(&format!("csv/{table}.csv"));
        let counts = text.lines().skip(1).flat_map(|line| line.rsplit(',').skip(1).take(5));
        counts.map(|count| count.parse::<usize>().unwrap()).sum()
    };
    assert_eq!(counted("service-accounts"), of_kinds(&["ServiceAccount"]));
    assert_eq!(counted("identities"), of_kinds(&["ManagedIdentity", "Application"]));
    assert_eq!(counted("credentials"), of_kinds(&["FederatedIdentityCredential"]));
    let within = objects().filter(|object| object["namespace"].is_string()).count();
    assert!(within > counted("workloads"), "there are custom resources");
    assert_eq!(counted("namespaces"), within);
}
