//! MutatingWebhookConfigurations: which pods of which namespaces their webhooks are asked about. Only
//! the audit reads them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{Fault, Json};
use crate::model::{Condition, Expression, Operator, Requirement, Selector, Webhook, WebhookSettings, is_placeholder};

/// The API group of MutatingWebhookConfigurations.
pub(super) const GROUP: &str = "admissionregistration.k8s.io";

/// Reads `webhooks`.
pub(super) fn webhooks(webhooks: &mut Vec<Webhook>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.elements(&mut |json| {
        webhooks.push(webhook(json)?);
        Ok(())
    })
}

/// Reads `data` of a ConfigMap: what the webhook takes of its own, and nothing else
/// (azure-workload-identity, `pkg/config/config.go`).
pub(super) fn settings(said: &mut WebhookSettings, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.object(&mut [
        ("AZURE_TENANT_ID", &mut |json| json.loose().map(|text| said.tenant_id = text.text.into_owned())),
        ("AZURE_ENVIRONMENT", &mut |json| json.loose().map(|text| said.environment = text.text.into_owned())),
    ])
}

fn webhook(json: &mut dyn Json<'_>) -> Result<Webhook, Fault> {
    let mut webhook = Webhook::default();
    let (mut service, mut has_ca) = (None, false);
    let mut asks = None;
    json.object(&mut [
        ("name", &mut |json| json.string().map(|text| webhook.name = text)),
        ("failurePolicy", &mut |json| json.string().map(|text| webhook.failure_policy = text)),
        ("objectSelector", &mut |json| selector(&mut webhook.pods, json)),
        ("namespaceSelector", &mut |json| selector(&mut webhook.namespaces, json)),
        ("matchConditions", &mut |json| {
            json.elements(&mut |json| condition(json).map(|condition| webhook.conditions.push(condition)))
        }),
        ("rules", &mut |json| {
            json.elements(&mut |json| {
                let asked = of_new_pods(json)?;
                asks = Some(asks.unwrap_or_default() || asked);
                Ok(())
            })
        }),
        ("clientConfig", &mut |json| {
            json.object(&mut [
                ("caBundle", &mut |json| json.text().map(|text| has_ca = text.is_some_and(|text| !text.is_empty()))),
                ("service", &mut |json| {
                    let (mut namespace, mut name) = (String::new(), String::new());
                    let is_there = json.object_if_any(&mut [
                        ("namespace", &mut |json| json.string().map(|text| namespace = text)),
                        ("name", &mut |json| json.string().map(|text| name = text)),
                    ])?;
                    service = is_there.then_some((namespace, name));
                    Ok(())
                }),
            ])
        }),
    ])?;
    (webhook.service, webhook.has_ca, webhook.ignores_new_pods) = (service, has_ca, asks == Some(false));
    Ok(webhook)
}

fn condition(json: &mut dyn Json<'_>) -> Result<Condition, Fault> {
    let (mut name, mut expression) = (String::new(), Expression::default());
    json.object(&mut [
        ("name", &mut |json| json.string().map(|text| name = text)),
        // A literal may have lost its quotes.
        ("expression", &mut |json| json.loose().map(|text| expression = Expression::of(&text.text))),
    ])?;
    Ok(Condition { name, expression })
}

/// Whether a rule asks about pods that are created, as far as it says (Kubernetes, `RuleWithOperations`:
/// each list holds `*` or what is meant). A list that is not there says nothing.
fn of_new_pods(json: &mut dyn Json<'_>) -> Result<bool, Fault> {
    let (mut operations, mut groups, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    let mut resources: Vec<String> = Vec::new();
    let mut scope = String::new();
    json.object(&mut [
        ("operations", &mut |json| json.texts(&mut operations)),
        ("apiGroups", &mut |json| json.texts(&mut groups)),
        ("apiVersions", &mut |json| json.texts(&mut versions)),
        ("resources", &mut |json| json.texts(&mut resources)),
        ("scope", &mut |json| json.string().map(|text| scope = text)),
    ])?;
    let holds = |values: &[String], wanted: &str| {
        let meant = |value: &String| value == "*" || value == wanted || is_placeholder(value);
        values.is_empty() || values.iter().any(meant)
    };
    // Of a resource and its subresources the resource is meant by its name, and by `*` behind it.
    let resources: Vec<String> =
        resources.iter().map(|it| it.strip_suffix("/*").map_or_else(|| it.clone(), String::from)).collect();
    Ok(scope != "Cluster"
        && holds(&operations, "CREATE")
        && holds(&groups, "")
        && holds(&versions, "v1")
        && holds(&resources, "pods"))
}

/// Reads a selector: `matchLabels` is a short way to write requirements.
fn selector(selector: &mut Selector, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut labels, mut expressions) = (Vec::new(), Vec::new());
    json.object(&mut [
        ("matchLabels", &mut |json| {
            json.members(&mut |key, json| {
                let values = Vec::from([json.loose()?.text.into_owned()]);
                labels.push(Requirement { key: key.into(), operator: Operator::In, values });
                Ok(())
            })
        }),
        ("matchExpressions", &mut |json| {
            json.elements(&mut |json| {
                expressions.push(requirement(json)?);
                Ok(())
            })
        }),
    ])?;
    labels.extend(expressions);
    labels.sort_unstable();
    labels.dedup();
    *selector = Selector(labels);
    Ok(())
}

fn requirement(json: &mut dyn Json<'_>) -> Result<Requirement, Fault> {
    let (mut key, mut operator, mut values) = (String::new(), String::new(), Vec::new());
    json.object(&mut [
        ("key", &mut |json| json.string().map(|text| key = text)),
        ("operator", &mut |json| json.string().map(|text| operator = text)),
        ("values", &mut |json| json.texts(&mut values)),
    ])?;
    match Operator::ALL.into_iter().find(|known| known.as_str() == operator) {
        Some(operator) => Ok(Requirement { key, operator, values }),
        None => Err(Fault::Said(format!("unknown operator `{operator}` of a selector"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use alloc::string::ToString;
    use alloc::vec;

    use super::super::{Manifest, read};
    use super::*;
    use crate::model::{ClusterIx, Origin, Registration};

    const HEAD: &str = r#""apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration""#;

    fn registration(json: &str) -> Registration {
        match read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest {
            Manifest::Registration(registration) => registration,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_webhook_of_workload_identity_is_read() {
        let webhooks = r#"[{"name":"mutation.azure-workload-identity.io","failurePolicy":"Fail","admissionReviewVersions":["v1"],
            "clientConfig":{"caBundle":"QQ==","service":{"name":"azure-wi-webhook-webhook-service","namespace":"azure-workload-identity-system","path":"/mutate-v1-pod"}},
            "objectSelector":{"matchLabels":{"azure.workload.identity/use":"true"}},
            "namespaceSelector":{"matchExpressions":[{"key":"control-plane","operator":"NotIn","values":["true"]}]}}]"#;
        let metadata = r#"{"name":"azure-wi-webhook-mutating-webhook-configuration","uid":"1","labels":{"admissions.enforcer/disabled":"true"}}"#;
        let expected = registration(&format!(r#"{{{HEAD},"metadata":{metadata},"webhooks":{webhooks}}}"#));
        assert!(expected.live && expected.unenforced);
        let requirement = |key: &str, operator, value: &str| {
            Selector(vec![Requirement { key: key.into(), operator, values: vec![value.into()] }])
        };
        let webhook = Webhook {
            name: "mutation.azure-workload-identity.io".into(),
            failure_policy: "Fail".into(),
            pods: requirement("azure.workload.identity/use", Operator::In, "true"),
            namespaces: requirement("control-plane", Operator::NotIn, "true"),
            service: Some(("azure-workload-identity-system".into(), "azure-wi-webhook-webhook-service".into())),
            has_ca: true,
            ignores_new_pods: false,
            conditions: vec![],
        };
        assert_eq!(expected.webhooks, [webhook]);
        // In whatever order.
        let turned = registration(&format!(r#"{{"webhooks":{webhooks},"metadata":{metadata},{HEAD}}}"#));
        assert_eq!(turned, expected);
    }

    #[test]
    fn a_webhook_is_asked_about_what_its_rules_name() {
        let pods = |operations: &str, resources: &str, scope: &str| {
            format!(
                r#"{{"operations":[{operations}],"apiGroups":[""],"apiVersions":["v1"],"resources":[{resources}]{scope}}}"#
            )
        };
        let update = pods(r#""UPDATE""#, r#""pods""#, "");
        for (rules, ignores) in [
            (String::new(), false),
            ("{}".into(), false),
            (update.clone(), true),
            (format!("{update},{}", pods(r#""CREATE""#, r#""pods""#, r#","scope":"*""#)), false),
            (pods(r#""*""#, r#""*/*""#, r#","scope":"Namespaced""#), false),
            (pods(r#""CREATE""#, r#""pods/*""#, ""), false),
            (pods(r#""CREATE""#, r#""pods/status","services""#, ""), true),
            (pods(r#""CREATE""#, r#""pods""#, r#","scope":"Cluster""#), true),
            (r#"{"apiGroups":["apps"]}"#.into(), true),
            (r#"{"apiVersions":["v1beta1"]}"#.into(), true),
            (
                r#"{"operations":["${OPERATION}"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}"#.into(),
                false,
            ),
        ] {
            let read = |rules: &str| {
                registration(&format!(
                    r#"{{{HEAD},"metadata":{{"name":"a"}},"webhooks":[{{"name":"mutation.azure-workload-identity.io"{rules}}}]}}"#
                ))
            };
            let webhooks = read(&format!(r#","rules":[{rules}]"#)).webhooks;
            let said: Vec<bool> = webhooks.iter().map(|webhook| webhook.ignores_new_pods).collect();
            assert_eq!(said, [ignores], "{rules}");
            assert!(read("").webhooks.iter().all(|webhook| !webhook.ignores_new_pods));
        }
    }

    #[test]
    fn of_conditions_what_is_understood_is_read() {
        let json = format!(
            r#"{{{HEAD},"metadata":{{"name":"a"}},"webhooks":[{{"name":"mutation.azure-workload-identity.io","matchConditions":[
                {{"name":"never","expression":"false"}},{{"expression":false}},
                {{"name":"elsewhere","expression":"request.namespace != 'shop'"}},{{"name":"whoever","expression":"request.userInfo.username != 'a'"}}]}}]}}"#
        );
        let webhooks = registration(&json).webhooks;
        let read: Vec<(&str, Option<bool>)> = webhooks
            .iter()
            .flat_map(|webhook| &webhook.conditions)
            .map(|condition| (condition.name.as_str(), condition.holds(Some("shop"))))
            .collect();
        assert_eq!(read, [("never", Some(false)), ("", Some(false)), ("elsewhere", Some(false)), ("whoever", None)]);
    }

    #[test]
    fn webhooks_of_others_are_left_out() {
        let json = format!(
            r#"{{{HEAD},"metadata":{{"name":"operator"}},"webhooks":[{{"name":"mpod.kb.io","clientConfig":{{"service":{{"name":"operator","namespace":"o","path":"/mutate-v1-pod"}}}}}}]}}"#
        );
        let registration = registration(&json);
        assert_eq!(
            (registration.name.as_str(), registration.webhooks.len(), registration.live),
            ("operator", 0, false)
        );
    }

    #[test]
    fn what_is_no_configuration_is_named() {
        for (webhooks, said) in [
            ("7", "invalid type"),
            (
                r#"[{"objectSelector":{"matchExpressions":[{"key":"a","operator":"Like"}]}}]"#,
                "unknown operator `Like` of a selector",
            ),
        ] {
            let json = format!(r#"{{{HEAD},"metadata":{{"name":"a"}},"webhooks":{webhooks}}}"#);
            let error = read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap_err().to_string();
            assert!(error.starts_with("MutatingWebhookConfiguration a: ") && error.contains(said), "{error}");
        }
        let other = r#"{"webhooks":7,"apiVersion":"example.com/v1","kind":"Exam"}"#;
        assert!(read(other.as_bytes(), None, ClusterIx(0), Origin::default()).is_ok());
    }
}
