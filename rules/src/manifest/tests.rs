#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use alloc::string::ToString as _;

use super::*;
use crate::model::{EnvFrom, Shape, Value, Volume};

fn read_one(json: &str) -> Result<Manifest, ManifestError> {
    read(json.as_bytes(), None, ClusterIx(0), Origin::default()).map(|read| read.manifest)
}

fn workload(json: &str) -> Workload {
    match read_one(json) {
        Ok(Manifest::Workload(workload)) => workload,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_pod_bearing_kind_has_its_template_read() {
    for kind in &crate::model::POD_BEARING {
        let pod = r#"{"metadata":{"labels":{"azure.workload.identity/use":"true"}},"spec":{"serviceAccountName":"cart","containers":[{"name":"app"}]}}"#;
        let spec = match kind.shape {
            Shape::Pod => pod.trim_matches(['{', '}']).to_string() + "}}",
            Shape::Template => alloc::format!(r#""spec":{{"template":{pod}}}"#),
            Shape::Under(_) => continue,
            Shape::CronJob => alloc::format!(r#""spec":{{"jobTemplate":{{"spec":{{"template":{pod}}}}}}}"#),
        };
        let spec = if kind.shape == Shape::Pod {
            r#""metadata":{"labels":{"azure.workload.identity/use":"true"}},"spec":{"serviceAccountName":"cart","containers":[{"name":"app"}]}"#.to_string()
        } else {
            spec
        };
        let json = alloc::format!(r#"{{"apiVersion":"{}","kind":"{}",{spec}}}"#, kind.api_version, kind.kind);
        let workload = workload(&json);
        assert!(workload.opts_in(), "{json}");
        assert_eq!(workload.service_account(), "cart");
        assert_eq!(workload.template.containers.len(), 1);
    }
}

#[test]
fn a_custom_kind_has_its_template_read_if_it_has_one() {
    let pod = r#"{"metadata":{"labels":{"azure.workload.identity/use":"true"}},"spec":{"serviceAccountName":"cart"}}"#;
    for (api_version, kind, spec) in [
        ("argoproj.io/v1alpha1", "Rollout", alloc::format!(r#"{{"replicas":2,"template":{pod}}}"#)),
        ("keda.sh/v1alpha1", "ScaledJob", alloc::format!(r#"{{"jobTargetRef":{{"template":{pod}}}}}"#)),
        ("serving.knative.dev/v1", "Service", alloc::format!(r#"{{"template":{pod}}}"#)),
    ] {
        let json = alloc::format!(r#"{{"apiVersion":"{api_version}","kind":"{kind}","spec":{spec}}}"#);
        let workload = workload(&json);
        assert!(workload.opts_in() && workload.service_account() == "cart", "{json}");
        assert_eq!((workload.kind.kind, workload.kind.at_admission()), (kind, false));
    }
    let other = |kind: &str, spec: &str| {
        let json = alloc::format!(r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"{kind}","spec":{spec}}}"#);
        read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest
    };
    for spec in [r#"{"replicas":0,"workloadRef":{"name":"cart"}}"#, r#"{"template":null}"#, "null"] {
        assert!(matches!(other("Rollout", spec), Manifest::Other { .. }), "{spec}");
    }
    let of_another = r#"{"workloadRef":{"kind":"Deployment","name":"cart"}}"#;
    assert!(matches!(other("Rollout", of_another), Manifest::Custom(_)));
    let knative = alloc::format!(r#"{{"apiVersion":"serving.knative.dev/v1","kind":"Service","spec":{of_another}}}"#);
    let knative = read(knative.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap();
    assert!(matches!(knative.manifest, Manifest::Other { .. }), "a Rollout's alone");
}

#[test]
fn a_declared_kind_has_its_template_read() {
    let kind = PodBearing::declared("example.com/v1/Widget=spec.pods.template").unwrap();
    let json = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"cart"},
        "spec":{"pods":{"template":{"metadata":{"labels":{"azure.workload.identity/use":"true"}},"spec":{}}}}}"#;
    let read = read_as(json, None, kind, ClusterIx(0), Origin::default()).unwrap();
    let Manifest::Workload(workload) = read.manifest else { panic!("{:?}", read.manifest) };
    assert!(workload.opts_in() && workload.name == "cart");
    assert_eq!(workload.label_path("a"), "spec.pods.template.metadata.labels[a]");
    assert!(kind.is("example.com/v2", "Widget") && !kind.is("example.com/v2", "Gadget"));
    for wrong in ["Widget", "v1/Widget=spec.a", "a/v1/=spec.a", "a/v1/B=a", "a/v1/B=spec.", "apps/v1/Deployment=spec.a"]
    {
        assert!(PodBearing::declared(wrong).is_err(), "{wrong}");
    }
    #[cfg(feature = "facts")]
    {
        let kept = serde_json::to_string(&workload).unwrap();
        assert_eq!(serde_json::from_str::<Workload>(&kept).unwrap(), workload);
    }
}

#[test]
fn the_resource_of_a_declared_kind_is_its_plural() {
    for (kind, resource) in [
        ("Widget", "widgets"),
        ("Gateway", "gateways"),
        ("BuildPolicy", "buildpolicies"),
        ("Batch", "batches"),
        ("Class", "classes"),
    ] {
        let declared = PodBearing::declared(&alloc::format!("example.com/v1/{kind}=spec.template")).unwrap();
        assert_eq!(declared.resource, resource);
    }
}

#[test]
fn the_order_of_members_does_not_matter() {
    let first = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"b"},"spec":{"template":{"spec":{"serviceAccount":"old"}}}}"#;
    let last = r#"{"spec":{"template":{"spec":{"serviceAccount":"old"}}},"metadata":{"namespace":"b","name":"a"},"kind":"Deployment","apiVersion":"apps/v1"}"#;
    assert_eq!(workload(first), workload(last));
    assert_eq!(workload(first).service_account(), "old");
}

#[test]
fn secret_values_are_never_kept() {
    let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","env":[
        {"name":"AZURE_CLIENT_SECRET","value":"hunter2"},{"name":"AZURE_CLIENT_ID","value":"x"},
        {"name":"ARM_CLIENT_SECRET","valueFrom":{"secretKeyRef":{"name":"sp","key":"k"}}}],"envFrom":[{"secretRef":{"name":"s"}}]}]}}"#;
    let workload = workload(json);
    assert!(!alloc::format!("{workload:?}").contains("hunter2"));
    let container = &workload.template.containers[0];
    assert_eq!(container.env[0].value, Value::Literal(None));
    assert_eq!(container.literal("AZURE_CLIENT_ID"), Some("x"));
    assert_eq!(container.env[2].value, Value::Secret("sp".into(), "k".into()));
    assert_eq!(container.env_from, [EnvFrom::Secret("s".into(), String::new())]);
    let secret = read_one(
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"AZURE_CLIENT_SECRET":"aHVudGVyMg=="}}"#,
    );
    assert!(matches!(&secret, Ok(Manifest::Secret(keys)) if keys.keys == ["AZURE_CLIENT_SECRET"]), "{secret:?}");
}

#[test]
fn a_bare_boolean_label_is_kept_as_such() {
    let workload = workload(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"azure.workload.identity/use":true}},"spec":{}}"#,
    );
    let pair = workload.labels.pair(crate::model::label::USE).unwrap();
    assert!(!pair.is_string && pair.value == "true");
}

#[test]
fn volumes_of_the_webhook_are_not_the_authors_own() {
    let with = |labels: &str| {
        workload(&alloc::format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","labels":{labels}}},"spec":{{"volumes":[
          {{"name":"azure-identity-token","projected":{{"sources":[{{"serviceAccountToken":{{"audience":"api://AzureADTokenExchange","path":"azure-identity-token"}}}}]}}}}]}}}}"#
        ))
    };
    assert_eq!(with(r#"{"azure.workload.identity/use":"true"}"#).template.volumes, []);
    let pod = with("{}");
    let [Volume::Token(own)] = pod.template.volumes.as_slice() else { panic!("one token") };
    assert_eq!(own.audience.as_str(), "api://AzureADTokenExchange");
}

#[test]
fn what_is_not_as_its_kind_must_be_is_named() {
    let error =
        read_one(r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{"containers":5}}"#)
            .unwrap_err();
    assert!(error.to_string().starts_with("Pod n/p: invalid type: integer `5`"), "{error}");
    assert_eq!(read_one(r#"{"clientId":"x"}"#), Err(ManifestError::NotKubernetes));
    let twice = read_one(r#"{"apiVersion":"v1","kind":"Pod","kind":"Pod"}"#).unwrap_err();
    assert!(twice.to_string().contains("duplicate field `kind`"), "{twice}");
    let label = read_one(r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"annotations":{"azure.workload.identity/client-id":"a","azure.workload.identity/client-id":"b"}}}"#).unwrap_err();
    assert!(label.to_string().contains("duplicate key `azure.workload.identity/client-id`"), "{label}");
}

#[test]
fn an_element_without_kind_takes_its_lists() {
    let hint = Hint { api_version: "v1", kind: "ServiceAccount" };
    let read =
        read(br#"{"metadata":{"name":"a","namespace":"n","uid":"u"}}"#, Some(hint), ClusterIx(0), Origin::default())
            .unwrap();
    assert!(read.live);
    assert!(
        matches!(read.manifest, Manifest::ServiceAccount(account) if account.name == "a" && account.namespace == "n")
    );
}

#[test]
fn how_many_replicas_are_ready_is_kept_of_the_webhook_in_a_cluster() {
    let ready = |name: &str, uid: &str, status: &str| {
        let json = alloc::format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}"{uid}}},"spec":{{"replicas":2}}{status}}}"#
        );
        workload(&json).ready
    };
    let (name, uid) = ("azure-wi-webhook-controller-manager", r#","uid":"1""#);
    assert_eq!(ready(name, uid, r#","status":{"readyReplicas":1}"#), Some(1));
    assert_eq!(ready(name, uid, r#","status":{}"#), Some(0));
    assert_eq!(ready(name, uid, ""), None);
    assert_eq!(ready(name, "", r#","status":{}"#), None);
    assert_eq!(ready("cart", uid, r#","status":{"readyReplicas":1}"#), None);
}

#[test]
fn what_rests_is_told_by_spec_and_status() {
    let life = |kind: &str, metadata: &str, spec: &str, status: &str| {
        let api_version = crate::model::POD_BEARING.iter().find(|it| it.kind == kind).map(|it| it.api_version).unwrap();
        let head =
            alloc::format!(r#""apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"a"{metadata}}}"#);
        let body = alloc::format!(r#""spec":{{{spec}}},"status":{{{status}}}"#);
        let of = |json: alloc::string::String| workload(&json).life;
        let life = of(alloc::format!("{{{head},{body}}}"));
        assert_eq!(of(alloc::format!("{{{body},{head}}}")), life, "in whatever order");
        life
    };
    let (uid, none) = (r#","uid":"1""#, r#""replicas":0"#);
    let owned = r#","uid":"1","ownerReferences":[{"kind":"Deployment","name":"a","controller":true}]"#;
    assert_eq!(life("Deployment", uid, none, ""), Life::Dormant);
    assert_eq!(life("Deployment", "", none, ""), Life::Active);
    assert_eq!(life("Deployment", uid, r#""replicas":1"#, ""), Life::Active);
    assert_eq!(life("Deployment", owned, none, ""), Life::Active);
    assert_eq!(life("ReplicaSet", owned, none, ""), Life::Ended);
    assert_eq!(life("ReplicationController", owned, none, ""), Life::Ended);
    assert_eq!(life("ReplicaSet", uid, none, ""), Life::Dormant);
    assert_eq!(life("Job", uid, r#""suspend":true"#, ""), Life::Dormant);
    assert_eq!(life("CronJob", "", r#""suspend":true"#, ""), Life::Dormant);
    assert_eq!(life("CronJob", "", r#""jobTemplate":{"spec":{"suspend":true}}"#, ""), Life::Dormant);
    assert_eq!(life("Deployment", uid, r#""suspend":true"#, ""), Life::Active);
    let of = |owner: &str| {
        alloc::format!(r#","uid":"1","ownerReferences":[{{"kind":"{owner}","name":"a","controller":true}}]"#)
    };
    assert_eq!(life("Job", &of("CronJob"), r#""suspend":true"#, ""), Life::Dormant);
    assert_eq!(life("Job", &of("JobSet"), r#""suspend":true"#, ""), Life::Active);
    assert_eq!(life("Job", uid, r#""suspend":true"#, r#""completionTime":"2026-11-01T08:00:00Z""#), Life::Ended);
    assert_eq!(life("Job", uid, "", r#""conditions":[{"type":"Failed","status":"True"}]"#), Life::Ended);
    assert_eq!(life("Job", uid, "", r#""conditions":[{"type":"Failed","status":"False"}]"#), Life::Active);
    assert_eq!(
        life("Job", uid, "", r#""completionTime":null,"conditions":[{"type":"Suspended","status":"True"}]"#),
        Life::Active
    );
    for (phase, ended) in [("Succeeded", true), ("Failed", true), ("Running", false), ("Pending", false)] {
        let found = life("Pod", uid, "", &alloc::format!(r#""phase":"{phase}""#));
        assert_eq!(found == Life::Ended, ended, "{phase}");
    }
}

#[test]
fn a_rollout_that_does_not_go_on_is_told_by_spec_and_status() {
    let stalled = |kind: &str, spec: &str, status: &str| {
        let json = alloc::format!(
            r#"{{"apiVersion":"apps/v1","kind":"{kind}","metadata":{{"name":"a"}},"spec":{{{spec}}},"status":{{{status}}}}}"#
        );
        workload(&json).stalled
    };
    let overdue = r#""conditions":[{"type":"Available","reason":"MinimumReplicasAvailable"},{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded"},{"type":"Other","reason":null}]"#;
    let goes_on = r#""conditions":[{"type":"Progressing","reason":"NewReplicaSetAvailable"}]"#;
    for (kind, spec, status, expected) in [
        ("Deployment", "", "", false),
        ("Deployment", r#""paused":true"#, "", true),
        ("Deployment", r#""paused":false"#, "", false),
        ("Deployment", "", overdue, true),
        ("Deployment", "", goes_on, false),
        ("Deployment", r#""paused":true"#, goes_on, true),
        ("StatefulSet", r#""paused":true"#, overdue, false),
    ] {
        assert_eq!(stalled(kind, spec, status), expected, "{kind} {spec} {status}");
    }
}

#[test]
fn what_is_marked_to_be_woken_does_not_rest() {
    let life = |kind: &str, metadata: &str, spec: &str| {
        let api_version = crate::model::POD_BEARING.iter().find(|it| it.kind == kind).map(|it| it.api_version).unwrap();
        let head = alloc::format!(r#""apiVersion":"{api_version}","kind":"{kind}""#);
        let body = alloc::format!(r#""metadata":{{"name":"a","uid":"1"{metadata}}},"spec":{{{spec}}}"#);
        let life = workload(&alloc::format!("{{{head},{body}}}")).life;
        assert_eq!(workload(&alloc::format!("{{{body},{head}}}")).life, life, "in whatever order");
        life
    };
    let (none, suspended) = (r#""replicas":0"#, r#""suspend":true"#);
    let labels = |key: &str| alloc::format!(r#","labels":{{"{key}":"q"}}"#);
    let annotations = |key: &str, value: &str| alloc::format!(r#","annotations":{{"{key}":{value}}}"#);
    let queued = labels("kueue.x-k8s.io/queue-name");
    assert_eq!(life("Job", &queued, suspended), Life::Active);
    assert_eq!(life("Job", &annotations("kueue.x-k8s.io/queue-name", r#""q""#), suspended), Life::Active);
    assert_eq!(life("Job", &labels("kueue.x-k8s.io/queue"), suspended), Life::Dormant);
    assert_eq!(life("CronJob", &queued, suspended), Life::Dormant, "a queue resumes no CronJob");
    assert_eq!(life("Deployment", &queued, none), Life::Dormant);
    let cron = |job: &str, more: &str| {
        alloc::format!(r#"{more}"jobTemplate":{{"metadata":{{"name":""{job}}},"spec":{{"suspend":true}}}}"#)
    };
    assert_eq!(life("CronJob", "", &cron("", "")), Life::Dormant);
    assert_eq!(life("CronJob", &queued, &cron("", "")), Life::Dormant, "its Jobs have no queue");
    assert_eq!(life("CronJob", "", &cron(&queued, "")), Life::Active);
    assert_eq!(life("CronJob", "", &cron(&queued, r#""suspend":true,"#)), Life::Dormant);
    let at = r#""2026-11-26T01:00:00Z""#;
    assert_eq!(life("Deployment", &annotations("idling.alpha.openshift.io/idled-at", at), none), Life::Active);
    for (replicas, expected) in [(r#""3""#, Life::Active), (r#""0""#, Life::Dormant), ("null", Life::Dormant)] {
        let idled = annotations("downscaler/original-replicas", replicas);
        assert_eq!(life("StatefulSet", &idled, none), expected, "{replicas}");
    }
    let idled = annotations("downscaler/original-replicas", r#""1""#);
    assert_eq!(life("CronJob", &idled, suspended), Life::Active);
    assert_eq!(life("Deployment", &annotations("downscaler/uptime", r#""always""#), none), Life::Dormant);
    let ours = annotations("azure.workload.identity/client-id", r#""c""#);
    let kept = workload(&alloc::format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"a"{ours}}},"spec":{{}}}}"#
    ));
    assert_eq!(kept.annotations.get("azure.workload.identity/client-id"), Some("c"));
}

#[test]
fn an_optional_key_of_a_secret_is_told_apart() {
    let value = |optional: &str| {
        let json = alloc::format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"c","env":[{{"name":"ARM_CLIENT_SECRET","valueFrom":{{"secretKeyRef":{{"name":"sp","key":"k"{optional}}}}}}}]}}]}}}}"#
        );
        workload(&json).template.containers[0].env[0].value.clone()
    };
    assert_eq!(value(r#","optional":true"#), Value::Optional("sp".into(), "k".into()));
    assert_eq!(value(r#","optional":false"#), Value::Secret("sp".into(), "k".into()));
    assert_eq!(value(""), Value::Secret("sp".into(), "k".into()));
}

#[test]
fn a_variable_may_hold_an_annotation_of_the_pod() {
    let read = |name: &str, path: &str| {
        let json = alloc::format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"c","env":[{{"name":"{name}","valueFrom":{{"fieldRef":{{"fieldPath":"{path}"}}}}}}]}}]}}}}"#
        );
        workload(&json).template.containers[0].env.first().map(|it| (it.name.clone(), it.value.clone()))
    };
    let key = "azure.workload.identity/client-id";
    let path = alloc::format!("metadata.annotations['{key}']");
    let held = |name: &str| Some((name.into(), Value::Annotation(key.into())));
    assert_eq!(read("AZURE_CLIENT_ID", &path), held("AZURE_CLIENT_ID"));
    assert_eq!(read("ARM_CLIENT_ID", &path), held("ARM_CLIENT_ID"));
    assert_eq!(read("CART_ID", &path), held(""), "whatever its name");
    let elsewhere = |path: &str| read("AZURE_CLIENT_ID", path).unwrap().1;
    assert_eq!(elsewhere("metadata.annotations['example.com/client-id']"), Value::Elsewhere);
    assert_eq!(elsewhere(&alloc::format!("metadata.labels['{key}']")), Value::Elsewhere);
    assert_eq!(read("CART_ID", "metadata.name"), None);
}

#[cfg(feature = "audit")]
#[test]
fn a_variable_is_filled_with_what_any_annotation_of_the_pod_says() {
    let filled = |metadata: &str, name: &str, list: &str| {
        let spec = alloc::format!(
            r#""spec":{{"{list}":[{{"name":"c","env":[{{"name":"{name}","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.annotations['example.com/id']"}}}}}}]}}]}}"#
        );
        let pods = [
            alloc::format!(r#"{{"apiVersion":"v1","kind":"Pod",{metadata},{spec}}}"#),
            alloc::format!(r#"{{{spec},{metadata},"kind":"Pod","apiVersion":"v1"}}"#),
        ]
        .map(|json| workload(&json));
        let values = pods.map(|pod| {
            let template = pod.template;
            let kept = template.annotations.0.len();
            let env = template.init_containers.into_iter().chain(template.containers).next().unwrap().env;
            (env.into_iter().next().map(|it| it.value), kept)
        });
        assert_eq!(values[0], values[1], "in whatever order");
        assert_eq!(values[0].1, 0, "the annotation itself is not kept");
        values[0].0.clone()
    };
    let said = r#""metadata":{"name":"p","annotations":{"example.com/id":"x"}}"#;
    let literal = |text: &str| Some(Value::Literal(Some(text.into())));
    for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"] {
        assert_eq!(filled(said, name, "containers"), literal("x"));
        assert_eq!(filled(said, name, "initContainers"), literal("x"));
    }
    assert_eq!(filled(said, "AZURE_CLIENT_SECRET", "containers"), Some(Value::Elsewhere), "no secret is kept");
    assert_eq!(filled(said, "CART_ID", "containers"), None);
    let unsaid = r#""metadata":{"name":"p","annotations":{"example.com/other":"x"}}"#;
    assert_eq!(filled(unsaid, "AZURE_CLIENT_ID", "containers"), Some(Value::Elsewhere), "others may say it");
    let live = r#""metadata":{"name":"p","uid":"5f0c"}"#;
    assert_eq!(filled(live, "AZURE_CLIENT_ID", "containers"), literal(""));
    let template = workload(
        r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"p","uid":"1","annotations":{"example.com/id":"y"}},"spec":{"template":{"metadata":{"annotations":{"example.com/id":"x"}},"spec":{"containers":[{"name":"c","env":[{"name":"AZURE_CLIENT_ID","valueFrom":{"fieldRef":{"fieldPath":"metadata.annotations['example.com/id']"}}}]}]}}}}"#,
    );
    assert_eq!(
        template.template.containers[0].env[0].value,
        literal("x").unwrap(),
        "of the pods, not of what makes them"
    );
}

#[test]
fn a_namespace_keeps_all_its_labels_in_whatever_order() {
    let metadata = r#""metadata":{"name":"shop","labels":{"tier":"front","azure.workload.identity/use":"true"}}"#;
    for json in [
        alloc::format!(r#"{{"apiVersion":"v1","kind":"Namespace",{metadata}}}"#),
        alloc::format!(r#"{{{metadata},"kind":"Namespace","apiVersion":"v1"}}"#),
    ] {
        match read_one(&json) {
            Ok(Manifest::Namespace(namespace)) => {
                assert_eq!((namespace.labels.get("tier"), namespace.labels.0.len()), (Some("front"), 2), "{json}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(feature = "audit")]
#[test]
fn pods_that_opt_in_keep_all_their_labels_in_whatever_order() {
    let metadata = |used: &str| {
        alloc::format!(
            r#""metadata":{{"name":"cart","labels":{{"tier":"front","azure.workload.identity/use":"{used}","odd":{{"a":1}},"list":[1],"number":7,"tier":"back"}},"annotations":{{"team":"a"}}}}"#
        )
    };
    let kept = |workload: &Workload| {
        let pairs = workload.template.other_labels.iter();
        pairs.map(|pair| alloc::format!("{}={}", pair.key, pair.value)).collect::<alloc::vec::Vec<_>>()
    };
    let all = ["odd=<no text>", "list=<no text>", "number=<no text>", "tier=back"];
    let own = metadata("true");
    for json in [
        alloc::format!(r#"{{"apiVersion":"v1","kind":"Pod",{own},"spec":{{}}}}"#),
        alloc::format!(r#"{{{own},"kind":"Pod","apiVersion":"v1"}}"#),
        alloc::format!(r#"{{"spec":{{"template":{{{own}}}}},"kind":"Deployment","apiVersion":"apps/v1"}}"#),
        alloc::format!(r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","spec":{{"template":{{{own}}}}}}}"#),
        alloc::format!(
            r#"{{"apiVersion":"batch/v1","kind":"CronJob","spec":{{"jobTemplate":{{"spec":{{"template":{{{own}}}}}}}}}}}"#
        ),
    ] {
        let workload = workload(&json);
        assert_eq!(kept(&workload), all, "{json}");
        assert_eq!((workload.labels.get("tier"), workload.template.labels.0.len()), (None, 1), "{json}");
    }
    let pod = alloc::format!(r#"{{"apiVersion":"v1","kind":"Pod",{}}}"#, metadata("false"));
    assert_eq!(kept(&workload(&pod)), [""; 0]);
    let deployment =
        alloc::format!(r#"{{"apiVersion":"apps/v1","kind":"Deployment",{own},"spec":{{"template":{{}}}}}}"#);
    assert_eq!(kept(&workload(&deployment)), [""; 0], "labels of the object are none of its pods'");
}

#[cfg(feature = "audit")]
#[test]
fn of_config_maps_the_webhooks_own_is_read_and_of_it_two_keys() {
    let data = r#""data":{"AZURE_TENANT_ID":"t","AZURE_ENVIRONMENT":"AzurePublicCloud","OTHER":"secret"}"#;
    let head = r#""apiVersion":"v1","kind":"ConfigMap""#;
    let named = |name: &str| alloc::format!(r#""metadata":{{"name":"{name}","namespace":"wi"}}"#);
    let own = named("azure-wi-webhook-config");
    // kubectl sorts members, so that `data` comes first.
    for json in [alloc::format!("{{{data},{head},{own}}}"), alloc::format!("{{{head},{own},{data}}}")] {
        let Ok(Manifest::WebhookSettings(settings)) = read_one(&json) else { panic!("{json}") };
        assert_eq!((settings.namespace.as_str(), settings.tenant_id.as_str()), ("wi", "t"));
        assert_eq!(settings.environment, "AzurePublicCloud");
        assert!(!alloc::format!("{settings:?}").contains("secret"));
    }
    let other = read_one(&alloc::format!("{{{head},{},{data}}}", named("settings")));
    assert!(matches!(other, Ok(Manifest::Other { .. })), "{other:?}");
}

#[cfg(feature = "audit")]
#[test]
fn a_storage_class_says_by_which_identity_its_volumes_are_mounted() {
    let logins = |json: &str| match read_one(json) {
        Ok(Manifest::Custom(custom)) => custom.logins().to_vec(),
        other => panic!("{other:?}"),
    };
    let head = r#""apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"files"}"#;
    let said = |driver: &str| alloc::format!(r#""provisioner":"{driver}","parameters":{{"clientid":"c","sku":"x"}}"#);
    let files = said("file.csi.azure.com");
    for json in [alloc::format!("{{{files},{head}}}"), alloc::format!("{{{head},{files}}}")] {
        let [login] = &*logins(&json) else { panic!("{json}") };
        assert_eq!((login.client_id.as_str(), login.path.as_str()), ("c", "parameters.clientID"));
    }
    assert!(logins(&alloc::format!("{{{head},{}}}", said("disk.csi.azure.com"))).is_empty());
    assert!(logins(&alloc::format!(r#"{{{head},"provisioner":"file.csi.azure.com"}}"#)).is_empty());
}

#[cfg(feature = "audit")]
#[test]
fn an_argument_names_azure_as_the_provider() {
    for (list, expected) in [
        (r#""args":["--source=service","--provider=azure"]"#, true),
        (r#""args":["--provider","azure-private-dns"]"#, true),
        (r#""command":["external-dns","--provider=azure"],"args":["--once"]"#, true),
        (r#""args":["--provider=aws","azure"]"#, false),
        (r#""args":["--provider"]"#, false),
        (r#""args":["--provider-azure=azure"]"#, false),
    ] {
        let pod = workload(&alloc::format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"dns"}},"spec":{{"containers":[{{"name":"dns",{list}}}]}}}}"#
        ));
        assert_eq!(pod.template.containers[0].for_azure, expected, "{list}");
    }
}

#[test]
fn members_may_come_in_the_order_of_kubectl() {
    let secret =
        r#"{"apiVersion":"v1","data":{"AZURE_CLIENT_SECRET":"eA=="},"kind":"Secret","metadata":{"name":"sp"}}"#;
    let Ok(Manifest::Secret(secret)) = read_one(secret) else { panic!("{secret}") };
    assert_eq!(secret.keys, ["AZURE_CLIENT_SECRET"]);
    let pod = r#"{"spec":{"serviceAccountName":"cart"},"apiVersion":"v1","kind":"Pod","metadata":{"name":"cart"}}"#;
    assert_eq!(workload(pod).service_account(), "cart");
}
