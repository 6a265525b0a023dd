//! An estate of any size, for measuring: one cluster, one `List` of everything in it, written
//! object by object, and the Azure side that fits it. Nothing is held but the workload at hand,
//! so that the writer needs no more memory than a single object does.

use std::{fs, io, io::Write, path::Path};

use serde_json::Value;

use super::{
    azure::{Azure, Credential, subject},
    cluster,
    faults::Fault,
    kube::{account_object, namespace_object, workload_object},
    model::{CLIENT_ID, Cluster, Kind, Notes, USE, Webhook, Workload},
    pod::{Owner, pod},
    print, profile,
    random::Random,
};

const PODS_PER_WORKLOAD: usize = 20;
const WORKLOADS_PER_NAMESPACE: usize = 10;
/// How many of a hundred workloads opt in to workload identity, and how many are flawed.
const OPTED_IN: u64 = 30;
const FLAWED: u64 = 1;

/// The state of one workload's chain.
#[derive(Clone, Copy, PartialEq)]
enum Chain {
    /// The workload does not use workload identity.
    None,
    Whole,
    LabelMisplaced,
    AccountWithoutClient,
    NoCredential,
    OtherAudience,
}

struct Big {
    seed: u64,
    pods: usize,
    azure: Azure,
    cluster: Cluster,
}

struct Entry {
    namespace: String,
    workload: Workload,
    chain: Chain,
    /// The pods that the workload runs.
    pods: usize,
}

/// Writes one `List`, as `kubectl get ns,sa,deploy,po -A -o json` prints it, of `pods` Pods, the
/// Deployments that own them directly (one for twenty), their ServiceAccounts and Namespaces.
///
/// # Errors
/// Whatever `out` answers.
pub fn big_dump(pods: usize, seed: u64, out: &mut dyn Write) -> io::Result<()> {
    let big = Big::new(pods, seed);
    out.write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [")?;
    let mut text = String::new();
    let mut first = true;
    let mut emit = |object: &Value| {
        text.clear();
        text.push_str(if first { "\n        " } else { ",\n        " });
        first = false;
        print::json(object, "    ", 2, &mut text);
        out.write_all(text.as_bytes())
    };
    for number in 0..big.workloads().div_ceil(WORKLOADS_PER_NAMESPACE) {
        emit(&namespace_object(&big.cluster, &namespace_name(number)))?;
    }
    let none = Notes::new();
    for (index, entry) in big.entries().enumerate() {
        if index.is_multiple_of(WORKLOADS_PER_NAMESPACE) {
            emit(&account_object(&big.cluster, &entry.namespace, "default", &none, &none))?;
        }
        emit(&account_object(
            &big.cluster,
            &entry.namespace,
            &entry.workload.account,
            &none,
            &big.annotations(&entry),
        ))?;
    }
    for entry in big.entries() {
        emit(&workload_object(&big.cluster, &entry.namespace, &entry.workload))?;
    }
    for entry in big.entries() {
        let annotations = big.annotations(&entry);
        let owner = Owner { api_version: "apps/v1", kind: "Deployment", name: &entry.workload.name };
        let mut chance = Random::of(seed, &entry.workload.name);
        let hash = chance.suffix(10);
        let extra = Notes::from([("pod-template-hash".to_owned(), hash.clone())]);
        for number in 0..entry.pods {
            let name = format!("{}-{hash}-{}{number}", entry.workload.name, chance.suffix(4));
            let mut object = pod(&big.cluster, &entry.namespace, &entry.workload, &owner, &name, &extra, &annotations);
            thin(&mut object);
            emit(&object)?;
        }
    }
    let end = if first { "]" } else { "\n    ]" };
    out.write_all(end.as_bytes())?;
    out.write_all(b",\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n")
}

/// Writes the Azure side of `big_dump` with the same `pods` and `seed` into `dir`: `aks.json`,
/// `identities.json`, and `credentials.json` with one array for each identity.
///
/// # Errors
/// Whatever the file system refuses.
pub fn big_azure(pods: usize, seed: u64, dir: &Path) -> io::Result<()> {
    let mut big = Big::new(pods, seed);
    let entries: Vec<Entry> = big.entries().filter(|entry| entry.chain != Chain::None).collect();
    for entry in entries {
        let account = &entry.workload.account;
        let identity = big.azure.identity(&format!("id-{account}"));
        let credential = Credential::new("big", &big.cluster.issuer, &subject(&entry.namespace, account));
        match entry.chain {
            Chain::NoCredential => {}
            Chain::OtherAudience => identity.credentials.push(credential.audience("https://management.azure.com/")),
            _ => identity.credentials.push(credential),
        }
    }
    fs::create_dir_all(dir)?;
    fs::write(dir.join("aks.json"), print::az(&profile::aks(&big.cluster, &big.azure, "production")))?;
    fs::write(dir.join("identities.json"), print::az(&big.azure.identity_list()))?;
    let lists =
        big.azure.identities.iter().map(|(name, identity)| print::az(&big.azure.credential_list(name, identity)));
    fs::write(dir.join("credentials.json"), lists.collect::<String>())
}

/// What is wrong in `big_dump` with the same `pods` and `seed`, sorted: about one workload in a
/// hundred.
#[must_use]
pub fn big_faults(pods: usize, seed: u64) -> Vec<Fault> {
    let big = Big::new(pods, seed);
    let mut faults: Vec<Fault> = big.entries().flat_map(|entry| entry.faults(&big.cluster)).collect();
    faults.sort();
    faults
}

// === impl

impl Big {
    fn new(pods: usize, seed: u64) -> Self {
        let azure = Azure::new(seed);
        let cluster = cluster(seed, &azure.tenant, "big", "westeurope", "westeurope.oic.prod-aks", Webhook::V1_5_1);
        Self { seed, pods, azure, cluster }
    }

    fn workloads(&self) -> usize {
        self.pods.div_ceil(PODS_PER_WORKLOAD)
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.workloads()).map(|index| self.entry(index))
    }

    fn entry(&self, index: usize) -> Entry {
        let name = format!("service-{index:05}");
        let namespace = namespace_name(index / WORKLOADS_PER_NAMESPACE);
        let mut chance = Random::of(self.seed, &format!("chain/{name}"));
        let chain = match (chance.below(100) < FLAWED, chance.below(4)) {
            (true, 0) => Chain::LabelMisplaced,
            (true, 1) => Chain::AccountWithoutClient,
            (true, 2) => Chain::NoCredential,
            (true, _) => Chain::OtherAudience,
            (false, _) if chance.below(100) < OPTED_IN => Chain::Whole,
            (false, _) => Chain::None,
        };
        let pods = PODS_PER_WORKLOAD.min(self.pods.saturating_sub(index * PODS_PER_WORKLOAD));
        let mut workload =
            Workload::new(Kind::Deployment, &name, &format!("{namespace}/{name}:2.3.1")).replicas(pods as u64);
        workload = match chain {
            Chain::None => workload,
            Chain::LabelMisplaced => workload.label(USE, "true"),
            _ => workload.opt_in(),
        };
        Entry { namespace, workload, chain, pods }
    }

    fn annotations(&self, entry: &Entry) -> Notes {
        match entry.chain {
            Chain::None | Chain::LabelMisplaced | Chain::AccountWithoutClient => Notes::new(),
            _ => {
                let mut azure = Azure::new(self.seed);
                let client_id = azure.identity(&format!("id-{}", entry.workload.account)).client_id.clone();
                Notes::from([(CLIENT_ID.to_owned(), client_id)])
            }
        }
    }
}

impl Entry {
    fn faults(&self, cluster: &Cluster) -> Vec<Fault> {
        let deployment = |rule, why| Fault {
            rule,
            cluster: Some(cluster.name.to_owned()),
            kind: "Deployment",
            namespace: Some(self.namespace.clone()),
            name: self.workload.name.clone(),
            why,
        };
        match self.chain {
            Chain::None | Chain::Whole => Vec::new(),
            Chain::LabelMisplaced => {
                vec![deployment("AWI101", "the label stands on the Deployment, not on its pod template")]
            }
            Chain::AccountWithoutClient => vec![deployment("AWI203", "its account names no client")],
            Chain::NoCredential => vec![deployment("AWI301", "its identity has no credential at all")],
            Chain::OtherAudience => {
                let why = "the audience is that of another service";
                let credential = Fault {
                    kind: "FederatedIdentityCredential",
                    cluster: None,
                    namespace: None,
                    name: format!("id-{}/big", self.workload.account),
                    ..deployment("AWI307", why)
                };
                vec![deployment("AWI301", why), credential]
            }
        }
    }
}

/// Takes from a pod what no reader of the dump asks for, so that a hundred thousand of them
/// weigh little more than half a gigabyte.
fn thin(pod: &mut Value) {
    const DROPPED: [(&str, &[&str]); 3] = [
        (
            "/spec",
            &[
                "dnsPolicy",
                "preemptionPolicy",
                "priority",
                "schedulerName",
                "securityContext",
                "terminationGracePeriodSeconds",
            ],
        ),
        (
            "/spec/containers/0",
            &[
                "livenessProbe",
                "ports",
                "resources",
                "securityContext",
                "terminationMessagePath",
                "terminationMessagePolicy",
            ],
        ),
        ("/status", &["podIPs", "qosClass"]),
    ];
    for (place, fields) in DROPPED {
        if let Some(object) = pod.pointer_mut(place).and_then(Value::as_object_mut) {
            object.retain(|field, _| !fields.contains(&field.as_str()));
        }
    }
    // Keeps the condition `Ready` alone, of the API access the token alone, and no scratch space.
    for list in ["/spec/volumes", "/spec/containers/0/volumeMounts"] {
        if let Some(list) = pod.pointer_mut(list).and_then(Value::as_array_mut) {
            list.retain(|entry| entry.get("name").and_then(Value::as_str) != Some("tmp"));
        }
    }
    if let Some(conditions) = pod.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
    }
    for volume in pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(sources) = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut) {
            sources.truncate(1);
        }
    }
}

fn namespace_name(number: usize) -> String {
    format!("team-{number:04}")
}
