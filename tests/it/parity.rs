//! Parity: what the policy says of an object at admission is what the audit says of it, byte for
//! byte the same at every door, wherever both know the same: by its settings, or by what is published.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use wiguard::collect::Collected;
use wiguard::read::{Limits, Place, Root, read_all};
use wiguard_policy::Reviewed;
use wiguard_rules::catalogue::{ADMISSION, CATALOGUE};
use wiguard_rules::finding::Severity;
use wiguard_rules::inventory::Tokens;
use wiguard_rules::judge::{Object, judge};
use wiguard_rules::model::{ClusterIx, is_guid};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::{Link, Trust};
use wiguard_tests::case::{collect_path, documents, testdata};
use wiguard_tests::doors::{ApiServer, Clock, Doors};
use wiguard_tests::slices::{config_maps, publish};

static DOORS: LazyLock<Doors> = LazyLock::new(Doors::open);

/// When Azure was asked, and what time it is at the doors.
const COLLECTED: u64 = 1_795_478_400;

/// Rules that need the object alone, or it and its ServiceAccount, or these and what the settings
/// say of credentials: for these the policy has all that the audit has.
///
/// The rest of what judges workloads and ServiceAccounts needs what an admission policy has no
/// business to read, so that it does not know where the audit does: 104 the SecretProviderClasses
/// and stores that serve a pod otherwise, 605 and 606 the keys of Secrets. 206 needs the list of all
/// identities, which is published and in no settings.
const COMPARED: [&str; 22] = [
    "AWI101", "AWI102", "AWI103", "AWI106", "AWI108", "AWI109", "AWI110", "AWI111", "AWI112", "AWI201", "AWI202",
    "AWI203", "AWI204", "AWI205", "AWI206", "AWI301", "AWI303", "AWI501", "AWI601", "AWI603", "AWI707", "AWI902",
];

/// Where the policy knows from what Azure trusts.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Settings,
    Published,
}

/// The JSON of every object of Kubernetes below a folder, by path and line.
pub(crate) fn raw(folder: &Path) -> BTreeMap<(String, u32), Vec<u8>> {
    let roots = [Root::Path(folder.to_path_buf())];
    let outcome = read_all(
        &roots,
        || Box::new(std::io::empty()),
        &Limits::default(),
        |batch| {
            let pieces = batch.pieces().filter(|piece| !matches!(piece.place, Place::Envelope { .. }));
            pieces.map(|piece| (u32::try_from(piece.line).unwrap(), piece.json.to_vec())).collect::<Vec<_>>()
        },
    );
    let results = outcome.results.into_iter();
    results
        .flat_map(|(source, list)| list.into_iter().map(move |(line, json)| ((source.path.clone(), line), json)))
        .collect()
}

/// The settings of the policy in a cluster: its issuer, and all credentials of all identities that
/// trust it. Without the credentials, unless the audit knows that there are no others.
fn settings(collected: &Collected, cluster: ClusterIx) -> Value {
    let inventory = &collected.inventory;
    let Some(issuer) = inventory.clusters[cluster.0 as usize].issuer.as_ref() else { return json!({}) };
    if !inventory.coverage.trust_of.contains(&Tokens::of(issuer)) {
        return json!({"issuer": issuer});
    }
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let mut credentials = Vec::new();
    for identity in &inventory.identities {
        let own = trust.credentials_seen(identity);
        if !own.iter().any(|credential| credential.issuer == *issuer) || !is_guid(identity.client_id.as_str()) {
            continue;
        }
        for credential in own {
            let (Some(subject), [audience]) = (&credential.subject, credential.audiences.as_slice()) else {
                // Settings cannot say it.
                return json!({"issuer": issuer});
            };
            credentials.push(json!({"clientId": identity.client_id, "issuer": credential.issuer, "subject": subject,
                "audience": audience, "name": credential.name, "identity": identity.name}));
        }
    }
    json!({"issuer": issuer, "credentials": credentials})
}

/// A request as a Kubewarden host passes it on; the object goes in as it was read, to the byte.
pub(crate) fn request(object: Object<'_>, raw: &[u8], settings: &Value) -> Vec<u8> {
    let (group, version) = object.api_version().rsplit_once('/').unwrap_or(("", object.api_version()));
    let kind = json!({"group": group, "version": version, "kind": object.kind()});
    let resource =
        json!({"group": group, "version": version, "resource": format!("{}s", object.kind().to_lowercase())});
    let parameters = Parameters::default();
    let name = object.name(&Trust::join(&Default::default(), &parameters));
    let mut request = json!({
        "uid": "1299d386-525b-4032-98ae-1949f69f9cfc", "kind": kind, "resource": resource, "requestKind": kind,
        "requestResource": resource, "name": name, "namespace": object.namespace(), "operation": "CREATE",
        "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "oldObject": null, "dryRun": false, "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    })
    .to_string();
    request.pop();
    let raw = std::str::from_utf8(raw).unwrap();
    format!("{{\"request\":{request},\"object\":{raw}}},\"settings\":{settings}}}").into_bytes()
}

/// What both sides found, to be counted.
#[derive(Default)]
struct Tally {
    objects: usize,
    found: BTreeSet<&'static str>,
}

fn compare(folder: &Path, source: Source, tally: &mut Tally) {
    let mut collected = collect_path(folder, false);
    let raw = raw(folder);
    // Where every identity and all its credentials are listed, whatever trusts an issuer is known.
    let coverage = &mut collected.inventory.coverage;
    let all_listed = coverage.managed_identities
        && coverage.applications
        && collected.inventory.identities.iter().all(|identity| identity.credentials_complete);
    if all_listed {
        let issuers = collected.inventory.clusters.iter().filter_map(|cluster| cluster.issuer.as_ref());
        coverage.trust_of.extend(issuers.map(Tokens::of));
    }
    let inventory = &collected.inventory;
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let json_of = |object: Object<'_>| {
        let place = (collected.paths[object.origin().source as usize].clone(), object.origin().line);
        raw.get(&place).unwrap_or_else(|| panic!("{place:?} is not where it was read"))
    };
    let clusters: BTreeMap<u32, (Arc<ApiServer>, Value)> = (0..u32::try_from(inventory.clusters.len()).unwrap())
        .map(|index| {
            let accounts =
                inventory.service_accounts.iter().filter(|account| account.cluster.0 == index).map(|account| {
                    (account.namespace.clone(), account.name.clone(), json_of(Object::ServiceAccount(account)).clone())
                });
            let cluster = ClusterIx(index);
            let server = ApiServer::with(accounts);
            match source {
                Source::Settings => (index, (Arc::new(server), settings(&collected, cluster))),
                Source::Published => {
                    let maps = config_maps(&publish(inventory, cluster, COLLECTED));
                    let server = server.and_config_maps(maps).at(Clock::At(COLLECTED));
                    (index, (Arc::new(server), json!({"trust": {}})))
                }
            }
        })
        .collect();
    let accounts = inventory.service_accounts.iter().map(Object::ServiceAccount);
    for object in accounts.chain(inventory.workloads.iter().map(Object::Workload)) {
        let (server, settings) = &clusters[&object.cluster().unwrap().0];
        let json = json_of(object);
        let payload = request(object, json, settings);
        DOORS.call("validate", &payload, server);
        let answered = DOORS.call("review", &payload, server);
        let reviewed: Reviewed = serde_json::from_slice(answered.answer.as_ref().unwrap()).unwrap();
        assert_eq!(reviewed.unreadable, None);
        // What is being deleted nobody can mend, and only admission knows that it is asked about that.
        let parsed: Value = serde_json::from_slice(json).unwrap();
        if parsed.pointer("/metadata/deletionTimestamp").is_some() {
            assert_eq!((reviewed.findings.len(), reviewed.unknown.len()), (0, 0));
            continue;
        }
        let place = format!("{} {}/{}", object.kind(), object.namespace(), object.name(&trust));
        let place = format!("{}: {place}", folder.display());
        // What the policy is told of Azure: by the settings the credentials, by what is published all.
        let told: &[&str] = match source {
            Source::Settings if settings.get("credentials").is_some() => &["AWI301", "AWI303"],
            Source::Published if all_listed && trust.issuer(object.cluster().unwrap()).is_ok() => {
                &["AWI206", "AWI301", "AWI303"]
            }
            _ => &[],
        };
        same(object, &trust, &reviewed, &place, told, tally);
        tally.objects += 1;
    }
}

fn same(object: Object<'_>, trust: &Trust<'_>, reviewed: &Reviewed, place: &str, told: &[&str], tally: &mut Tally) {
    let mut audited = BTreeMap::new();
    judge(object, trust, ADMISSION.iter(), |judgement| {
        audited.insert(judgement.rule.id, judgement.outcome);
    });
    let admitted = |id: &str| reviewed.findings.iter().find(|found| found.rule == id);
    for entry in CATALOGUE.iter().filter(|entry| entry.at_admission()) {
        let audit = audited.get(entry.id);
        let found = admitted(entry.id);
        // The policy leaves out what another finding says.
        let covered = entry.rule.yields_to.iter().any(|id| admitted(id).is_some());
        let undecided = reviewed.unknown.iter().any(|unknown| unknown.rule == entry.id);
        // That an operator uses a ServiceAccount's tokens is taken to be so only where it is seen, and
        // a policy cannot see it: 104 may warn of a pod that the audit knows to need no label.
        let served =
            matches!(object, Object::Workload(workload) if matches!(trust.token_requester(workload), Link::Found(_)));
        let unseen = entry.id == "AWI104" && served;
        if !covered && !undecided && !unseen && !matches!(audit, Some(Err(_))) {
            let audit = audit.and_then(|audit| audit.as_ref().ok());
            assert_eq!(
                found.is_some(),
                audit.is_some(),
                "{place}: {}: both know, and the policy says {found:?}, the audit {audit:?}",
                entry.id
            );
        }
        let of_azure = ["AWI206", "AWI301", "AWI303"].contains(&entry.id);
        if COMPARED.contains(&entry.id) && !covered && (!of_azure || told.contains(&entry.id)) {
            let audit = audit.and_then(|audit| audit.as_ref().ok());
            // Principal ids are not published, so that one is to a policy an id that nobody has.
            let severity = |own| if entry.id == "AWI206" { Severity::High } else { own };
            assert_eq!(
                found.map(|found| (found.severity, &found.field)),
                audit.map(|finding| (severity(finding.severity), &finding.field)),
                "{place}: {}: the policy says {found:?}, the audit {audit:?}",
                entry.id
            );
        }
        if found.is_some() {
            tally.found.insert(entry.id);
        }
    }
}

#[test]
fn every_object_of_the_estate_is_judged_alike() {
    let mut tally = Tally::default();
    compare(&testdata("estate"), Source::Settings, &mut tally);
    compare(&testdata("estate"), Source::Published, &mut tally);
    assert!(tally.objects > 800, "{} objects", tally.objects);
    let missed: Vec<&str> = COMPARED.into_iter().filter(|id| !tally.found.contains(id)).collect();
    assert!(missed.is_empty(), "nothing of the estate is found by {missed:?}, which proves nothing of them");
}

#[test]
fn every_object_of_the_documents_is_judged_alike() {
    let mut tally = Tally::default();
    for case in documents().unwrap() {
        compare(&case, Source::Settings, &mut tally);
        compare(&case, Source::Published, &mut tally);
    }
    assert!(tally.objects > 160 && tally.found.len() > 10, "{} objects, {:?}", tally.objects, tally.found);
}
