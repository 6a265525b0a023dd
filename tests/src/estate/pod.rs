//! A pod, and the template it is made from.

use serde_json::{Value, json};

use super::{
    model::{Cluster, Kind, Notes, Workload},
    webhook,
};

/// The controller of an object.
pub(super) struct Owner<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

impl Owner<'_> {
    /// Its entry in `ownerReferences` of an object in `namespace`.
    pub(super) fn reference(&self, cluster: &Cluster, namespace: &str) -> Value {
        json!([{"apiVersion": self.api_version, "blockOwnerDeletion": true, "controller": true,
            "kind": self.kind, "name": self.name, "uid": uid(cluster, self.kind, namespace, self.name)}])
    }
}

pub(super) fn uid(cluster: &Cluster, kind: &str, namespace: &str, name: &str) -> String {
    cluster.random(&format!("uid/{kind}/{namespace}/{name}")).guid()
}

pub(super) fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

/// The metadata the API server completes for every object.
pub(super) fn metadata(cluster: &Cluster, kind: &str, namespace: &str, name: &str, labels: &Notes) -> Value {
    let mut chance = cluster.random(&format!("meta/{kind}/{namespace}/{name}"));
    let mut metadata = json!({
        "creationTimestamp": chance.time(),
        "name": name,
        "resourceVersion": (90_000_000 + chance.below(9_000_000)).to_string(),
        "uid": uid(cluster, kind, namespace, name),
    });
    if !labels.is_empty() {
        put(&mut metadata, "labels", json!(labels));
    }
    if !namespace.is_empty() {
        put(&mut metadata, "namespace", json!(namespace));
    }
    metadata
}

/// The labels that select the pods of `workload`.
pub(super) fn selector(workload: &Workload) -> Notes {
    let mut labels = Notes::from([
        ("app.kubernetes.io/instance".to_owned(), workload.name.clone()),
        ("app.kubernetes.io/name".to_owned(), workload.name.clone()),
    ]);
    labels.extend(workload.selected.clone());
    labels
}

/// The pod template of `workload`, `extra` being the labels its controller adds.
pub(super) fn template(workload: &Workload, extra: &Notes) -> Value {
    let mut labels = selector(workload);
    labels.extend(workload.pod_labels.clone());
    labels.extend(extra.clone());
    let mut metadata = json!({"creationTimestamp": null, "labels": labels});
    if !workload.pod_annotations.is_empty() {
        put(&mut metadata, "annotations", json!(workload.pod_annotations));
    }
    json!({"metadata": metadata, "spec": spec(workload)})
}

/// A pod as the cluster runs it: admitted, mutated where it opts in, scheduled and started.
pub(super) fn pod(
    cluster: &Cluster,
    namespace: &str,
    workload: &Workload,
    owner: &Owner<'_>,
    name: &str,
    extra: &Notes,
    account: &Notes,
) -> Value {
    let mut chance = cluster.random(&format!("pod/{namespace}/{name}"));
    let template = template(workload, extra);
    let labels: Notes =
        selector(workload).into_iter().chain(workload.pod_labels.clone()).chain(extra.clone()).collect();
    let mut metadata = metadata(cluster, "Pod", namespace, name, &labels);
    if workload.kind != Kind::StatefulSet {
        put(&mut metadata, "generateName", json!(format!("{}-", owner.name)));
    }
    if !workload.pod_annotations.is_empty() {
        put(&mut metadata, "annotations", json!(workload.pod_annotations));
    }
    put(&mut metadata, "ownerReferences", owner.reference(cluster, namespace));
    let mut spec = template.get("spec").cloned().unwrap_or_default();
    let access = format!("kube-api-access-{}", chance.suffix(5));
    for container in spec.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
            mounts.push(
                json!({"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": access, "readOnly": true}),
            );
        }
    }
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.push(json!({"name": access, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]}}]}}));
    }
    webhook::mutate(cluster, account, workload, name, &mut spec);
    let node = format!("{}-node-{:02}", cluster.name, 1 + chance.below(6));
    put(&mut spec, "enableServiceLinks", json!(true));
    put(&mut spec, "nodeName", json!(node));
    put(&mut spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    put(&mut spec, "priority", json!(0));
    put(&mut spec, "serviceAccount", json!(workload.account));
    put(&mut spec, "serviceAccountName", json!(workload.account));
    let status = status(cluster, workload, name, &spec);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
}

fn spec(workload: &Workload) -> Value {
    let mut containers = vec![container(workload)];
    if let Some(name) = workload.sidecar {
        containers.push(json!({
            "image": format!("images.norvind.example/platform/{name}:2.4.0"), "imagePullPolicy": "IfNotPresent",
            "name": name, "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "volumeMounts": [{"mountPath": "/tmp", "name": "tmp"}]}));
    }
    let mut volumes = vec![
        json!({"configMap": {"defaultMode": 420, "name": format!("{}-config", workload.name)}, "name": "config"}),
        json!({"emptyDir": {}, "name": "tmp"}),
    ];
    volumes.extend(workload.volumes.iter().map(|(volume, _)| volume.clone()));
    let mut spec = json!({
        "containers": containers,
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": if workload.kind.ends() { "OnFailure" } else { "Always" },
        "schedulerName": "default-scheduler",
        "securityContext": {"runAsNonRoot": true},
        "terminationGracePeriodSeconds": 30,
        "volumes": volumes,
    });
    if workload.account != "default" {
        put(&mut spec, "serviceAccount", json!(workload.account));
        put(&mut spec, "serviceAccountName", json!(workload.account));
    }
    for (member, value) in &workload.placed {
        put(&mut spec, member, value.clone());
    }
    spec
}

fn container(workload: &Workload) -> Value {
    let mut env = vec![
        json!({"name": "LOG_LEVEL", "value": "info"}),
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}),
    ];
    env.extend(workload.env.iter().cloned());
    let mut mounts = vec![
        json!({"mountPath": "/etc/app", "name": "config", "readOnly": true}),
        json!({"mountPath": "/tmp", "name": "tmp"}),
    ];
    mounts.extend(
        workload
            .volumes
            .iter()
            .map(|(volume, path)| json!({"mountPath": path, "name": volume.get("name"), "readOnly": true})),
    );
    let mut container = json!({
        "env": env,
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        "name": workload.name,
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "50m", "memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    });
    if !workload.env_from.is_empty() {
        put(&mut container, "envFrom", json!(workload.env_from));
    }
    if !workload.kind.ends() {
        put(&mut container, "ports", json!([{"containerPort": 8080, "name": "http", "protocol": "TCP"}]));
        put(
            &mut container,
            "livenessProbe",
            json!({"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}}),
        );
        put(
            &mut container,
            "readinessProbe",
            json!({"failureThreshold": 3, "httpGet": {"path": "/readyz", "port": "http", "scheme": "HTTP"},
            "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}),
        );
    }
    container
}

fn status(cluster: &Cluster, workload: &Workload, name: &str, spec: &Value) -> Value {
    let mut chance = cluster.random(&format!("status/{name}"));
    let ended = workload.kind.ends();
    let started = chance.time();
    let address = format!("10.244.{}.{}", chance.below(64), 2 + chance.below(250));
    let conditions: Vec<Value> = ["Initialized", "Ready", "PodScheduled"]
        .iter()
        .map(|kind| {
            let holds = !ended || matches!(*kind, "Initialized" | "PodScheduled");
            let mut condition = json!({"lastProbeTime": null, "lastTransitionTime": started,
                "status": if holds { "True" } else { "False" }, "type": kind});
            if !holds {
                put(&mut condition, "reason", json!("PodCompleted"));
            }
            condition
        })
        .collect();
    let containers = spec.get("containers").and_then(Value::as_array).into_iter().flatten();
    let statuses: Vec<Value> = containers
        .map(|container| {
            let id = format!("containerd://{}", chance.hex(64));
            let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
            let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
            let state = if ended {
                json!({"terminated": {"containerID": id, "exitCode": 0, "finishedAt": started, "reason": "Completed", "startedAt": started}})
            } else {
                json!({"running": {"startedAt": started}})
            };
            json!({"containerID": id, "image": image, "imageID": format!("{repository}@sha256:{}", chance.hex(64)),
                "lastState": {}, "name": container.get("name"), "ready": !ended, "restartCount": 0, "started": !ended, "state": state})
        })
        .collect();
    json!({"conditions": conditions, "containerStatuses": statuses, "hostIP": "10.224.0.4",
        "phase": if ended { "Succeeded" } else { "Running" }, "podIP": address, "podIPs": [{"ip": address}],
        "qosClass": "Burstable", "startTime": started})
}
