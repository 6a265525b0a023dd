//! The one change the policy makes, if it may: the label that opts in goes from a workload to its pod
//! template, and nothing else of the object changes.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wiguard_rules::model::{POD_BEARING, Shape};
use wiguard_tests::doors::{ApiServer, Doors};

static DOORS: LazyLock<Doors> = LazyLock::new(Doors::open);

const USE: &str = "azure.workload.identity/use";

fn server() -> Arc<ApiServer> {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "namespace": "shop",
        "annotations": {"azure.workload.identity/client-id": "5a1e2c3d-0001-4000-8000-000000000001"}}});
    ApiServer::of([("shop".to_owned(), "cart".to_owned(), account.to_string().into_bytes())])
}

/// An object of that kind whose label stands on itself; its template is as given.
fn object(api_version: &str, kind: &str, template: Value) -> Value {
    let spec = match kind {
        "CronJob" => json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"template": template}),
    };
    json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": "cart", "namespace": "shop", "labels": {"app": "cart", USE: "true", "tier": "web"}}, "spec": spec})
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "cart"}}, "spec": {"serviceAccountName": "cart", "containers": [{"name": "app"}]}})
}

fn deployment() -> Value {
    object("apps/v1", "Deployment", template())
}

fn payload(object: &str, operation: &str, settings: &Value) -> Vec<u8> {
    format!(
        "{{\"request\":{{\"uid\":\"1\",\"operation\":\"{operation}\",\"namespace\":\"shop\",\"object\":{object}}},\"settings\":{settings}}}"
    )
    .into_bytes()
}

fn ask(object: &Value, operation: &str, settings: &Value) -> Value {
    DOORS.call("validate", &payload(&object.to_string(), operation, settings), &server()).json()
}

fn on() -> Value {
    json!({"moveLabel": true})
}

/// The object with the label moved, by other means than the policy's.
fn expected(object: &Value) -> Value {
    let mut moved = object.clone();
    let value = moved.pointer_mut("/metadata/labels").unwrap().as_object_mut().unwrap().remove(USE).unwrap();
    let mut here = &mut moved["spec"];
    if object["kind"] == "CronJob" {
        here = &mut here["jobTemplate"]["spec"];
    }
    for name in ["template", "metadata", "labels"] {
        if here[name].is_null() {
            here[name] = json!({});
        }
        here = &mut here[name];
    }
    here[USE] = value;
    moved
}

#[test]
fn the_label_of_every_kind_goes_to_its_template() {
    for kind in POD_BEARING.iter().filter(|kind| kind.shape != Shape::Pod) {
        let object = object(kind.api_version, kind.kind, template());
        let answer = ask(&object, "CREATE", &on());
        assert_eq!(answer["accepted"], true, "{answer}");
        assert_eq!(answer["mutated_object"], expected(&object));
        let told = format!("moved label {USE} from metadata.labels to {}.labels[{USE}]", kind.metadata_path());
        assert_eq!(answer["warnings"], json!([format!("wiguard {told}")]));
        assert_eq!(answer["audit_annotations"]["mutated"], told.as_str());
        assert_eq!(answer["audit_annotations"].get("findings"), None, "what was mended is no finding: {answer}");
        // Once more, there is nothing to do.
        let again = ask(&answer["mutated_object"], "CREATE", &on());
        assert_eq!((again.get("mutated_object"), again.get("warnings")), (None, None), "{again}");
    }
}

#[test]
fn it_is_left_where_it_belongs_and_where_nobody_asked() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "labels": {USE: "true"}},
        "spec": {"serviceAccountName": "cart", "containers": [{"name": "app"}]}});
    let labelled = |value: &str| {
        let mut object = deployment();
        object["spec"]["template"]["metadata"]["labels"][USE] = json!(value);
        object
    };
    let mut deleting = deployment();
    deleting["metadata"]["deletionTimestamp"] = json!("2026-03-01T10:00:00Z");
    let mut own_token = deployment();
    own_token["spec"]["template"]["spec"]["volumes"] = json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "api://AzureADTokenExchange"}}]}}]);
    let job = object("batch/v1", "Job", template());
    for (object, operation, settings) in [
        (deployment(), "CREATE", json!({})),
        (deployment(), "CREATE", json!({"moveLabel": false})),
        (deployment(), "CREATE", json!({"moveLabel": null})),
        (deployment(), "CREATE", json!({"moveLabel": true, "exempt": {"namespaces": ["shop"]}})),
        (pod, "CREATE", on()),
        (labelled("true"), "CREATE", on()),
        (labelled("false"), "CREATE", on()),
        (labelled("True"), "CREATE", on()),
        (deleting, "UPDATE", on()),
        (own_token, "CREATE", on()),
        (json!(null), "DELETE", on()),
        // A Job's template cannot be changed.
        (job.clone(), "UPDATE", on()),
    ] {
        let answer = ask(&object, operation, &settings);
        assert_eq!(answer.get("mutated_object"), None, "{operation} {settings} {answer}");
        assert_eq!(answer.pointer("/audit_annotations/mutated"), None, "{answer}");
    }
    assert_eq!(ask(&deployment(), "CREATE", &json!({}))["accepted"], false);
    assert_eq!(ask(&job, "CREATE", &on())["mutated_object"], expected(&job));
    assert_eq!(ask(&deployment(), "UPDATE", &on())["mutated_object"], expected(&deployment()));
}

#[test]
fn the_mended_object_is_judged_and_not_changed_if_it_is_rejected() {
    let mut wrong = deployment();
    wrong["metadata"]["labels"][USE] = json!("True");
    let answer = ask(&wrong, "CREATE", &on());
    assert_eq!(answer["accepted"], false, "{answer}");
    assert_eq!(answer["audit_annotations"]["findings"], "AWI102=deny", "{answer}");
    assert_eq!((answer.get("mutated_object"), answer.get("warnings")), (None, None), "{answer}");
    // What rests on the label is judged by it: nobody trusts this workload.
    let settings = json!({"moveLabel": true, "issuer": "https://issuer.example/", "credentials": []});
    let answer = ask(&deployment(), "CREATE", &settings);
    assert_eq!(answer["audit_annotations"]["findings"], "AWI301=deny", "{answer}");
    assert_eq!(answer.get("mutated_object"), None);
    // Where the rule is off, the label is moved all the same.
    let settings = json!({"moveLabel": true, "rules": {"AWI101": "off"}});
    assert_eq!(ask(&deployment(), "CREATE", &settings)["mutated_object"], expected(&deployment()));
}

#[test]
fn a_review_judges_the_object_as_it_is() {
    let answered = DOORS.call("review", &payload(&deployment().to_string(), "CREATE", &on()), &server()).json();
    assert_eq!(answered["findings"][0]["rule"], "AWI101", "{answered}");
    assert_eq!(answered.get("mutated_object"), None);
}

#[test]
fn the_spelling_of_the_rest_stays() {
    let own = r#" { "kind":"Deployment", "spec" : {"progress": 1.50e+02, "template":{"metadata": null ,"spec":{"x":"\u00fc\/\"}{","n":-0.0,"big":123456789012345678901234567890}}},
        "metadata" :{"labels":{  "azure.workload.identity/use" : "true" } , "name":"cart"},"apiVersion":"apps/v1","zzz":[[],{},[1 , 2]] } "#;
    let new = r#"{ "kind":"Deployment", "spec" : {"progress": 1.50e+02, "template":{"metadata": {"labels":{"azure.workload.identity/use":"true"}} ,"spec":{"x":"\u00fc\/\"}{","n":-0.0,"big":123456789012345678901234567890}}},
        "metadata" :{"labels":{   } , "name":"cart"},"apiVersion":"apps/v1","zzz":[[],{},[1 , 2]] }"#;
    let answered = DOORS.call("validate", &payload(own, "CREATE", &on()), &server());
    let answer = String::from_utf8(answered.answer.unwrap()).unwrap();
    let (_, mutated) = answer.split_once(",\"mutated_object\":").unwrap();
    assert_eq!(mutated.strip_suffix('}').unwrap(), new);
}

#[test]
fn what_is_written_in_riddles_is_left_alone() {
    // `lab\u0065ls` is `labels`, and rules read it so; nobody writes it.
    let riddle = deployment().to_string().replacen("\"labels\"", "\"lab\\u0065ls\"", 1);
    let answer = DOORS.call("validate", &payload(&riddle, "CREATE", &on()), &server()).json();
    assert_eq!(answer["audit_annotations"]["findings"], "AWI101=deny", "{answer}");
    assert_eq!(answer.get("mutated_object"), None);
}

/// Any JSON, with members that nobody knows, texts that look like structure, and numbers of all sorts.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-z]{0,4}", Just("\\\"},{[".to_owned()), Just("\u{1F525} \n\t".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}[A-Z]", inner, 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_else_changes(
        kind in 1..POD_BEARING.len(),
        extra in prop::collection::vec(any_json(), 5),
        labels in prop::option::of(prop::collection::btree_map("[a-z]{1,5}", "[a-z]{0,5}", 0..3)),
        shape in 0..4,
        pretty in any::<bool>(),
    ) {
        let kind = &POD_BEARING[kind];
        let mut template = json!({"zExtra": extra[0], "aExtra": extra[1], "spec": {"zExtra": extra[2], "containers": [{"name": "app"}]}});
        match shape {
            0 => {}
            1 => template["metadata"] = Value::Null,
            2 => template["metadata"] = json!({"name": "x", "zExtra": extra[3]}),
            _ => template["metadata"] = json!({"labels": labels, "aExtra": extra[3]}),
        }
        let mut object = object(kind.api_version, kind.kind, template);
        object["zExtra"] = extra[4].clone();
        if let Some(labels) = &labels {
            object["metadata"]["labels"] = json!(labels);
            object["metadata"]["labels"][USE] = json!("true");
        }
        let text = if pretty { serde_json::to_string_pretty(&object).unwrap() } else { object.to_string() };
        let answer = server().native("validate", &payload(&text, "CREATE", &on())).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        prop_assert_eq!(&answer["accepted"], true, "{}", answer);
        prop_assert_eq!(&answer["mutated_object"], &expected(&object));
    }
}
