//! The trust inventory in a cluster: applied by an account that may do no more than its manifests
//! grant, to the cluster that it is about and to no other.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wiguard_tests::cluster::objects::{How, Verb, manifests};
use wiguard_tests::cluster::{Cluster, ISSUER, wait};

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/deploy/trust");
const CLIENT: &str = "5a1e2c3d-0001-4000-8000-000000000001";

/// Azure as az shows it: one identity, which trusts `shop/cart` of a cluster of this issuer.
fn azure(folder: &Path, issuer: &str) {
    let id = "/subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart";
    let identity = json!({"id": id, "name": "id-cart", "clientId": CLIENT, "resourceGroup": "rg",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities"});
    let credential = json!({"id": format!("{id}/federatedIdentityCredentials/fc"), "name": "fc", "issuer": issuer,
        "subject": "system:serviceaccount:shop:cart", "audiences": ["api://AzureADTokenExchange"],
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"});
    std::fs::create_dir_all(folder.join("azure")).unwrap();
    std::fs::write(folder.join("azure/identities.json"), json!([identity]).to_string()).unwrap();
    std::fs::write(folder.join(format!("azure/{CLIENT}.json")), json!([credential]).to_string()).unwrap();
}

/// What kubectl prints of the cluster.
async fn dump(cluster: &Cluster, folder: &Path) {
    std::fs::create_dir_all(folder.join("prod")).unwrap();
    for (name, path) in [
        ("openid-configuration", "/.well-known/openid-configuration"),
        ("namespaces", "/api/v1/namespaces"),
        ("serviceaccounts", "/api/v1/serviceaccounts"),
    ] {
        let object = cluster.fetch(path).await.admitted().object;
        std::fs::write(folder.join(format!("prod/{name}.json")), object.to_string()).unwrap();
    }
}

/// Runs `policy trust` on a folder.
fn apply(folder: &Path, kubeconfig: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wiguard-under-test"));
    command.current_dir(folder).args(["policy", "trust", ".", "--managed-identities-only", "--apply"]);
    let output = command.arg("--kubeconfig").arg(kubeconfig).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The manifests of the refreshing job for a namespace.
fn access(namespace: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(MANIFESTS).join("access.yaml")).unwrap();
    let mut objects = manifests(&text.replace("wiguard-system", namespace));
    for object in &mut objects {
        if !object["kind"].as_str().unwrap().starts_with("Cluster") {
            object["metadata"]["namespace"] = json!(namespace);
        }
    }
    objects
}

/// The names of ConfigMaps, without that which every namespace has.
fn names(list: &[Value]) -> Vec<&str> {
    let names = list.iter().map(|object| object["metadata"]["name"].as_str().unwrap());
    names.filter(|name| *name != "kube-root-ca.crt").collect()
}

#[test]
fn it_is_applied_refreshed_and_pruned_by_an_account_with_least_privilege() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("guard", &[]).await;
        cluster.apply(&access(&namespace)).await;
        let gone = cluster.namespace("gone", &[]).await;
        let folder = tempfile::tempdir().unwrap();
        azure(folder.path(), ISSUER);
        dump(cluster, folder.path()).await;

        let user = format!("system:serviceaccount:{namespace}:wiguard-trust");
        let kubeconfig = cluster.kubeconfig(&user, "system:serviceaccounts");
        let arguments = ["--cluster", "prod", "-n", &namespace, "--prune"];
        let (status, out, err) = apply(folder.path(), &kubeconfig, &arguments);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        let maps = cluster.list("v1", "ConfigMap", &namespace).await;
        let count = names(&maps).len();
        assert_eq!(out, format!("applied {count} ConfigMaps to namespace {namespace}\n"));
        assert!(names(&maps).contains(&"trust.shop") && names(&maps).contains(&"clients.5"), "{:?}", names(&maps));
        let shop = maps.iter().find(|map| map["metadata"]["name"] == "trust.shop").unwrap();
        assert_eq!(shop["metadata"]["managedFields"][0]["manager"], "wiguard");
        let content: Value = serde_json::from_str(shop["data"]["trust.json"].as_str().unwrap()).unwrap();
        assert_eq!((&content["issuer"], &content["complete"]), (&json!(ISSUER), &json!(true)));

        // What is no longer there goes; what is not ours stays.
        let theirs =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "not.ours", "namespace": namespace}});
        cluster.apply(std::slice::from_ref(&theirs)).await;
        cluster.delete(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gone}})).await;
        let mut listed: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("prod/namespaces.json")).unwrap()).unwrap();
        listed["items"].as_array_mut().unwrap().retain(|object| object["metadata"]["name"] != gone.as_str());
        std::fs::write(folder.path().join("prod/namespaces.json"), listed.to_string()).unwrap();
        let accounts: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("prod/serviceaccounts.json")).unwrap()).unwrap();
        let mut accounts = accounts;
        accounts["items"].as_array_mut().unwrap().retain(|object| object["metadata"]["namespace"] != gone.as_str());
        std::fs::write(folder.path().join("prod/serviceaccounts.json"), accounts.to_string()).unwrap();

        let broken = folder.path().join("broken.json");
        std::fs::write(&broken, "{").unwrap();
        let (status, out, err) = apply(folder.path(), &kubeconfig, &arguments);
        assert!(status == 3 && out.contains("deleted none: ") && err.contains("broken.json"), "{status} {out} {err}");
        std::fs::remove_file(&broken).unwrap();
        let (status, out, err) = apply(folder.path(), &kubeconfig, &arguments);
        assert!(status == 0 && out.ends_with("; deleted 1\n"), "{status} {out} {err}");
        let left = cluster.list("v1", "ConfigMap", &namespace).await;
        assert_eq!(names(&left).len(), count);
        assert!(!names(&left).contains(&format!("trust.{gone}").as_str()) && names(&left).contains(&"not.ours"));

        // Nobody else may.
        let other = cluster.kubeconfig(&format!("system:serviceaccount:{namespace}:default"), "system:serviceaccounts");
        let (status, _, err) = apply(folder.path(), &other, &arguments);
        assert!(
            status == 4 && err.contains("could not apply ConfigMap `") && err.contains("forbidden"),
            "{status} {err}"
        );
        let elsewhere = ["--cluster", "prod", "-n", "default"];
        let (status, _, err) = apply(folder.path(), &kubeconfig, &elsewhere);
        assert!(status == 4 && err.contains("forbidden"), "and this one nowhere else: {status} {err}");
        let role = cluster.client_of(&user, "system:serviceaccounts").await;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": namespace}});
        assert_eq!(cluster.ask_as(&role, Verb::Get, &secret, How::default()).await.status, 403);
    });
}

#[test]
fn another_cluster_is_refused() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("wrong", &[]).await;
        let folder = tempfile::tempdir().unwrap();
        let other = "https://another.example/";
        azure(folder.path(), other);
        let kubeconfig = cluster.kubeconfig("admin", "system:masters");
        let (status, out, err) = apply(folder.path(), &kubeconfig, &["--issuer", other, "-n", &namespace]);
        assert!(
            status == 2
                && out.is_empty()
                && err.contains("this inventory is for the cluster of issuer https://another.example/"),
            "{status} {err}"
        );
        assert!(err.contains(ISSUER), "{err}");
        assert_eq!(names(&cluster.list("v1", "ConfigMap", &namespace).await), [""; 0]);
        let (status, _, err) = apply(folder.path(), Path::new("none"), &["--issuer", other]);
        assert!(status == 2 && err.contains("could not read the kubeconfig `none`"), "{status} {err}");
    });
}
