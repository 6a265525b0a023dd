//! The trust inventory as it is published: its shape, its bytes, what makes it incomplete, and for
//! which cluster it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config as Runs;
use serde_json::{Value, json};
use wiguard::collect::Collected;
use wiguard::policy::trust::{Cut, NAMESPACE};
use wiguard::read::{Limits, Root, read_all};
use wiguard_policy::Reviewed;
use wiguard_rules::catalogue::ADMISSION;
use wiguard_rules::inventory::{Inventory, Tokens};
use wiguard_rules::judge::{Object, judge};
use wiguard_rules::model::ClusterIx;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::{Trust, Unknown};
use wiguard_tests::case::{collect_path, testdata};
use wiguard_tests::doors::{ApiServer, Clock};
use wiguard_tests::loss::{Loss, losses, without};

use crate::parity::{raw, request};
use crate::program::{Folder, Ran, command, run};

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata");
const AT: &str = "2026-11-24T03:00:00Z";

/// Runs `policy trust` in `testdata`.
fn trust(arguments: &[&str]) -> Ran {
    run(command(Path::new(TESTDATA), &[&["policy", "trust"], arguments].concat()))
}

/// The ConfigMaps in a file or folder, by name: key and content.
pub(crate) fn published(path: &Path) -> BTreeMap<String, (String, Value)> {
    let roots = [Root::Path(path.to_path_buf())];
    let outcome = read_all(
        &roots,
        || Box::new(std::io::empty()),
        &Limits::default(),
        |batch| batch.pieces().map(|piece| piece.json.to_vec()).collect::<Vec<_>>(),
    );
    assert!(outcome.defects.is_empty(), "{:?}", outcome.defects);
    let objects = outcome.results.into_iter().flat_map(|(_, objects)| objects);
    objects
        .map(|object| {
            let object: Value = serde_json::from_slice(&object).unwrap();
            let metadata = &object["metadata"];
            let labels = json!({"app.kubernetes.io/component": "trust", "app.kubernetes.io/managed-by": "wiguard"});
            assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("v1"), &json!("ConfigMap")), "{object}");
            assert_eq!(metadata["labels"], labels);
            let data = object["data"].as_object().unwrap();
            assert_eq!(data.len(), 1, "{object}");
            let (key, text) = data.iter().next().unwrap();
            let content = serde_json::from_str(text.as_str().unwrap()).unwrap();
            (metadata["name"].as_str().unwrap().to_owned(), (key.clone(), content))
        })
        .collect()
}

#[test]
fn the_small_estate_is_published() {
    let ran = trust(&["small", "--managed-identities-only", "--collected", AT]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    // One of the sixteen that hold client ids is as good as another.
    let documents: Vec<&str> = ran.out.split("---\n").collect();
    let shown =
        documents.iter().filter(|text| ["clients.5", "clients.b", "trust."].iter().any(|name| text.contains(name)));
    insta::assert_snapshot!("small", shown.copied().collect::<String>());
    assert_eq!(documents.len(), 1 + 16 + 1);
}

#[test]
fn every_cluster_of_the_estate_gets_what_is_its_own() {
    for cluster in ["prod-weu", "prod-neu", "edge-fra", "dev-sandbox"] {
        let folder = Folder::new();
        let out = folder.path().join("out");
        let ran = trust(&[
            "estate",
            "--cluster",
            cluster,
            "--collected",
            AT,
            "-n",
            "guard",
            "-o",
            &out.display().to_string(),
        ]);
        assert!(ran.status == 0 && ran.out.is_empty(), "{ran:?}");
        let stream = trust(&["estate", "--cluster", cluster, "--collected", AT, "-n", "guard"]).out;
        folder.write("stream.yaml", &stream);
        let published = published(&out);
        assert_eq!(published, self::published(&folder.path().join("stream.yaml")), "one by one and as a stream");
        assert_eq!(out.read_dir().unwrap().count(), published.len());
        assert_eq!(stream.matches("\n  namespace: guard\n").count(), published.len());

        let issuer = issuer_of(cluster);
        let mut namespaces = 0;
        for (name, (key, content)) in &published {
            assert_eq!(content["collected"], 1_795_489_200_u64);
            assert_eq!(content["complete"], true, "{name}");
            if let Some(digit) = name.strip_prefix("clients.") {
                assert_eq!((key.as_str(), &content["schema"]), ("clients.json", &json!("wiguard.clients/v1")));
                let ids: Vec<&str> =
                    content["clientIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
                assert!(ids.is_sorted() && ids.iter().all(|id| id.starts_with(digit) && id.len() == 36), "{name}");
                continue;
            }
            namespaces += 1;
            assert_eq!((key.as_str(), &content["schema"]), ("trust.json", &json!("wiguard.trust/v1")));
            assert_eq!((&content["cluster"], &content["issuer"]), (&json!(cluster), &json!(issuer)));
            assert_eq!(json!(name.strip_prefix("trust.").unwrap()), content["namespace"]);
            for identity in content["identities"].as_array().unwrap() {
                members(identity, &["clientId", "name", "kind", "id", "complete", "credentials"], &["tenantId"]);
                let digit = &identity["clientId"].as_str().unwrap()[..1];
                let (_, clients) = &published[&format!("clients.{digit}")];
                assert!(clients["clientIds"].as_array().unwrap().contains(&identity["clientId"]), "{identity}");
                for credential in identity["credentials"].as_array().unwrap() {
                    members(credential, &["name", "issuer", "audiences"], &["subject", "expression"]);
                }
            }
        }
        assert!(namespaces > 3, "{cluster} has {namespaces} namespaces");
    }
}

fn members(value: &Value, must: &[&str], may: &[&str]) {
    let found: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(must.iter().all(|name| found.contains(name)), "{value}");
    assert!(found.iter().all(|name| must.contains(name) || may.contains(name)), "{value}");
}

fn issuer_of(cluster: &str) -> String {
    let file =
        ["aks.json", "connectedk8s.json"].map(|name| Path::new(TESTDATA).join("estate").join(cluster).join(name));
    let text = file.iter().find_map(|file| std::fs::read_to_string(file).ok()).unwrap();
    let profile: Value = serde_json::from_str(&text).unwrap();
    let issuer = ["selfHostedIssuerUrl", "issuerUrl"]
        .map(|name| profile["oidcIssuerProfile"][name].as_str().unwrap_or_default());
    issuer.into_iter().find(|issuer| !issuer.is_empty()).unwrap().to_owned()
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let at = |arguments: &[&str]| {
        let common = ["--cluster", "prod-weu", "--collected", AT];
        let mut command =
            command(&Path::new(TESTDATA).join("estate"), &[&["policy", "trust"], arguments, &common].concat());
        command.env("RAYON_NUM_THREADS", if arguments.len() > 1 { "1" } else { "4" });
        run(command).out
    };
    let whole = at(&["."]);
    assert!(whole.len() > 10_000);
    assert_eq!(whole, at(&["prod-weu", "azure", "prod-neu"]), "other clusters do not matter, nor does the order");
    assert_eq!(whole, at(&["azure", "prod-weu"]));
}

#[test]
fn which_cluster_is_asked() {
    let refused = |arguments: &[&str], says: &str| {
        let ran = trust(arguments);
        assert!(ran.status == 2 && ran.out.is_empty() && ran.err.contains(says), "{says}: {ran:?}");
    };
    let names = "say one of --cluster dev-sandbox, --cluster edge-fra, --cluster prod-neu, --cluster prod-weu";
    refused(&["estate"], &format!("which cluster is it for? {names}"));
    refused(&["estate", "--cluster", "prod"], &format!("no source describes a cluster `prod`; {names}"));
    refused(
        &["estate", "--issuer", "https://x.example"],
        "no cluster that is described has the issuer https://x.example",
    );
    refused(&["estate", "--issuer", "https://x.example", "--cluster", "prod-weu"], "cannot be used with");
    refused(&["estate/azure"], "no source says the issuer of a cluster; put the output of");
    refused(&["small", "-n", "Not a namespace"], "expected the name of a namespace");
    refused(&["small", "--collected", "yesterday"], "expected a moment after 1970");
    refused(&["small", "--prune"], "--apply");

    let issuer = issuer_of("prod-weu");
    let by_name = trust(&["estate", "--cluster", "prod-weu", "--collected", AT]);
    assert_eq!(trust(&["estate", "--issuer", &issuer, "--collected", AT]).out, by_name.out);

    let folder = Folder::of(&[
        ("prod/a.json", &discovery("https://one.example/")),
        ("other/prod/a.json", &discovery("https://two.example/")),
    ]);
    let ran = folder.run(&["policy", "trust", ".", "--cluster", "prod"]);
    assert!(
        ran.status == 2
            && ran.err.contains("sources contradict each other: cluster `prod` has the issuer")
            && ran.err.contains("https://one.example/"),
        "{ran:?}"
    );

    // Objects that nothing ties to a cluster are of the one that is named, by name or by issuer.
    let folder =
        Folder::of(&[("sa.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: shop}\n")]);
    let ran = folder.run(&["policy", "trust", "sa.yaml", "--issuer", "https://one.example/"]);
    assert!(ran.status == 3 && ran.out.contains("name: trust.shop\n"), "{ran:?}");
    folder.write("oidc/prod/a.json", discovery("https://one.example/"));
    let ran = folder.run(&["policy", "trust", ".", "--cluster", "prod=sa.yaml"]);
    assert!(ran.status == 3 && ran.out.contains("name: trust.shop\n"), "{ran:?}");
    let ran = folder.run(&["policy", "trust", ".", "--cluster", "prod"]);
    assert!(!ran.out.contains("name: trust.shop\n") && ran.err.contains("sa.yaml"), "and said if it is not: {ran:?}");
}

fn discovery(issuer: &str) -> String {
    json!({"issuer": issuer, "jwks_uri": format!("{issuer}openid/v1/jwks")}).to_string()
}

#[test]
fn what_is_missing_is_said() {
    let ran = trust(&["small"]);
    assert_eq!(ran.status, 3);
    assert!(
        ran.err.contains("warning: not all app registrations were listed: give the output of `az ad app list --all`"),
        "{ran:?}"
    );
    assert!(ran.out.contains("\"complete\":false,\"identities\""), "{ran:?}");

    let folder = Folder::new();
    let small = |name: &str| std::fs::read_to_string(Path::new(TESTDATA).join("small").join(name)).unwrap();
    for name in ["aks.json", "identities.json", "shop.yaml", "credentials/id-cart.json", "credentials/id-mail.json"] {
        folder.write(name, small(name));
    }
    let at = |says: &str| {
        let ran = folder.run(&["policy", "trust", ".", "--managed-identities-only"]);
        assert_eq!((ran.status, ran.out.contains("\"complete\":false,\"identities\"")), (3, true), "{ran:?}");
        assert!(ran.err.contains(says), "{says}: {ran:?}");
        ran
    };
    folder.write("broken.json", "{");
    at("broken.json:1: ends inside the object");
    assert!(!at("broken.json").out.contains("\"complete\":true,\"clientIds\""));
    std::fs::remove_file(folder.path().join("broken.json")).unwrap();
    assert_eq!(folder.run(&["policy", "trust", ".", "--managed-identities-only"]).status, 0);

    // Two descriptions of one credential that are not alike.
    let older = small("credentials/id-cart.json").replace("shop:cart", "shop:trolley");
    assert_ne!(older, small("credentials/id-cart.json"));
    folder.write("older/id-cart.json", older);
    let ran = at("older/id-cart.json:");
    assert!(ran.err.contains("says otherwise of credential") && ran.err.contains("of identity `id-cart`"), "{ran:?}");
    std::fs::remove_dir_all(folder.path().join("older")).unwrap();

    std::fs::remove_file(folder.path().join("credentials/id-mail.json")).unwrap();
    at("not all credentials were listed of identity `id-mail`");
}

#[test]
fn it_is_as_old_as_the_oldest_source_that_describes_azure() {
    let folder = Folder::new();
    let day = |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400);
    for (name, written) in [
        ("aks.json", 1),
        ("shop.yaml", 2),
        ("identities.json", 30),
        ("credentials/id-cart.json", 20),
        ("credentials/id-mail.json", 10),
    ] {
        let path = folder.write(name, std::fs::read(Path::new(TESTDATA).join("small").join(name)).unwrap());
        File::options().write(true).open(path).unwrap().set_modified(day(written)).unwrap();
    }
    let collected = |arguments: &[&str]| {
        let ran = folder.run(&[&["policy", "trust", "--managed-identities-only", "-o", "out"], arguments].concat());
        assert!(ran.status == 0 || ran.status == 3, "{ran:?}");
        published(&folder.path().join("out"))["trust.shop"].1["collected"].as_u64().unwrap()
    };
    // The list of the identity without credentials holds nothing, and ages all the same.
    let sources = ["aks.json", "shop.yaml", "identities.json", "credentials"];
    assert_eq!(collected(&sources), 10 * 86_400);
    assert_eq!(collected(&["aks.json", "shop.yaml", "identities.json"]), 30 * 86_400);
    assert_eq!(collected(&[&sources[..], &["--collected", AT]].concat()), 1_795_489_200);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let small = Path::new(TESTDATA).join("small");
    let piped = folder.pipe(
        &["policy", "trust", "--managed-identities-only", "aks.json", "shop.yaml", "-"],
        &std::fs::read(small.join("identities.json")).unwrap(),
    );
    folder.write("piped.yaml", &piped.out);
    let collected = published(&folder.path().join("piped.yaml"))["trust.shop"].1["collected"].as_u64().unwrap();
    assert!((now..now + 60).contains(&collected), "{collected}");
}

#[test]
fn a_place_that_cannot_be_written_to_is_said() {
    let folder = Folder::of(&[("file", "")]);
    let small = Path::new(TESTDATA).join("small").display().to_string();
    let ran = folder.run(&["policy", "trust", &small, "-o", "file"]);
    assert!(ran.status == 4 && ran.err.contains("error: could not write to `file`"), "{ran:?}");
}

// --- what is published says what the audit says

/// Rules that need to know what Azure trusts.
const OF_AZURE: [&str; 3] = ["AWI206", "AWI301", "AWI303"];
/// When the estate's inventory is published, and read.
const COLLECTED: u64 = 1_795_489_200;

struct Estate {
    collected: Collected,
    raw: BTreeMap<(String, u32), Vec<u8>>,
    losses: Vec<Loss>,
}

static ESTATE: LazyLock<Estate> = LazyLock::new(|| {
    let folder = testdata("estate");
    let mut collected = collect_path(&folder, false);
    // Every identity is listed with all its credentials: whatever trusts an issuer is known.
    let issuers = collected.inventory.clusters.iter().filter_map(|cluster| cluster.issuer.as_ref());
    let known: Vec<Tokens> = issuers.map(Tokens::of).collect();
    collected.inventory.coverage.trust_of.extend(known);
    let losses = losses(&collected.inventory);
    Estate { collected, raw: raw(&folder), losses }
});

/// What is found, severity and place and words, or what would have to be known.
type Said = Result<(String, String, String), ()>;

impl Estate {
    fn json(&self, object: Object<'_>) -> &[u8] {
        &self.raw[&(self.collected.paths[object.origin().source as usize].clone(), object.origin().line)]
    }

    /// A cluster with what is published of an inventory, which is this estate's or less.
    fn server(&self, inventory: &Inventory, cluster: ClusterIx) -> ApiServer {
        let accounts = inventory.service_accounts.iter().filter(|account| account.cluster == cluster);
        let accounts = accounts.map(|account| {
            let json = self.json(Object::ServiceAccount(account)).to_vec();
            (account.namespace.clone(), account.name.clone(), json)
        });
        let mut maps = Vec::new();
        if let Some(issuer) = &inventory.clusters[cluster.0 as usize].issuer {
            let members = [cluster];
            let cut = Cut { collected: COLLECTED, ..Cut::new(inventory, &members, issuer) };
            maps = cut.slices().maps;
        }
        let maps = maps.into_iter().map(|map| {
            let metadata = json!({"name": map.name, "namespace": NAMESPACE});
            let object =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {map.key: map.json}});
            (NAMESPACE.to_owned(), map.name, object.to_string().into_bytes())
        });
        ApiServer::with(accounts).and_config_maps(maps).at(Clock::At(COLLECTED))
    }

    /// What the policy says of an object by the rules that need Azure.
    fn admitted(&self, object: Object<'_>, server: &ApiServer) -> BTreeMap<String, Said> {
        let payload = request(object, self.json(object), &json!({"trust": {}}));
        let reviewed: Reviewed = serde_json::from_slice(&server.native("review", &payload).unwrap()).unwrap();
        let found = reviewed
            .findings
            .into_iter()
            .map(|found| (found.rule, Ok((found.severity.as_str().to_owned(), found.field, found.message))));
        let unknown = reviewed.unknown.into_iter().map(|unknown| (unknown.rule, Err(())));
        found.chain(unknown).filter(|(rule, _)| OF_AZURE.contains(&rule.as_str())).collect()
    }

    /// What the audit says.
    fn audited(&self, object: Object<'_>, trust: &Trust<'_>) -> BTreeMap<String, Said> {
        let mut said = BTreeMap::new();
        judge(object, trust, ADMISSION.iter().filter(|entry| OF_AZURE.contains(&entry.id)), |judgement| {
            let outcome = judgement.outcome.map_err(|Unknown(_)| ());
            let outcome = outcome.map(|found| (found.severity.as_str().to_owned(), found.field, found.message));
            said.insert(judgement.rule.id.to_owned(), outcome);
        });
        said
    }

    fn is_deleting(&self, object: Object<'_>) -> bool {
        let json: Value = serde_json::from_slice(self.json(object)).unwrap();
        json.pointer("/metadata/deletionTimestamp").is_some()
    }
}

/// What is said but for the words: whose principal id a client id is, say, is not published.
fn without_words(said: &BTreeMap<String, Said>) -> BTreeMap<&str, Result<(&str, &str), ()>> {
    fn short(said: &Said) -> Result<(&str, &str), ()> {
        match said {
            Ok((severity, field, _)) => Ok((severity, field)),
            Err(()) => Err(()),
        }
    }
    said.iter().map(|(rule, said)| (rule.as_str(), short(said))).collect()
}

/// Workloads and ServiceAccounts.
fn judged(inventory: &Inventory) -> impl Iterator<Item = Object<'_>> {
    let accounts = inventory.service_accounts.iter().map(Object::ServiceAccount);
    accounts.chain(inventory.workloads.iter().map(Object::Workload))
}

#[test]
fn with_what_is_published_the_policy_says_what_the_audit_says() {
    let estate = &*ESTATE;
    let inventory = &estate.collected.inventory;
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let servers: Vec<ApiServer> =
        (0..).map(ClusterIx).zip(&inventory.clusters).map(|(index, _)| estate.server(inventory, index)).collect();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for object in judged(inventory).filter(|object| !estate.is_deleting(*object)) {
        let admitted = estate.admitted(object, &servers[object.cluster().unwrap().0 as usize]);
        let audited = estate.audited(object, &trust);
        let place = format!("{} {}/{}", object.kind(), object.namespace(), object.name(&trust));
        // Where an identity is of another tenant, or a variable is set elsewhere, both do not know.
        assert_eq!(without_words(&admitted), without_words(&audited), "{place}");
        for (rule, said) in admitted.iter().filter(|(rule, _)| *rule != "AWI206") {
            assert_eq!(Some(said), audited.get(rule), "{place}");
        }
        admitted
            .into_iter()
            .filter(|(_, said)| said.is_ok())
            .for_each(|(rule, _)| *found.entry(rule).or_default() += 1);
    }
    assert!(OF_AZURE.iter().all(|rule| found.get(*rule).is_some_and(|count| *count > 0)), "{found:?}");
}

proptest! {
    #![proptest_config(Runs { cases: 24, failure_persistence: None, ..Runs::default() })]

    /// Whatever was not read, nobody is accused who would not be if all had been read.
    #[test]
    fn what_is_published_of_less_accuses_nobody(
        lost in prop::collection::vec(any::<Index>(), 0..12),
        cluster in 0_u32..4,
        start in any::<Index>(),
    ) {
        let estate = &*ESTATE;
        let lost: Vec<Loss> = lost.iter().map(|index| index.get(&estate.losses).clone()).collect();
        let rest = without(&estate.collected.inventory, &lost).inventory;
        let parameters = Parameters::default();
        let (less, all) = (Trust::join(&rest, &parameters), Trust::join(&estate.collected.inventory, &parameters));
        let cluster = ClusterIx(cluster);
        let server = estate.server(&rest, cluster);
        let objects: Vec<Object<'_>> = judged(&rest).filter(|object| object.cluster() == Some(cluster)).collect();
        prop_assume!(!objects.is_empty());
        let from = start.index(objects.len());
        for object in objects.iter().cycle().skip(from).take(60).filter(|object| !estate.is_deleting(**object)) {
            let (admitted, audited) = (estate.admitted(*object, &server), estate.audited(*object, &less));
            let whole = estate.audited(*object, &all);
            let place = format!("{} {}/{} without {lost:?}", object.kind(), object.namespace(), object.name(&less));
            for rule in OF_AZURE {
                match (admitted.get(rule), audited.get(rule)) {
                    (Some(Err(())), _) | (_, Some(Err(()))) => {}
                    (admitted, audited) => prop_assert_eq!(admitted.is_some(), audited.is_some(), "{}: {}", place, rule),
                }
                if let Some(Ok(found)) = admitted.get(rule) {
                    prop_assert!(matches!(whole.get(rule), Some(Ok(_))), "{}: {}: {:?}", place, rule, found);
                }
            }
        }
    }
}
