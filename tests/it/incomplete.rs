//! What is not all there says so, and proves nothing absent.

use serde_json::{Value, json};

use crate::program::{Folder, Ran};

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
const GROUP: &str = "/subscriptions/s/resourceGroups/rg/providers";

/// A ServiceAccount whose client id nothing else names, and a cluster to go with it.
fn estate(files: &[(&str, Value)]) -> Folder {
    let folder = Folder::new();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "namespace": "shop",
        "annotations": {"azure.workload.identity/client-id": "33333333-3333-3333-3333-333333333333"}}});
    folder.write("in/prod/account.json", account.to_string());
    folder.write("in/prod/aks.json", cluster().to_string());
    for (name, content) in files {
        folder.write(&format!("in/{name}"), content.to_string());
    }
    folder
}

fn cluster() -> Value {
    json!({"id": format!("{GROUP}/Microsoft.ContainerService/managedClusters/prod"), "name": "prod",
        "oidcIssuerProfile": {"enabled": true, "issuerUrl": ISSUER},
        "securityProfile": {"workloadIdentity": {"enabled": true}}})
}

fn identity() -> Value {
    json!({"id": format!("{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/id-till"), "name": "id-till",
        "clientId": "44444444-4444-4444-4444-444444444444", "principalId": "55555555-5555-5555-5555-555555555555"})
}

fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member);
    object
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

fn scan(files: &[(&str, Value)]) -> Ran {
    estate(files).run(&["scan", "in", "-o", "json"])
}

/// Whether the client id is said to belong to nobody.
fn is_nobodys(ran: &Ran) -> bool {
    ran.findings().iter().any(|found| found[0] == "AWI206")
}

fn graph(apps: Value) -> Value {
    json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications", "value": apps})
}

#[test]
fn an_empty_answer_of_graph_is_a_list_of_no_applications() {
    let identities = ("ids.json", json!([identity()]));
    let ran = scan(&[identities.clone(), ("apps.json", graph(json!([])))]);
    assert!(is_nobodys(&ran), "{:#}", ran.report());
    assert_eq!(ran.coverage("in/apps.json").0, "complete");
    let selected = with(
        graph(json!([])),
        "@odata.context",
        json!("https://graph.microsoft.com/beta/$metadata#applications(id,appId)"),
    );
    assert!(is_nobodys(&scan(&[identities.clone(), ("apps.json", selected)])));
    let more = with(graph(json!([])), "@odata.nextLink", json!("https://graph.microsoft.com/next"));
    for apps in [json!([]), json!({"value": []}), more] {
        let ran = scan(&[identities.clone(), ("apps.json", apps.clone())]);
        assert!(!is_nobodys(&ran) && ran.coverage("in/apps.json").0 == "partial", "{apps}: {ran:?}");
    }
}

#[test]
fn lists_that_go_on_elsewhere_say_so() {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "b"}});
    let kube = |metadata: Value| json!({"apiVersion": "v1", "kind": "ServiceAccountList", "metadata": metadata, "items": [account]});
    for (list, member, remedy) in [
        (
            json!({"value": [identity()], "nextLink": "https://management.azure.com/next"}),
            "nextLink",
            "fetch what it names",
        ),
        (with(graph(json!([])), "@odata.nextLink", json!("https://next")), "@odata.nextLink", "fetch what it names"),
        (kube(json!({"continue": "token"})), "metadata.continue", "without a limit"),
        (kube(json!({"continue": "", "remainingItemCount": 7})), "metadata.remainingItemCount", "without a limit"),
        (
            json!({"count": 1, "data": [identity()], "skip_token": "t", "total_records": 2}),
            "skip_token",
            "--skip-token",
        ),
        (
            json!({"count": 1, "data": [identity()], "skip_token": null, "total_records": 2}),
            "total_records",
            "--skip-token",
        ),
    ] {
        let ran = scan(&[("list.json", list.clone())]);
        let (status, reason) = ran.coverage("in/list.json");
        assert!(
            status == "partial" && reason.contains(&format!("(`{member}`)")) && reason.contains(remedy),
            "{reason}"
        );
        let ran = scan(&[("list.json", list), ("apps.json", graph(json!([])))]);
        assert!(!is_nobodys(&ran), "{member}: {ran:?}");
    }
    let whole = json!({"count": 1, "data": [identity()], "skip_token": null, "total_records": 1});
    let ran = scan(&[("list.json", whole), ("apps.json", graph(json!([])))]);
    assert!(is_nobodys(&ran) && ran.coverage("in/list.json").0 == "complete", "{ran:?}");
}

#[test]
fn what_lacks_members_or_has_them_of_another_type_is_no_whole_record() {
    let apps = || ("apps.json", graph(json!([])));
    for (row, says) in [
        (without(identity(), "clientId"), "identity `id-till` lacks `clientId`"),
        (
            with(identity(), "clientId", json!(5)),
            "could not read identity `id-till`: `clientId` is a number, and not a string",
        ),
    ] {
        let ran = scan(&[("rows.json", json!({"count": 1, "data": [row]})), apps()]);
        let (status, reason) = ran.coverage("in/rows.json");
        assert!(ran.status == 3 && status == "partial" && reason.contains(says), "{reason}");
        assert!(!is_nobodys(&ran), "{says}: {ran:?}");
    }
    let credential = json!({"id": format!("{}/federatedIdentityCredentials/fc", identity()["id"].as_str().unwrap()),
        "name": "fc", "issuer": ISSUER, "subject": "system:serviceaccount:shop:till", "audiences": ["api://AzureADTokenExchange"]});
    for (row, says) in [
        (without(credential.clone(), "subject"), "federated credential `fc` lacks `subject`"),
        (
            with(credential.clone(), "audiences", json!([7])),
            "`audiences` is a list of something else, and not a list of strings",
        ),
        (with(credential, "issuer", json!({})), "`issuer` is an object, and not a string"),
    ] {
        let ran = scan(&[("ids.json", json!([identity()])), ("rows.json", json!([row]))]);
        assert!(ran.status == 3 && ran.coverage("in/rows.json").1.contains(says), "{says}: {ran:?}");
        assert!(ran.findings().iter().all(|found| found[1] != "FederatedIdentityCredential"), "{says}: {ran:?}");
    }
}

#[test]
fn a_cluster_of_which_something_was_left_out_is_not_said_to_be_off() {
    let id = cluster()["id"].clone();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "namespace": "shop",
        "labels": {"azure.workload.identity/use": "true"}}, "spec": {"serviceAccountName": "cart", "containers": [{"name": "a"}]}});
    for (described, says) in [
        (json!({"id": id, "name": "prod", "issuer": ISSUER, "wi": true}), "lacks `oidcIssuerProfile`"),
        (without(cluster(), "securityProfile"), "lacks `securityProfile`"),
        (with(cluster(), "securityProfile", json!("Enabled")), "`securityProfile` is a string, and not an object"),
        (with(cluster(), "oidcIssuerProfile", json!(ISSUER)), "`oidcIssuerProfile` is a string, and not an object"),
    ] {
        let ran = scan(&[("prod/aks.json", described), ("prod/pod.json", pod.clone())]);
        assert!(ran.status == 3 && ran.coverage("in/prod/aks.json").1.contains(says), "{says}: {ran:?}");
        assert!(ran.findings().iter().all(|found| found[0] != "AWI701"), "{says}: {ran:?}");
    }
    for off in [
        with(cluster(), "oidcIssuerProfile", json!(null)),
        json!({"id": id, "name": "prod", "properties": {"kubernetesVersion": "1.33"}}),
    ] {
        let ran = scan(&[("prod/aks.json", off.clone()), ("prod/pod.json", pod.clone())]);
        assert!(ran.status == 1 && ran.findings().iter().any(|found| found[0] == "AWI701"), "{off}: {ran:?}");
    }
}

#[test]
fn another_reading_of_an_object_is_not_passed_over() {
    let account = |client: &str| {
        format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: cart, namespace: shop, annotations: {{azure.workload.identity/client-id: {client}}}}}}}\n"
        )
    };
    let deployment = |label: &str| {
        format!(
            "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: cart, namespace: shop}}, spec: {{template: {{metadata: {{labels: {{azure.workload.identity/use: \"{label}\"}}}}, spec: {{serviceAccountName: cart, containers: [{{name: app}}]}}}}}}}}\n"
        )
    };
    let first = account("33333333-3333-3333-3333-333333333333") + &deployment("true");
    let said = |again: &str| {
        let folder = Folder::of(&[("a.yaml", &first), ("b.yaml", again)]);
        let report = folder.run(&["scan", ".", "-o", "json"]).report();
        let rows = report["coverage"].as_array().unwrap();
        let of_file = rows.iter().find(|row| row["source"] == "./b.yaml");
        of_file.and_then(|row| row["reason"].as_str()).unwrap_or_default().to_owned()
    };
    assert!(!said(&first).contains("says otherwise"), "they say the same");
    let other = account("44444444-4444-4444-4444-444444444444");
    let reason = said(&(other.clone() + &deployment("True")));
    assert!(
        reason.contains(
            "line 1: says otherwise of ServiceAccount shop/cart than ./a.yaml, which is believed, and of 1 more; leave out"
        ),
        "{reason}"
    );
    let reason = said(&(other + &deployment("true")));
    assert!(
        reason
            .contains("line 1: says otherwise of ServiceAccount shop/cart than ./a.yaml, which is believed; leave out"),
        "{reason}"
    );
    let folder = Folder::of(&[("a.yaml", &(account("a") + "---\n" + &account("b")))]);
    let (status, reason) = folder.run(&["scan", ".", "-o", "json"]).coverage("./a.yaml");
    assert_eq!(status, "partial");
    let within =
        "line 3: says otherwise of ServiceAccount shop/cart than on line 1 of it, which is believed; leave out";
    assert!(reason.contains(within), "{reason}");
}
