//! What admission controllers are known to send, leave out and answer that a policy may stumble over:
//! one test for each, at every door.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use wiguard_rules::model::{POD_BEARING, PodBearing, Shape};
use wiguard_tests::doors::{Answered, ApiServer, Doors};

static DOORS: LazyLock<Doors> = LazyLock::new(Doors::open);

const USE: &str = "azure.workload.identity/use";
const CLIENT_ID: &str = "azure.workload.identity/client-id";

fn account(name: &str, annotations: &Value) -> (String, String, Vec<u8>) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations}});
    ("shop".into(), name.into(), account.to_string().into_bytes())
}

/// A cluster where `cart` has a client id, and `default` and `web` have none.
fn server() -> Arc<ApiServer> {
    let client_id = json!({CLIENT_ID: "5a1e2c3d-0001-4000-8000-000000000001"});
    ApiServer::of([account("cart", &client_id), account("default", &json!({})), account("web", &json!({}))])
}

/// A pod, or an object of a kind that makes pods like it.
fn object(kind: &PodBearing, pod: Value) -> Value {
    let mut object = match kind.shape {
        Shape::Pod => pod,
        Shape::Template | Shape::Under(_) => json!({"spec": {"template": pod}}),
        Shape::CronJob => json!({"spec": {"jobTemplate": {"spec": {"template": pod}}}}),
    };
    (object["apiVersion"], object["kind"]) = (json!(kind.api_version), json!(kind.kind));
    (object["metadata"]["name"], object["metadata"]["namespace"]) = (json!("cart"), json!("shop"));
    object
}

fn pod(label: &str, account: &Value) -> Value {
    json!({"metadata": {"labels": {USE: label}}, "spec": {"serviceAccountName": account, "containers": [{"name": "app"}]}})
}

fn pods() -> &'static PodBearing {
    PodBearing::find("v1", "Pod").unwrap()
}

fn call(request: &Value) -> Answered {
    DOORS.call("validate", &json!({"request": request, "settings": {}}).to_string().into_bytes(), &server())
}

fn findings(request: &Value) -> String {
    call(request).json().pointer("/audit_annotations/findings").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn the_resource_may_be_a_kind_and_most_of_the_request_absent() {
    for kind in &POD_BEARING {
        let object = object(kind, pod("True", &json!("cart")));
        let group_version_kind = json!({"group": kind.group, "version": "v1", "kind": kind.kind});
        // Kubewarden's audit scanner: the kind in place of the resource, no user, no options, no old object.
        let scanned = json!({"uid": "1", "kind": group_version_kind, "requestKind": group_version_kind,
            "resource": {"group": kind.group, "version": "v1", "resource": kind.kind}, "operation": "CREATE",
            "name": "cart", "namespace": "shop", "object": object});
        // Gatekeeper's audit: no operation either.
        let audited = json!({"uid": "", "kind": group_version_kind, "operation": "", "userInfo": {}, "object": object});
        for request in [scanned, audited, json!({"object": object})] {
            assert_eq!(findings(&request), "AWI102=deny", "{request}");
        }
    }
}

#[test]
fn labels_are_those_of_the_template_whatever_the_kind() {
    for kind in &POD_BEARING {
        let answer = call(&json!({"object": object(kind, pod("True", &json!("cart")))})).json();
        let place = format!("AWI102 label-value-not-true at {}.labels[{USE}]: ", kind.metadata_path());
        assert!(answer["message"].as_str().unwrap().starts_with(&place), "{answer}");
        // The same label on the object itself is another flaw.
        if kind.shape != Shape::Pod {
            let mut outside =
                object(kind, json!({"spec": {"serviceAccountName": "web", "containers": [{"name": "app"}]}}));
            outside["metadata"]["labels"] = json!({USE: "true"});
            assert_eq!(findings(&json!({"object": outside})), "AWI101=deny", "{outside}");
        }
    }
}

#[test]
fn an_empty_account_is_default_and_the_old_name_is_read() {
    for kind in &POD_BEARING {
        for (spec, account) in [
            (json!({}), "default"),
            (json!({"serviceAccountName": ""}), "default"),
            (json!({"serviceAccountName": null, "serviceAccount": ""}), "default"),
            (json!({"serviceAccountName": "default", "serviceAccount": "default"}), "default"),
            (json!({"serviceAccount": "cart"}), "cart"),
            (json!({"serviceAccountName": "", "serviceAccount": "cart"}), "cart"),
            (json!({"serviceAccountName": "cart", "serviceAccount": "web"}), "cart"),
        ] {
            let mut pod = pod("true", &json!("x"));
            pod["spec"] = spec;
            pod["spec"]["containers"] = json!([{"name": "app"}]);
            let answered = call(&json!({"object": object(kind, pod)}));
            let [asked] = answered.asked.as_slice() else { panic!("{answered:?}") };
            assert!(asked.contains(&format!("\"name\":\"{account}\"")), "{asked}");
            let expected = if account == "cart" { "" } else { "AWI108=warn,AWI203=warn" };
            let found =
                answered.json().pointer("/audit_annotations/findings").map_or("", |it| it.as_str().unwrap()).to_owned();
            assert_eq!(found, expected, "{answered:?}");
        }
    }
}

#[test]
fn a_missing_account_and_a_failing_server_are_alike_unknown() {
    let payload =
        json!({"request": {"object": object(pods(), pod("true", &json!("cart")))}, "settings": {}}).to_string();
    let ask = |server: ApiServer| DOORS.call("validate", payload.as_bytes(), &Arc::new(server)).json();
    let missing = ask(ApiServer::default());
    assert_eq!(missing["accepted"], true, "{missing}");
    assert!(
        missing["audit_annotations"]["undecided"].as_str().unwrap().contains("ServiceAccount shop/cart"),
        "{missing}"
    );
    for trouble in [
        "Cannot find v1/ServiceAccount named 'cart' inside of namespace 'shop'",
        "ApiError: \"etcdserver: request timed out\": InternalError (ErrorResponse { code: 500 })",
        "serviceaccounts \"cart\" is forbidden",
        // The policy server's queue is full.
        "cannot send message to the callback handler: no available capacity",
        "",
        "\u{0}\u{1F525}",
    ] {
        assert_eq!(ask(ApiServer::default().in_trouble(trouble)), missing, "{trouble}");
    }
    // What needs no look-up is denied all the same.
    let wrong = json!({"request": {"object": object(pods(), pod("True", &json!("cart")))}}).to_string();
    let answer = DOORS.call("validate", wrong.as_bytes(), &Arc::new(ApiServer::default().in_trouble("busy"))).json();
    assert_eq!(answer["audit_annotations"]["findings"], "AWI102=deny", "{answer}");
}

#[test]
fn an_update_is_judged_like_a_creation_and_a_subresource_not_at_all() {
    let wrong = object(pods(), pod("True", &json!("cart")));
    for old in [json!(null), wrong.clone(), object(pods(), pod("true", &json!("cart")))] {
        let request = json!({"operation": "UPDATE", "object": wrong, "oldObject": old});
        assert_eq!(findings(&request), "AWI102=deny", "{request}");
    }
    for (member, subresource) in [
        ("subResource", "ephemeralcontainers"),
        ("subResource", "status"),
        ("sub_resource", "resize"),
        ("subresource", "scale"),
    ] {
        let mut request = json!({"operation": "UPDATE", "object": wrong});
        request[member] = json!(subresource);
        assert_eq!(call(&request).json(), json!({"accepted": true}), "{request}");
    }
}

#[test]
fn a_deletion_has_no_object() {
    let old = object(pods(), pod("True", &json!("cart")));
    for request in [
        json!({"operation": "DELETE", "object": null, "oldObject": old}),
        json!({"operation": "DELETE", "oldObject": old}),
        json!({"operation": "DELETE", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": null}),
    ] {
        let settings = json!({"moveLabel": true, "unknown": "deny", "trust": {}});
        for settings in [json!({}), settings] {
            let payload = json!({"request": request, "settings": settings}).to_string();
            let answered = DOORS.call("validate", payload.as_bytes(), &server());
            assert_eq!((answered.json(), answered.asked.len()), (json!({"accepted": true}), 0), "{request}");
        }
    }
}

#[test]
fn settings_may_be_null_empty_or_absent() {
    let request = json!({"object": object(pods(), pod("True", &json!("cart")))});
    for payload in [
        json!({"request": request}),
        json!({"request": request, "settings": null}),
        json!({"request": request, "settings": {}}),
        json!({"settings": {}, "request": request}),
    ] {
        let answer = DOORS.call("validate", payload.to_string().as_bytes(), &server()).json();
        assert_eq!(answer["audit_annotations"]["findings"], "AWI102=deny", "{payload}");
    }
    for settings in ["", " ", "null", "{}"] {
        let answer = DOORS.call("validate_settings", settings.as_bytes(), &server()).json();
        assert_eq!(answer, json!({"valid": true}), "{settings}");
    }
}

#[test]
fn what_is_said_is_sorted_bounded_and_fit_for_a_header() {
    let long = "ü\n".repeat(3_000);
    let wrong = json!({"metadata": {
            "labels": {USE: format!("True{long}"), "azure.workload.identity/used": "true", "aadpodidbinding": long},
            "annotations": {CLIENT_ID: long, "azure.workload.identity/skip-containers": long,
                "azure.workload.identity/service-account-token-expiration": long}},
        "spec": {"serviceAccountName": "", "containers": [{"name": "app", "env": [
            {"name": "AZURE_CLIENT_ID", "value": "${CLIENT_ID}"}, {"name": "AZURE_TENANT_ID", "value": "t"},
            {"name": "AZURE_CLIENT_SECRET", "value": "s"}]}]}});
    for kind in &POD_BEARING {
        for rules in [json!({}), json!({"AWI102": "warn", "AWI902": "warn", "AWI606": "warn", "AWI103": "warn"})] {
            let payload =
                json!({"request": {"object": object(kind, wrong.clone())}, "settings": {"rules": rules}}).to_string();
            let answer = DOORS.call("validate", payload.as_bytes(), &server()).json();
            let ids: Vec<&str> = answer["audit_annotations"]["findings"].as_str().unwrap().split(',').collect();
            assert!(ids.len() > 4 && ids.is_sorted(), "{ids:?}");
            if let Some(message) = answer.get("message").and_then(Value::as_str) {
                assert!(message.len() <= 8 * 1024, "{} bytes", message.len());
            }
            let warnings = answer["warnings"].as_array().unwrap();
            assert!(!warnings.is_empty());
            for warning in warnings {
                let text = warning.as_str().unwrap();
                assert!(text.len() <= 256 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
            }
            let warned: Vec<&str> = warnings.iter().map(|warning| &warning.as_str().unwrap()[..6]).collect();
            assert!(warned.is_sorted(), "{warned:?}");
            for (name, annotation) in answer["audit_annotations"].as_object().unwrap() {
                assert!(annotation.as_str().unwrap().len() <= 8 * 1024, "{name}");
            }
        }
    }
}

#[test]
fn nothing_is_nested_too_deep() {
    let plain = object(pods(), pod("True", &json!("cart")));
    let with = |place: &str, depth: usize, open: &str, close: &str| {
        let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        let object = plain.to_string().replacen(place, &format!("{place}\"deep\":{nested},"), 1);
        format!("{{\"request\":{{\"object\":{object}}},\"settings\":{{\"moveLabel\":true}}}}")
    };
    for depth in [100, 129, 5_000, 200_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for place in ["\"metadata\":{", "\"spec\":{", "\"labels\":{"] {
                let answered = DOORS.call("validate", with(place, depth, open, close).as_bytes(), &server());
                // Whatever nobody reads may be as deep as it likes; nothing crashes.
                assert_eq!(answered.json()["audit_annotations"]["findings"], "AWI102=deny", "{place} {depth}");
            }
            // Where something is read, it is refused, and so it is where it ends nowhere.
            let deep = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            let payload = json!({"request": {"object": plain}}).to_string().replacen("\"True\"", &deep, 1);
            assert_eq!(DOORS.call("validate", payload.as_bytes(), &server()).json()["code"], 400, "{depth}");
            let payload = format!("{{\"request\":{{\"object\":{{\"x\":{}", open.repeat(depth));
            assert!(DOORS.call("validate", payload.as_bytes(), &server()).answer.is_err(), "{depth}");
            let payload = format!("{{\"request\":{{\"object\":{plain}}},\"settings\":{{\"exempt\":{deep}}}}}");
            assert!(DOORS.call("validate", payload.as_bytes(), &server()).answer.is_err(), "{depth}");
        }
    }
}
