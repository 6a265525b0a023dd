//! The objects of a cluster as its API server holds them, controllers' offspring included.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    model::{Cluster, Kind, Namespace, Notes, Workload},
    pod::{Owner, metadata, pod, put, selector, template},
};

/// The kinds in the order in which a mixed `kubectl get` prints them, by the name it is asked for.
pub(super) const KINDS: [&str; 9] = [
    "namespaces",
    "serviceaccounts",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "cronjobs",
    "jobs",
    "pods",
];

/// Objects by the plural name of their kind.
pub(super) type Objects = BTreeMap<&'static str, Vec<Value>>;

/// Everything that `cluster` runs in the namespaces that `wanted` picks.
pub(super) fn objects(cluster: &Cluster, wanted: impl Fn(&str) -> bool) -> Objects {
    let mut objects = Objects::new();
    for (name, namespace) in cluster.namespaces.iter().filter(|(name, _)| wanted(name)) {
        objects.entry("namespaces").or_default().push(namespace_object(cluster, name));
        for (account, notes) in &namespace.accounts {
            let object = account_object(cluster, name, account, &notes.labels, &notes.annotations);
            objects.entry("serviceaccounts").or_default().push(object);
        }
        for workload in namespace.workloads.values() {
            run(cluster, name, namespace, workload, &mut objects);
        }
    }
    for list in objects.values_mut() {
        list.sort_by_cached_key(|object| {
            let field = |name| object.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (field("/metadata/namespace"), field("/metadata/name"))
        });
    }
    objects
}

/// A `List` as kubectl makes it of many objects.
pub(super) fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
}

pub(super) fn namespace_object(cluster: &Cluster, name: &str) -> Value {
    let mut labels = Notes::from([("kubernetes.io/metadata.name".to_owned(), name.to_owned())]);
    if cluster.name != "dev-sandbox" {
        labels.insert("environment".to_owned(), "production".to_owned());
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(cluster, "Namespace", "", name, &labels),
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
}

pub(super) fn account_object(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    labels: &Notes,
    annotations: &Notes,
) -> Value {
    let mut metadata = metadata(cluster, "ServiceAccount", namespace, name, labels);
    if !annotations.is_empty() {
        put(&mut metadata, "annotations", json!(annotations));
    }
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

/// The workload itself, with its template and, unless it is to be a manifest, its status.
pub(super) fn workload_object(cluster: &Cluster, namespace: &str, workload: &Workload) -> Value {
    let mut labels = selector(workload);
    let version = workload.image.rsplit_once(':').map_or("latest", |(_, version)| version);
    for (key, value) in [
        ("app.kubernetes.io/managed-by", "Helm"),
        ("app.kubernetes.io/part-of", namespace),
        ("app.kubernetes.io/version", version),
        ("helm.sh/chart", "norvind-service-4.2.1"),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels.extend(workload.labels.clone());
    let kind = workload.kind;
    let mut metadata = metadata(cluster, kind.name(), namespace, &workload.name, &labels);
    let mut annotations = json!({"meta.helm.sh/release-name": namespace, "meta.helm.sh/release-namespace": namespace});
    if kind == Kind::Deployment {
        put(&mut annotations, "deployment.kubernetes.io/revision", json!("2"));
    }
    put(&mut metadata, "annotations", annotations);
    put(&mut metadata, "generation", json!(2));
    let body = template(workload, &Notes::new());
    let select = json!({"matchLabels": selector(workload)});
    let count = if workload.admitted { workload.replicas } else { 0 };
    let (spec, status) = match kind {
        Kind::Deployment => (
            json!({"progressDeadlineSeconds": 600, "replicas": workload.replicas, "revisionHistoryLimit": 10, "selector": select,
                "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"}, "template": body}),
            json!({"availableReplicas": count, "observedGeneration": 2, "readyReplicas": count, "replicas": count, "updatedReplicas": count,
                "conditions": [{"message": "Deployment has minimum availability.", "reason": "MinimumReplicasAvailable",
                    "status": if workload.admitted { "True" } else { "False" }, "type": "Available"}]}),
        ),
        Kind::StatefulSet => (
            json!({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "podManagementPolicy": "OrderedReady", "replicas": workload.replicas, "revisionHistoryLimit": 10, "selector": select,
                "serviceName": workload.name, "template": body, "updateStrategy": {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"}}),
            json!({"availableReplicas": count, "collisionCount": 0, "currentReplicas": count, "observedGeneration": 2,
                "readyReplicas": count, "replicas": count, "updatedReplicas": count}),
        ),
        Kind::DaemonSet => (
            json!({"revisionHistoryLimit": 10, "selector": select, "template": body,
                "updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"}}),
            json!({"currentNumberScheduled": count, "desiredNumberScheduled": count, "numberAvailable": count,
                "numberMisscheduled": 0, "numberReady": count, "observedGeneration": 2}),
        ),
        Kind::CronJob => (
            json!({"concurrencyPolicy": "Forbid", "failedJobsHistoryLimit": 1, "schedule": "*/30 * * * *", "successfulJobsHistoryLimit": 1,
                "suspend": false, "jobTemplate": {"metadata": {"creationTimestamp": null}, "spec": {"backoffLimit": 2, "template": body}}}),
            json!({"lastScheduleTime": "2026-08-28T11:30:00Z", "lastSuccessfulTime": "2026-08-28T11:30:21Z"}),
        ),
        Kind::Job => return job(cluster, namespace, workload, &workload.name, None),
    };
    json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata, "spec": spec, "status": status})
}

fn run(cluster: &Cluster, name: &str, namespace: &Namespace, workload: &Workload, objects: &mut Objects) {
    let mut add = |plural, object| objects.entry(plural).or_default().push(object);
    let unnoted = Notes::new();
    let account = namespace.accounts.get(&workload.account).map_or(&unnoted, |account| &account.annotations);
    let mut chance = cluster.random(&format!("run/{name}/{}", workload.name));
    let replicas = if workload.admitted { workload.replicas } else { 0 };
    let kind = workload.kind;
    let api_version = kind.api_version();
    let itself = Owner { api_version, kind: kind.name(), name: &workload.name };
    let object = workload_object(cluster, name, workload);
    match kind {
        Kind::Deployment => {
            add("deployments", object);
            // Every tenth Deployment keeps the ReplicaSet of its former revision.
            let former = (chance.below(10) == 0).then_some(("1", 0));
            for (revision, replicas) in [Some(("2", replicas)), former].into_iter().flatten() {
                let hash = chance.suffix(10);
                let set = format!("{}-{hash}", workload.name);
                let extra = Notes::from([("pod-template-hash".to_owned(), hash)]);
                add("replicasets", replica_set(cluster, name, workload, &set, &itself, &extra, (revision, replicas)));
                let owner = Owner { api_version, kind: "ReplicaSet", name: &set };
                for _ in 0..replicas {
                    add(
                        "pods",
                        pod(cluster, name, workload, &owner, &format!("{set}-{}", chance.suffix(5)), &extra, account),
                    );
                }
            }
        }
        Kind::StatefulSet => {
            add("statefulsets", object);
            let hash = format!("{}-{}", workload.name, chance.suffix(10));
            for index in 0..replicas {
                let pod_name = format!("{}-{index}", workload.name);
                let extra = Notes::from([
                    ("apps.kubernetes.io/pod-index".to_owned(), index.to_string()),
                    ("controller-revision-hash".to_owned(), hash.clone()),
                    ("statefulset.kubernetes.io/pod-name".to_owned(), pod_name.clone()),
                ]);
                add("pods", pod(cluster, name, workload, &itself, &pod_name, &extra, account));
            }
        }
        Kind::DaemonSet => {
            add("daemonsets", object);
            let extra = Notes::from([
                ("controller-revision-hash".to_owned(), chance.suffix(10)),
                ("pod-template-generation".to_owned(), "2".to_owned()),
            ]);
            for _ in 0..replicas {
                add(
                    "pods",
                    pod(
                        cluster,
                        name,
                        workload,
                        &itself,
                        &format!("{}-{}", workload.name, chance.suffix(5)),
                        &extra,
                        account,
                    ),
                );
            }
        }
        Kind::CronJob | Kind::Job => {
            let job_name =
                if kind == Kind::Job { workload.name.clone() } else { format!("{}-29798370", workload.name) };
            if kind == Kind::CronJob {
                add("cronjobs", object);
                add("jobs", job(cluster, name, workload, &job_name, Some(&itself)));
            } else {
                add("jobs", object);
            }
            let owner = Owner { api_version, kind: "Job", name: &job_name };
            let extra = job_labels(cluster, name, &job_name);
            add(
                "pods",
                pod(cluster, name, workload, &owner, &format!("{job_name}-{}", chance.suffix(5)), &extra, account),
            );
        }
    }
}

fn replica_set(
    cluster: &Cluster,
    namespace: &str,
    workload: &Workload,
    name: &str,
    owner: &Owner<'_>,
    extra: &Notes,
    (revision, replicas): (&str, u64),
) -> Value {
    let selected: Notes = selector(workload).into_iter().chain(extra.clone()).collect();
    let labels: Notes = selected.clone().into_iter().chain(workload.pod_labels.clone()).collect();
    let mut metadata = metadata(cluster, "ReplicaSet", namespace, name, &labels);
    put(
        &mut metadata,
        "annotations",
        json!({"deployment.kubernetes.io/desired-replicas": replicas.to_string(), "deployment.kubernetes.io/revision": revision}),
    );
    put(&mut metadata, "generation", json!(1));
    put(&mut metadata, "ownerReferences", owner.reference(cluster, namespace));
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata,
        "spec": {"replicas": replicas, "selector": {"matchLabels": selected}, "template": template(workload, extra)},
        "status": {"availableReplicas": replicas, "fullyLabeledReplicas": replicas, "observedGeneration": 1, "readyReplicas": replicas, "replicas": replicas}})
}

fn job(cluster: &Cluster, namespace: &str, workload: &Workload, name: &str, owner: Option<&Owner<'_>>) -> Value {
    let extra = job_labels(cluster, namespace, name);
    let labels: Notes = selector(workload).into_iter().chain(workload.labels.clone()).collect();
    let mut metadata = metadata(cluster, "Job", namespace, name, &labels);
    if let Some(owner) = owner {
        put(&mut metadata, "ownerReferences", owner.reference(cluster, namespace));
    }
    let selected = super::pod::uid(cluster, "Job", namespace, name);
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": {"backoffLimit": 2, "completionMode": "NonIndexed", "completions": 1, "manualSelector": false, "parallelism": 1,
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": selected}},
            "suspend": false, "template": template(workload, &extra)},
        "status": {"completionTime": "2026-08-28T11:30:21Z", "conditions": [{"status": "True", "type": "Complete"}],
            "ready": 0, "startTime": "2026-08-28T11:30:00Z", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {}}})
}

fn job_labels(cluster: &Cluster, namespace: &str, name: &str) -> Notes {
    let uid = super::pod::uid(cluster, "Job", namespace, name);
    Notes::from([
        ("batch.kubernetes.io/controller-uid".to_owned(), uid.clone()),
        ("batch.kubernetes.io/job-name".to_owned(), name.to_owned()),
        ("controller-uid".to_owned(), uid),
        ("job-name".to_owned(), name.to_owned()),
    ])
}
