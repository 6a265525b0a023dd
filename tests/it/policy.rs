//! What a person at a prompt gets from the policy: verdicts, messages, and what settings change.

use std::cell::RefCell;

use serde_json::{Value, json};

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
const CART: &str = "33333333-3333-4333-8333-333333333333";
const OTHER: &str = "44444444-4444-4444-8444-444444444444";

/// A cluster of one ServiceAccount, or of none that can be looked up.
struct Cluster {
    account: Option<Value>,
    asked: RefCell<Vec<Value>>,
}

impl wiguard_policy::Host for &Cluster {
    fn call(&mut self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        assert_eq!((binding, namespace, operation), ("kubewarden", "kubernetes", "get_resource"));
        self.asked.borrow_mut().push(serde_json::from_slice(payload).unwrap());
        self.account.as_ref().map(|account| account.to_string().into_bytes()).ok_or_else(|| "no access".into())
    }
}

fn cluster(client_id: Option<&str>) -> Cluster {
    let annotations = client_id.map_or_else(|| json!({}), |id| json!({"azure.workload.identity/client-id": id}));
    Cluster {
        account: Some(json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "cart", "namespace": "shop", "annotations": annotations}})),
        asked: RefCell::default(),
    }
}

const UNREACHABLE: fn() -> Cluster = || Cluster { account: None, asked: RefCell::default() };

fn deployment(own: Value, template: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "shop", "labels": own},
        "spec": {"template": {"metadata": {"labels": template},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "app", "image": "app"}]}}}})
}

fn labelled() -> Value {
    deployment(json!({}), json!({"azure.workload.identity/use": "true"}))
}

fn validate(object: &Value, settings: &Value, cluster: &Cluster) -> Value {
    let kind = object["kind"].as_str().unwrap();
    let (group, version) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
    let request = json!({"request": {
        "uid": "1", "operation": "CREATE", "kind": {"group": group, "version": version, "kind": kind},
        "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"], "object": object,
    }, "settings": settings});
    let answer = wiguard_policy::call("validate", request.to_string().as_bytes(), &mut &*cluster).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn trusting(subject: &str) -> Value {
    json!({"issuer": ISSUER, "credentials": [{"clientId": CART, "subject": subject, "name": "fc", "identity": "id-cart"}]})
}

#[test]
fn a_label_in_the_wrong_place_is_rejected_with_rule_field_and_fix() {
    let object = deployment(json!({"azure.workload.identity/use": "true"}), json!({}));
    let answer = validate(&object, &json!({}), &UNREACHABLE());
    assert_eq!(answer["accepted"], false);
    assert_eq!(answer["code"], 403);
    insta::assert_snapshot!(answer["message"].as_str().unwrap());
}

#[test]
fn a_subject_that_no_credential_trusts_is_rejected_with_the_nearest() {
    let answer = validate(&labelled(), &trusting("system:serviceaccount:shop:carts"), &cluster(Some(CART)));
    assert_eq!(answer["accepted"], false);
    insta::assert_snapshot!(answer["message"].as_str().unwrap());
    assert_eq!(answer["audit_annotations"]["findings"], "AWI301=deny,AWI303=deny");
}

#[test]
fn a_trusted_workload_passes_without_a_word() {
    let cluster = cluster(Some(CART));
    let answer = validate(&labelled(), &trusting("system:serviceaccount:shop:cart"), &cluster);
    assert_eq!(answer, json!({"accepted": true}));
    let asked = cluster.asked.borrow();
    assert_eq!(asked.len(), 1, "the one ServiceAccount is asked for once: {asked:?}");
    assert_eq!(
        (&asked[0]["kind"], &asked[0]["namespace"], &asked[0]["name"]),
        (&json!("ServiceAccount"), &json!("shop"), &json!("cart"))
    );
}

#[test]
fn a_client_that_trusts_nothing_of_this_cluster_is_rejected_whoever_it_is() {
    let answer = validate(&labelled(), &trusting("system:serviceaccount:shop:cart"), &cluster(Some(OTHER)));
    assert_eq!(answer["accepted"], false);
    assert!(answer["message"].as_str().unwrap().contains("another identity trusts it"), "{answer}");
}

#[test]
fn without_a_lookup_only_what_is_certain_is_rejected() {
    // Nobody trusts the subject, whatever the client id.
    let refused = validate(&labelled(), &trusting("system:serviceaccount:shop:carts"), &UNREACHABLE());
    assert_eq!(refused["accepted"], false, "{refused}");
    // Somebody does; whether it is the right one depends on the ServiceAccount.
    let settings = trusting("system:serviceaccount:shop:cart");
    let passed = validate(&labelled(), &settings, &UNREACHABLE());
    assert_eq!(passed["accepted"], true);
    assert!(
        passed["audit_annotations"]["undecided"].as_str().unwrap().contains("AWI301: ServiceAccount shop/cart"),
        "{passed}"
    );
    // Without credentials in the settings nothing is known of Azure at all.
    let blank = validate(&labelled(), &json!({"issuer": ISSUER}), &cluster(Some(CART)));
    assert_eq!(blank["accepted"], true, "{blank}");
}

#[test]
fn what_is_undecided_can_warn_or_deny() {
    let mut settings = trusting("system:serviceaccount:shop:cart");
    settings["unknown"] = json!("warn");
    let warned = validate(&labelled(), &settings, &UNREACHABLE());
    assert_eq!(warned["accepted"], true);
    assert!(warned["warnings"][0].as_str().unwrap().contains("could not be decided"), "{warned}");
    settings["unknown"] = json!("deny");
    let denied = validate(&labelled(), &settings, &UNREACHABLE());
    assert_eq!((&denied["accepted"], &denied["code"]), (&json!(false), &json!(403)), "{denied}");
}

#[test]
fn settings_say_what_a_rule_does() {
    let object = deployment(json!({"azure.workload.identity/use": "true"}), json!({}));
    for (settings, accepted, warnings) in [
        (json!({"rules": {"AWI101": "warn"}}), true, 1),
        (json!({"rules": {"label-on-workload-metadata": "off", "AWI104": "off"}}), true, 0),
        (json!({"rules": {"AWI101": "deny"}}), false, 0),
        (json!({"exempt": {"namespaces": ["sh*"]}}), true, 0),
        (json!({"exempt": {"namespaces": ["other"]}}), false, 0),
        (json!({"exempt": {"serviceAccounts": ["shop/cart"]}}), true, 0),
        (json!({"exempt": {"serviceAccounts": ["shop/other"]}}), false, 0),
    ] {
        let answer = validate(&object, &settings, &UNREACHABLE());
        assert_eq!(answer["accepted"], accepted, "{settings} {answer}");
        assert_eq!(answer["warnings"].as_array().map_or(0, Vec::len), warnings, "{settings} {answer}");
    }
}

#[test]
fn warnings_fit_the_api_server() {
    let mut object = labelled();
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({"azure.workload.identity/skip-containers": format!("ü{}", "x".repeat(5000))});
    let answer = validate(&object, &json!({}), &cluster(Some(CART)));
    let warnings = answer["warnings"].as_array().unwrap();
    assert!(!warnings.is_empty());
    for warning in warnings {
        let text = warning.as_str().unwrap();
        assert!(text.len() <= 256 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
    }
}

#[test]
fn wrong_settings_are_refused_with_the_reason() {
    for (settings, reason) in [
        (json!({"rulez": {}}), "unknown field `rulez`"),
        (json!({"rules": {"AWI999": "deny"}}), "there is no rule `AWI999` about"),
        (json!({"rules": {"AWI401": "deny"}}), "there is no rule `AWI401` about what an admission request carries"),
        (json!({"rules": {"AWI101": "deny", "label-on-workload-metadata": "off"}}), "AWI101 is set twice"),
        (json!({"rules": {"AWI101": "maybe"}}), "unknown word `maybe`"),
        (json!({"issuer": "http://example.com"}), "is not an https URL"),
        (
            json!({"issuer": ISSUER, "credentials": [{"clientId": "x", "subject": "s"}]}),
            "credentials[0].clientId: `x` is not a GUID",
        ),
        (json!({"credentials": [{"clientId": CART, "subject": "s"}]}), "credentials[0] names no issuer"),
        (json!({"exempt": {"serviceAccounts": ["cart"]}}), "is not of the form NAMESPACE/NAME"),
        (json!([]), "invalid"),
    ] {
        let answer =
            wiguard_policy::call("validate_settings", settings.to_string().as_bytes(), &mut &UNREACHABLE()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["valid"], false, "{settings}");
        assert!(answer["message"].as_str().unwrap().contains(reason), "{settings} {answer}");
    }
    for settings in ["", "null", "{}", &trusting("system:serviceaccount:shop:cart").to_string()] {
        let answer = wiguard_policy::call("validate_settings", settings.as_bytes(), &mut &UNREACHABLE()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap(), json!({"valid": true}), "{settings}");
    }
}
