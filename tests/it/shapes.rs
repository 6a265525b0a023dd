//! One estate in every shape it can be given in has the same findings, and dumps are tied to the
//! cluster they came from.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::program::{Folder, KNOWN};

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/small");
const CLIENT: &str = "5e0d2c1b-93a4-4f5e-8b6a-1c7d8e9f0a21";

fn small(name: &str) -> String {
    std::fs::read_to_string(Path::new(SMALL).join(name)).unwrap()
}

/// The findings of `in`, without the places, which differ from shape to shape.
fn findings(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let ran = folder.run(&[&["scan", "in", "-o", "json"], arguments].concat());
    assert_eq!(ran.status, 1, "{ran:?}");
    let mut report = ran.report();
    let findings = report["findings"].as_array_mut().unwrap();
    for found in findings.iter_mut() {
        found.as_object_mut().unwrap().remove("source");
    }
    std::mem::take(findings)
}

/// The small estate with its files changed.
fn changed(change: impl Fn(&str, &str) -> (String, Vec<u8>)) -> Folder {
    let folder = Folder::new();
    for name in ["aks.json", "identities.json", "credentials/id-cart.json", "credentials/id-mail.json", "shop.yaml"] {
        let (name, content) = change(name, &small(name));
        folder.write(&format!("in/{name}"), content);
    }
    folder
}

fn expected() -> Vec<Value> {
    let found = findings(&changed(|name, text| (name.into(), text.into())), &[]);
    assert!(found.len() >= 4, "{found:#?}");
    found
}

/// What Resource Manager answers where `az` prints this.
fn nested(flat: &Value) -> Value {
    const TOP: [&str; 4] = ["id", "name", "type", "location"];
    let members = flat.as_object().unwrap();
    let mut object: serde_json::Map<String, Value> = members
        .iter()
        .filter(|(name, _)| TOP.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let inner = members.iter().filter(|(name, _)| !TOP.contains(&name.as_str()) && *name != "resourceGroup");
    object.insert("properties".into(), inner.map(|(name, value)| (name.clone(), value.clone())).collect());
    let text = Value::Object(object).to_string().replace("\"issuerUrl\"", "\"issuerURL\"");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn az_and_resource_manager_agree() {
    let arm = changed(|name, text| {
        if name == "shop.yaml" {
            return (name.into(), text.into());
        }
        let value: Value = serde_json::from_str(text).unwrap();
        let answer = match &value {
            Value::Array(list) => json!({"value": list.iter().map(nested).collect::<Vec<_>>()}),
            one => nested(one),
        };
        (name.into(), answer.to_string().into())
    });
    assert_eq!(findings(&arm, &[]), expected());
    // One page of several proves no absence, and is no other evidence either.
    let page = Folder::new();
    page.write("in/ids.json", json!({"value": [], "nextLink": "https://management.azure.com/next"}).to_string());
    assert_eq!(page.run(&["scan", "in"]).status, 0);
}

#[test]
fn az_and_graph_agree() {
    let app = json!({"appId": CLIENT, "id": "0c9d8e7f-6a5b-4c3d-8e1f-0a9b8c7d6e5f", "displayName": "cart"});
    let credential = json!({"id": "f1e2d3c4-b5a6-4978-8a6b-5c4d3e2f1a0b", "name": "small-weu", "audiences": ["api://AzureADTokenExchange"],
        "issuer": "https://westeurope.oic.prod-aks.azure.com/7d3f0a94-51c2-4b06-8f6e-0c9f6f1d2e33/c2b7a1de-0f4b-4a8e-b0a5-64d9a7e1f055",
        "subject": "system:serviceaccount:shop:cart", "description": null});
    let context = "https://graph.microsoft.com/v1.0/$metadata#applications";
    let in_context = format!("{context}('0c9d8e7f-6a5b-4c3d-8e1f-0a9b8c7d6e5f')/federatedIdentityCredentials");
    let given = |apps: Value, credentials: Value, file: &str| {
        let folder = Folder::of(&[("in/aks.json", &small("aks.json")), ("in/shop.yaml", &small("shop.yaml"))]);
        folder.write("in/apps.json", apps.to_string());
        folder.write(&format!("in/{file}"), credentials.to_string());
        findings(&folder, &[])
    };
    let az = given(json!([app]), json!([credential]), "cart.json");
    assert!(az.iter().any(|found| found["rule"] == "AWI304" && found["object"]["name"] == "cart/small-weu"), "{az:#?}");
    let graph = given(
        json!({"@odata.context": context, "value": [app]}),
        json!({"@odata.context": in_context, "value": [credential]}),
        "answer.json",
    );
    assert_eq!(graph, az);
}

/// The objects of `shop.yaml`.
fn objects() -> Vec<Value> {
    let account = |name: &str, client: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop", "annotations": {"azure.workload.identity/client-id": client}}});
    let mail = "a1c3e5f7-2b4d-4c6e-8f0a-9b8c7d6e5f43";
    let pod = |name: &str, metadata: Value| json!({"template": {"metadata": metadata, "spec": {"serviceAccountName": name, "containers": [{"name": name, "image": "x"}]}}});
    let opted_in = json!({"azure.workload.identity/use": "true"});
    vec![
        account("cart", CLIENT),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"}, "spec": pod("cart", json!({"labels": opted_in}))}),
        account("mail", mail),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mail", "namespace": "shop", "labels": opted_in},
            "spec": pod("mail", json!({"labels": {"app": "mail"}, "annotations": {"azure.workload.identity/client-id": mail}}))}),
    ]
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// A frame of Zstandard with one raw block (RFC 8878, 3.1.1).
fn zstd(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len()).unwrap();
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    out.extend(size.to_le_bytes());
    out.extend(&((size << 3) | 1).to_le_bytes()[..3]);
    out.extend(text.as_bytes());
    out
}

/// The small estate with its Kubernetes objects in another file, or as standard input.
fn with_objects(name: &str, content: &[u8]) -> Vec<Value> {
    let folder = changed(|file, text| (file.into(), text.into()));
    std::fs::remove_file(folder.path().join("in/shop.yaml")).unwrap();
    if name == "-" {
        let ran = folder.pipe(&["scan", "in", "-", "--cluster", "small-weu=-", "-o", "json"], content);
        let mut report = ran.report();
        let found = report["findings"].as_array_mut().unwrap();
        found.iter_mut().for_each(|found| drop(found.as_object_mut().unwrap().remove("source")));
        return std::mem::take(found);
    }
    folder.write(&format!("in/{name}"), content);
    findings(&folder, &[])
}

#[test]
fn every_form_of_the_same_objects_has_the_same_findings() {
    let (yaml, objects) = (small("shop.yaml"), objects());
    let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let spaced = serde_json::to_string_pretty(&list).unwrap();
    let expected = expected();
    for (name, content) in [
        ("list.json", spaced.clone().into_bytes()),
        ("minified", list.to_string().into_bytes()),
        ("array.json", Value::Array(objects.clone()).to_string().into_bytes()),
        ("lines.ndjson", lines.clone().into_bytes()),
        ("named-wrong.json", yaml.clone().into_bytes()),
        ("list.yaml", format!("---\n# flow style is YAML too\n{spaced}\n").into_bytes()),
        ("crlf.yaml", yaml.replace('\n', "\r\n").into_bytes()),
        ("bom.yaml", format!("\u{feff}{yaml}").into_bytes()),
        ("shop.yaml.gz", gzip(&yaml)),
        ("lines.gz", gzip(&lines)),
        ("shop.zst", zstd(&yaml)),
        ("-", yaml.clone().into_bytes()),
        ("-", spaced.clone().into_bytes()),
        ("-", gzip(&lines)),
        ("-", zstd(&spaced)),
    ] {
        assert_eq!(with_objects(name, &content), expected, "{name}, {:?} …", &content[..12]);
    }
}

/// A cluster as `az aks show` prints it.
fn cluster(name: &str) -> String {
    small("aks.json").replace("small-weu", name).replace("c2b7a1de", &format!("{:08x}", name.len() * 7919))
}

/// The clusters of the findings in JSON.
fn clusters(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let ran = folder.run(&[&["scan", "-o", "json"], arguments].concat());
    assert_eq!(ran.status, 1, "{ran:?}");
    let report = ran.report();
    let found = report["findings"].as_array().unwrap().iter().filter(|found| found["rule"] == "AWI101");
    found.map(|found| found["cluster"].as_str().unwrap_or("none").to_owned()).collect()
}

#[test]
fn dumps_are_tied_to_their_clusters() {
    let folder = Folder::of(&[("described/aks.json", &cluster("blue")), ("described/deep/er/k.yaml", KNOWN)]);
    folder.write("all/aks.json", format!("[{},{}]", cluster("green"), cluster("red-one")));
    folder.write("all/green/k.yaml", KNOWN);
    folder.write("all/red-one/deep/k.yaml", KNOWN);
    folder.write(
        "edge/openid.json",
        json!({"issuer": "https://oidc.example/edge", "jwks_uri": "https://oidc.example/edge/keys"}).to_string(),
    );
    folder.write("edge/k.yaml", KNOWN);
    folder.write("loose/k.yaml", KNOWN);
    assert_eq!(clusters(&folder, &["described"]), ["blue"], "by the cluster described in a folder above");
    assert_eq!(clusters(&folder, &["all"]), ["green", "red-one"], "by the folder's name");
    assert_eq!(clusters(&folder, &["edge"]), ["edge"], "by the discovery document");
    assert_eq!(clusters(&folder, &["loose", "--cluster", "said=loose"]), ["said"]);
    assert_eq!(clusters(&folder, &["loose", "--cluster", "said=./loose/k.yaml"]), ["said"]);
    assert_eq!(clusters(&folder, &["described", "--cluster", "said=described/deep"]), ["said"], "the user's word wins");
    assert_eq!(
        clusters(&folder, &["described", "all", "edge", "loose"]),
        ["none", "blue", "edge", "green", "red-one"],
        "in one run"
    );
}

/// A discovery document tells of the cluster that is described beside it; a second one replaces nothing.
#[test]
fn two_discovery_documents_are_not_one_cluster() {
    let discovery = |issuer: &str| json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
    let folder = Folder::of(&[("in/aks.json", &cluster("blue")), ("in/k.yaml", KNOWN)]);
    folder.write("in/a.json", discovery("https://oidc.example/a"));
    folder.write("in/b.json", discovery("https://oidc.example/b"));
    assert_eq!(clusters(&folder, &["in"]), ["blue"]);
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    assert_eq!(ran.coverage("in/a.json").0, "complete", "{ran:?}");
    let (status, reason) = ran.coverage("in/b.json");
    assert_eq!(status, "partial", "{ran:?}");
    assert!(reason.contains("another issuer than the discovery document of the cluster"), "{reason}");
    let report = ran.report();
    let differs = report["findings"].as_array().unwrap().iter().find(|found| found["rule"] == "AWI704");
    assert!(differs.is_some_and(|it| it["message"].to_string().contains("https://oidc.example/a")), "{report}");
}

/// An issuer that the configuration says is the cluster's too makes no second one.
#[test]
fn another_issuer_of_a_cluster_is_its_own() {
    let discovery = json!({"issuer": "https://oidc.example/old", "jwks_uri": "https://oidc.example/old/keys"});
    let folder = Folder::of(&[("in/blue/k.yaml", KNOWN), ("in/deep/k.yaml", KNOWN)]);
    folder.write("in/deep/openid.json", discovery.to_string());
    let declared = "[[clusters]]\nname = \"blue\"\nissuer = \"https://oidc.example/new\"\n";
    folder.write("wiguard.toml", declared);
    assert_eq!(clusters(&folder, &["in"]), ["blue", "deep"]);
    folder.write("wiguard.toml", format!("{declared}otherIssuers = [\"https://oidc.example/old\"]\n"));
    assert_eq!(clusters(&folder, &["in"]), ["blue"], "both say the same of one object");
}

#[test]
fn a_key_set_is_a_clusters_if_something_says_so() {
    let folder = Folder::of(&[("in/aks.json", &cluster("blue"))]);
    let issuer = serde_json::from_str::<Value>(&cluster("blue")).unwrap()["oidcIssuerProfile"]["issuerUrl"].clone();
    let keys = json!({"keys": [{"use": "sig", "kty": "EC", "kid": "a", "crv": "P-256"}]}).to_string();
    let discovery = json!({"issuer": issuer, "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}).to_string();
    let accused = |folder: &Folder, more: &[&str]| {
        let ran = folder.run(&[&["scan", "in", "-o", "json"], more].concat());
        let report = ran.report();
        report["findings"].as_array().unwrap().iter().any(|found| found["rule"] == "AWI704")
    };
    folder.write("in/jwks.json", &keys);
    assert!(!accused(&folder, &[]), "they may be anybody's");
    let (status, reason) = folder.run(&["scan", "in", "-o", "json"]).coverage("in/jwks.json");
    assert_eq!(status, "partial");
    assert!(reason.contains("--cluster NAME=FILE"), "{reason}");
    assert!(accused(&folder, &["--cluster", "blue=in/jwks.json"]), "by the user's word");
    assert!(!accused(&folder, &["--cluster", "blue=in"]), "the user's word is for objects of Kubernetes");
    folder.write("in/other.json", &keys);
    folder.write("in/openid.json", &discovery);
    assert!(accused(&folder, &[]), "the discovery document calls them so");
    std::fs::remove_file(folder.path().join("in/jwks.json")).unwrap();
    assert!(!accused(&folder, &[]), "it calls others so");
    std::fs::remove_file(folder.path().join("in/openid.json")).unwrap();
    folder.write("in/openid-v1-jwks.json", &keys);
    assert!(accused(&folder, &[]), "by the name of their file");
    std::fs::remove_file(folder.path().join("in/openid-v1-jwks.json")).unwrap();
    let (issuer, keys) = ("https://idp.example.com", "https://idp.example.com/certs");
    let provider = json!({"issuer": issuer, "jwks_uri": keys, "token_endpoint": "https://idp.example.com/token"});
    folder.write("in/idp.json", provider.to_string());
    assert!(!accused(&folder, &[]), "a service that signs users in is no API server");
}

/// An identity that no source describes is known by its credentials, unless all identities are listed: then it is gone.
#[test]
fn an_identity_is_known_by_its_credentials() {
    let owner = |name: &str| {
        format!("/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}")
    };
    let credential = |number: u32| {
        json!({"id": format!("{}/federatedIdentityCredentials/c{number}", owner("id-cart")), "name": format!("c{number}"),
            "issuer": "https://token.actions.githubusercontent.com", "subject": format!("repo:shop/r{number}"),
            "audiences": ["api://AzureADTokenExchange"],
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"})
    };
    let of = |count: u32| Value::Array((0..count).map(credential).collect()).to_string();
    let judged = |folder: &Folder| {
        let report = folder.run(&["scan", "in", "-o", "json"]).report();
        let quota = report["findings"].as_array().unwrap().iter().find(|found| found["rule"] == "AWI401");
        let undecided = report["coverage"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["rulesNotEvaluated"].as_array().unwrap().contains(&json!("AWI402")));
        let named: Vec<String> =
            report["identities"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
        (quota.map(|found| found["severity"].as_str().unwrap().to_owned()), undecided, named)
    };
    let folder = Folder::of(&[("in/credentials.json", &of(20))]);
    assert_eq!(judged(&folder), (Some("high".into()), false, vec!["id-cart".into()]));
    folder.write("in/credentials.json", of(2));
    assert_eq!(judged(&folder), (None, false, vec!["id-cart".into()]), "the list is whole");
    folder.write("in/credentials.json", credential(0).to_string());
    assert_eq!(judged(&folder), (None, true, vec!["id-cart".into()]), "there may be more");
    let other = json!([{"id": owner("id-till"), "name": "id-till", "clientId": "33333333-3333-3333-3333-333333333333",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities"}]);
    folder.write("in/identities.json", other.to_string());
    folder.write("in/credentials.json", of(20));
    assert_eq!(judged(&folder).0, None, "it is gone");
    assert_eq!(judged(&folder).2, ["id-till"]);
}

/// Lists of Azure that have nothing to do with the chain are no defects; what somebody took out of a list is.
#[test]
fn azure_s_other_resources_are_passed_over() {
    let of = |kind: &str, path: &str| json!({"id": format!("/subscriptions/s{path}"), "name": "x", "type": kind});
    let vault = "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/x";
    let pool = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/agentPools/x";
    let definition = "/providers/Microsoft.Authorization/roleDefinitions/x";
    let subscription = json!({"id": "s", "name": "x", "isDefault": true, "state": "Enabled", "tenantId": "t"});
    let misses = |value: &Value| {
        let folder = Folder::of(&[("in/k.yaml", KNOWN), ("in/other.json", &json!([value]).to_string())]);
        let report = folder.run(&["scan", "in", "-o", "json"]).report();
        let mut rows = report["coverage"].as_array().unwrap().iter();
        rows.any(|entry| entry["source"] == "in/other.json" && entry["status"] != "complete")
    };
    let groups = "Microsoft.Management/managementGroups";
    for other in [
        of("Microsoft.KeyVault/vaults", vault),
        of("microsoft.keyvault/vaults", vault),
        of("Microsoft.Resources/resourceGroups", "/resourceGroups/rg"),
        of("Microsoft.ContainerService/managedClusters/agentPools", pool),
        of("Microsoft.Authorization/roleDefinitions", definition),
        json!({"id": format!("/subscriptions/s{vault}")}),
        json!({"id": format!("/providers/{groups}/x"), "type": groups}),
        subscription.clone(),
    ] {
        assert!(!misses(&other), "{other}");
    }
    let mut part = subscription;
    part.as_object_mut().unwrap().remove("state");
    for part in [
        part,
        json!({"id": "/subscriptions/s/resourceGroups/rg", "name": "rg"}),
        json!({"id": "/subscriptions/s/resourceGroups/rg", "type": "x/y"}),
        json!({"id": "/subscriptions/s/resourceGroups/rg", "type": "a.b/"}),
        json!({"id": "5", "type": "Microsoft.KeyVault/vaults"}),
    ] {
        assert!(misses(&part), "{part}");
    }
}

#[test]
fn what_cannot_be_tied_is_reported() {
    let folder = Folder::of(&[("in/k.yaml", KNOWN), ("in/a.json", &cluster("blue")), ("in/b.json", &cluster("green"))]);
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    assert_eq!(ran.report()["findings"][0]["cluster"], Value::Null, "never by guess");
    let (status, reason) = ran.coverage("in/k.yaml");
    assert_eq!(status, "partial");
    assert!(
        reason.starts_with("its objects could belong to any of the clusters described in its folder; ")
            && reason.contains("--cluster NAME=PATH")
    );
    let ran = folder.run(&["scan", "in/k.yaml", "-o", "json"]);
    assert!(
        ran.coverage("in/k.yaml")
            .1
            .contains("belong to no cluster that was described; put the output of `az aks show`"),
        "{ran:?}"
    );
    let ran = folder.run(&["scan", "in", "--cluster", "blue=out", "-o", "json"]);
    assert_eq!(
        (ran.status, ran.coverage("out").1.as_str()),
        (3, "--cluster blue= names this path, and nothing was read there; write it as it is given to scan")
    );
}

#[test]
fn credentials_are_tied_to_their_identities() {
    let nameless = |name: &str, text: &str| {
        let text = if name.starts_with("credentials/") {
            text.replace("\"id\"", "\"was\"").replace("\"type\"", "\"sort\"")
        } else {
            text.to_owned()
        };
        (name.replace("credentials/id-cart", "credentials/some"), text.into_bytes())
    };
    let folder = changed(nameless);
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    let (status, reason) = ran.coverage("in/credentials/some.json");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        (
            "partial",
            "1 federated credential names no identity; name the file after the identity, or say --identity NAME=PATH"
        )
    );
    assert!(
        !ran.findings().iter().any(|found| found[0] == "AWI301" && found[3] == "cart"),
        "what is not tied accuses nobody: {ran:?}"
    );
    for name in ["id-cart", CLIENT] {
        let tied = findings(&folder, &["--identity", &format!("{name}=in/credentials/some.json")]);
        assert!(tied.iter().any(|found| found["rule"] == "AWI301" && found["object"]["name"] == "cart"), "{tied:#?}");
    }
    let ran = folder.run(&["scan", "in", "--identity", "id-card=in/credentials/some.json", "-o", "json"]);
    assert_eq!(ran.status, 3);
    assert!(
        ran.coverage("in/credentials/some.json").1.contains("--identity names `id-card`, which is no identity"),
        "{ran:?}"
    );
}
