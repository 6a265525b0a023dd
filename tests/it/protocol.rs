//! The protocol: requests as hosts really send them, odd ones too, at every door of the policy.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use wiguard_tests::doors::{Answered, ApiServer, Doors};

static DOORS: LazyLock<Doors> = LazyLock::new(Doors::open);

fn nobody() -> Arc<ApiServer> {
    ApiServer::of([])
}

/// The answer to a payload that is no more than JSON.
fn call(operation: &str, payload: &Value) -> Answered {
    DOORS.call(operation, payload.to_string().as_bytes(), &nobody())
}

/// The policy's own error.
fn error(operation: &str, payload: &[u8]) -> String {
    DOORS.call(operation, payload, &nobody()).answer.expect_err("answered")
}

/// A pod whose label has the wrong value, which is denied whatever else is unknown.
fn wrong_pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "cart", "namespace": "shop", "labels": {"azure.workload.identity/use": "True"}},
        "spec": {"serviceAccountName": "cart", "containers": [{"name": "app", "image": "app"}]}})
}

/// A request as an API server makes it, with some of it changed; `null` takes a member out.
fn request(object: Value, changes: Value) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let mut request = json!({"uid": "1", "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": "cart", "namespace": "shop", "operation": "CREATE", "userInfo": {"username": "u"}, "object": object,
        "oldObject": null, "dryRun": false, "options": {}});
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => request.as_object_mut().unwrap().remove(key),
            value => request.as_object_mut().unwrap().insert(key.clone(), value.clone()),
        };
    }
    json!({"request": request, "settings": {}})
}

/// What came of it: nothing, or the code.
fn code(payload: &Value) -> Option<u64> {
    let answer = call("validate", payload).json();
    assert_eq!(answer["accepted"].as_bool().unwrap(), answer.get("code").is_none(), "{answer}");
    assert_eq!(answer.get("code").is_some(), answer.get("message").is_some(), "{answer}");
    let code = answer.get("code").and_then(Value::as_u64);
    assert!(code.is_none_or(|code| (400..500).contains(&code)), "{answer}");
    code
}

#[test]
fn the_version_is_said() {
    for payload in ["", "{}", "nonsense"] {
        assert_eq!(DOORS.call("protocol_version", payload.as_bytes(), &nobody()).answer.unwrap(), b"\"v1\"");
    }
}

#[test]
fn an_unknown_operation_is_an_error() {
    assert_eq!(error("mutate", b"{}"), "the policy has no operation `mutate`");
    assert_eq!(error("", b""), "the policy has no operation ``");
}

#[test]
fn settings_are_taken_or_refused_with_a_reason() {
    for settings in [
        json!({}),
        json!(null),
        json!({"issuer": "https://issuer.example/", "credentials": []}),
        json!({"rules": {"AWI101": "warn", "untrusted-workload": "off"}, "unknown": "deny"}),
    ] {
        assert_eq!(call("validate_settings", &settings).json(), json!({"valid": true}), "{settings}");
    }
    let credential = |client_id: &str| json!([{"clientId": client_id, "subject": "system:serviceaccount:shop:cart"}]);
    for (settings, said) in [
        (json!({"rule": {}}), "unknown field `rule`"),
        (json!({"rules": {"AWI999": "off"}}), "there is no rule `AWI999`"),
        (json!({"rules": {"AWI401": "deny"}}), "no rule `AWI401` about what an admission request carries"),
        (json!({"rules": {"AWI101": "reject"}}), "`reject`"),
        (json!({"issuer": "issuer.example"}), "`issuer.example` is not an https URL"),
        (json!({"issuer": "https://issuer.example/ "}), "is not an https URL"),
        (json!({"issuer": "https://issuer.example/", "credentials": credential("id-cart")}), "`id-cart` is not a GUID"),
        (json!({"credentials": credential("2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a")}), "names no issuer"),
        (json!({"parameters": {"credentialLimits": 3}}), "unknown field `credentialLimits`"),
        (json!([]), "expected"),
    ] {
        let verdict = call("validate_settings", &settings).json();
        assert_eq!(verdict["valid"], false, "{settings}");
        assert!(verdict["message"].as_str().unwrap().contains(said), "{verdict} does not say {said}");
        // With such settings nothing is judged, and nothing is let through.
        let payload = json!({"request": request(wrong_pod(), json!({}))["request"], "settings": settings});
        let error = error("validate", payload.to_string().as_bytes());
        assert!(error.starts_with("could not read the settings: "), "{error}");
    }
}

#[test]
fn what_is_no_request_is_an_error() {
    for payload in [
        "",
        "null",
        "{}",
        "[]",
        "{\"settings\":{}}",
        "{\"request\":null}",
        "{\"request\":{",
        "{\"request\":7}",
        "\u{0}",
    ] {
        for operation in ["validate", "review"] {
            let error = error(operation, payload.as_bytes());
            assert!(error.starts_with("could not read the validation request: "), "{payload}: {error}");
        }
    }
    let error = error("validate", b"{\"request\":{\"object\":\"\xff\"}}");
    assert!(error.contains("not UTF-8"), "{error}");
}

#[test]
fn a_flaw_is_denied_however_the_request_comes() {
    assert_eq!(code(&request(wrong_pod(), json!({}))), Some(403));
    for changes in [
        json!({"userInfo": null, "options": null, "oldObject": null, "dryRun": null, "requestKind": null, "uid": null}),
        // As Kubewarden's audit scanner asks.
        json!({"resource": {"group": "", "version": "v1", "resource": "Pod"}, "userInfo": null, "options": null}),
        json!({"operation": "UPDATE", "oldObject": wrong_pod()}),
        // The object says what it is.
        json!({"kind": null, "resource": null, "name": null, "namespace": null}),
        json!({"name": "", "namespace": ""}),
        json!({"subResource": ""}),
        json!({"dryRun": true}),
    ] {
        assert_eq!(code(&request(wrong_pod(), changes.clone())), Some(403), "{changes}");
    }
    // No settings are the defaults.
    let request = request(wrong_pod(), json!({}))["request"].clone();
    assert_eq!(code(&json!({"request": request})), Some(403));
    assert_eq!(code(&json!({"request": request, "settings": null})), Some(403));
    assert_eq!(code(&json!({"settings": {}, "request": request})), Some(403));
}

#[test]
fn what_is_not_ours_to_judge_passes_unremarked() {
    let mut deleting = wrong_pod();
    deleting["metadata"]["deletionTimestamp"] = json!("2026-03-01T10:00:00Z");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"AZURE_CLIENT_SECRET": "eA=="}});
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": 7});
    for (object, changes) in [
        (json!(null), json!({"operation": "DELETE", "oldObject": wrong_pod()})),
        (json!(null), json!({"object": null, "operation": "DELETE"})),
        (deleting, json!({"operation": "UPDATE"})),
        (wrong_pod(), json!({"operation": "UPDATE", "subResource": "status"})),
        (wrong_pod(), json!({"operation": "UPDATE", "subResource": "ephemeralcontainers"})),
        (secret, json!({"kind": {"group": "", "version": "v1", "kind": "Secret"}})),
        (unknown, json!({"kind": {"group": "example.com", "version": "v1", "kind": "Pod"}})),
        (
            json!({"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]}),
            json!({"operation": "CONNECT", "subResource": "exec"}),
        ),
    ] {
        let payload = request(object, changes.clone());
        let answered = call("validate", &payload);
        assert_eq!(answered.json(), json!({"accepted": true}), "{changes}");
        assert!(answered.asked.is_empty(), "{changes}");
        assert_eq!(call("review", &payload).json(), json!({"findings": [], "unknown": []}), "{changes}");
    }
}

#[test]
fn what_cannot_be_read_does_not_pass() {
    for object in [
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart"}, "spec": 5}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart"}, "spec": {"containers": {"name": "app"}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": []}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "annotations": "none"}}),
    ] {
        let payload = request(object.clone(), json!({}));
        assert_eq!(code(&payload), Some(400), "{object}");
        let message = call("validate", &payload).json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("wiguard could not read the object: "), "{message}");
        assert!(call("review", &payload).json()["unreadable"].is_string(), "{object}");
    }
    // A key twice: two readers could take it two ways.
    let twice = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"labels\":{\"azure.workload.identity/use\":\"false\",\
        \"azure.workload.identity/use\":\"true\"}},\"spec\":{}}";
    let payload = request(json!({}), json!({})).to_string().replace("\"object\":{}", &format!("\"object\":{twice}"));
    let answered = DOORS.call("validate", payload.as_bytes(), &nobody());
    assert_eq!(answered.json()["code"], 400, "{answered:?}");
}

#[test]
fn a_pod_without_account_runs_as_default() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "labels": {"azure.workload.identity/use": "true"}},
        "spec": {"containers": [{"name": "app"}]}});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}});
    let server = ApiServer::of([("shop".into(), "default".into(), account.to_string().into_bytes())]);
    let payload = request(pod, json!({})).to_string();
    let answered = DOORS.call("validate", payload.as_bytes(), &server);
    let [asked] = answered.asked.as_slice() else { panic!("{answered:?}") };
    // Snake case, and no field that a host may not know (Kubewarden's `get_resource`).
    let asked: Value =
        serde_json::from_str(asked.strip_prefix("kubewarden/kubernetes/get_resource ").unwrap()).unwrap();
    let expected = json!({"api_version": "v1", "kind": "ServiceAccount", "name": "default", "namespace": "shop", "disable_cache": false});
    assert_eq!(asked, expected);
    assert_eq!(answered.json()["audit_annotations"]["findings"], "AWI108=warn,AWI203=warn");
    assert_eq!(answered.json()["warnings"].as_array().unwrap().len(), 2);
}

#[test]
fn a_host_that_answers_oddly_is_a_host_that_does_not_know() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "labels": {"azure.workload.identity/use": "true"}},
        "spec": {"serviceAccountName": "cart", "containers": [{"name": "app"}]}});
    let named = |namespace: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
            .to_string()
    };
    let payload = request(pod, json!({})).to_string();
    let review = |answer: &str| {
        let server = ApiServer::of([("shop".into(), "cart".into(), answer.as_bytes().to_vec())]);
        DOORS.call("review", payload.as_bytes(), &server).json()
    };
    let unknown = DOORS.call("review", payload.as_bytes(), &nobody()).json();
    assert!(unknown["unknown"].as_array().unwrap().iter().any(|it| it["rule"] == "AWI203"), "{unknown}");
    for odd in [
        "",
        "null",
        "{}",
        "[]",
        "\u{0}",
        "{\"metadata\":7}",
        &named("shop", "other"),
        &named("other", "cart"),
        &wrong_pod().to_string(),
    ] {
        assert_eq!(review(odd), unknown, "{odd}");
    }
    assert_ne!(review(&named("shop", "cart")), unknown);
}
