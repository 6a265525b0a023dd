//! `wiguard scan --azure` against an emulated cloud that was written from what is published of
//! Azure's APIs, without regard to how the scan asks them.

mod bindings;
mod faults;
mod metadata;
mod pace;
mod resume;
mod who;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wiguard_tests::case::testdata;
use wiguard_tests::cloud::{
    Cloud, Cluster, Credential, Estate, Identity, Options, Record, Service, Size, Subscription, Verdict, aks_issuer,
};

use crate::program::{Folder, Ran, command, run};

/// An estate that is read in a moment.
pub(crate) const SMALL: Size = Size { subscriptions: 4, identities: 240, credentials: 6, applications: 45 };

/// Rules by which the made-up estates are flawed.
const FLAWS: [&str; 4] = ["AWI306", "AWI308", "AWI312", "AWI401"];

/// A cloud, and a folder to scan it from.
pub(crate) struct Site {
    pub(crate) cloud: Cloud,
    pub(crate) folder: Folder,
}

/// What a finding says, and of what.
pub(crate) type Found = [String; 5];

// === impl Site ===

impl Site {
    pub(crate) fn new(estate: Estate, options: Options) -> Self {
        Self { cloud: Cloud::start(estate, options), folder: Folder::new() }
    }

    pub(crate) fn made() -> Self {
        Self::new(Estate::made(7, SMALL), Options::default())
    }

    /// The command that scans the cloud with these arguments beside, as a pod would.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut all = vec!["scan".to_owned(), "-o".into(), "json".into()];
        all.extend(self.cloud.arguments());
        if !arguments.contains(&"--azure-rate") {
            all.extend(["--azure-rate".into(), "95".into()]);
        }
        all.extend(arguments.iter().map(ToString::to_string));
        let mut command = command(self.folder.path(), &all);
        self.cloud.workload_identity(&mut command);
        command
    }

    /// Scans the cloud; no secret is told, and nobody else is asked.
    pub(crate) fn scan(&self, arguments: &[&str]) -> Ran {
        self.checked(run(self.command(arguments)))
    }

    pub(crate) fn checked(&self, ran: Ran) -> Ran {
        self.tight(ran.out.as_bytes());
        self.tight(ran.err.as_bytes());
        let elsewhere = self.cloud.record().of(Service::Elsewhere, "");
        assert!(elsewhere.0.is_empty(), "{elsewhere:?}");
        ran
    }

    /// No secret is in it.
    pub(crate) fn tight(&self, text: &[u8]) {
        let leaks = self.cloud.leaks(text);
        assert!(leaks.is_empty(), "{leaks:?} in {}", String::from_utf8_lossy(text));
    }

    /// What a scan of the same estate as `az` prints it finds.
    pub(crate) fn printed(&self) -> Ran {
        let folder = Folder::new();
        self.cloud.estate().print(folder.path()).unwrap();
        folder.run(&["scan", "-o", "json", "."])
    }

    /// The lists of credentials, each of which was asked for once.
    pub(crate) fn lists(&self) -> Record {
        let lists = self.cloud.record().credential_lists();
        let twice: Vec<_> = lists.served().into_iter().filter(|(_, times)| *times > 1).take(3).collect();
        assert!(twice.is_empty(), "asked again for what was given: {twice:?}");
        lists
    }
}

/// The findings of a report.
pub(crate) fn findings(ran: &Ran) -> BTreeSet<Found> {
    let report = ran.report();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = report["findings"].as_array().unwrap().iter().map(|it| {
        let object = &it["object"];
        [&it["rule"], &it["cluster"], &object["namespace"], &object["name"], &it["message"]].map(text)
    });
    found.collect()
}

/// The identities of a report, with how many credentials they have and whether those are all.
pub(crate) fn identities(ran: &Ran) -> BTreeSet<(String, String, u64, bool)> {
    let report = ran.report();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
    let rows = report["identities"].as_array().unwrap().iter().map(|it| {
        let whole = it["credentialsComplete"].as_bool().unwrap();
        (text(&it["clientId"]), text(&it["resourceId"]), it["credentials"].as_u64().unwrap(), whole)
    });
    rows.collect()
}

/// What could not be read, as the report says it: sources and reasons.
pub(crate) fn gaps(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.report();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = report["coverage"].as_array().unwrap().iter().filter(|it| it["status"] != "complete");
    // Other rows say what no source gave, which is nobody's fault.
    rows.map(|it| (text(&it["source"]), text(&it["reason"])))
        .filter(|(source, _)| source.starts_with("azure://"))
        .collect()
}

/// Both found the same in the same identities, and both know that they saw everything.
pub(crate) fn assert_same(live: &Ran, printed: &Ran) {
    let (found, expected) = (findings(live), findings(printed));
    let invented: Vec<_> = found.difference(&expected).take(5).collect();
    let missed: Vec<_> = expected.difference(&found).take(5).collect();
    assert!(invented.is_empty() && missed.is_empty(), "invented {invented:#?}, missed {missed:#?}, {:?}", gaps(live));
    let (seen, known) = (identities(live), identities(printed));
    assert!(seen.iter().all(|it| it.3), "what was read live is known to be all there is");
    // Of a list that is empty a file does not say whose it is.
    let known: BTreeSet<_> = known.into_iter().map(|it| (it.0, it.1, it.2, true)).collect();
    let differing: Vec<_> = seen.symmetric_difference(&known).take(5).collect();
    assert!(differing.is_empty(), "{differing:#?}\n{:?}", gaps(live));
    assert_eq!(live.status, printed.status, "{:?} {}", gaps(live), live.err);
}

/// The estate of `testdata` without its Azure side.
fn clusters_alone(to: &Path) {
    for cluster in ["prod-weu", "prod-neu", "edge-fra", "dev-sandbox"] {
        let mut folders = vec![testdata("estate").join(cluster)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let relative = path.strip_prefix(testdata("estate")).unwrap();
                if path.is_dir() {
                    std::fs::create_dir_all(to.join(relative)).unwrap();
                    folders.push(path);
                } else if !path.ends_with("aks.json") && !path.ends_with("connectedk8s.json") {
                    std::fs::create_dir_all(to.join(relative.parent().unwrap())).unwrap();
                    std::fs::copy(&path, to.join(relative)).unwrap();
                }
            }
        }
    }
}

#[test]
fn the_cloud_behind_the_estate_tells_what_its_files_tell() {
    let site = Site::new(Estate::of_files(&testdata("estate")).unwrap(), Options::default());
    clusters_alone(site.folder.path());
    let live = site.scan(&["."]);
    let printed = Folder::new().run(&["scan", "-o", "json", testdata("estate").to_str().unwrap()]);
    assert_same(&live, &printed);
    assert!(findings(&live).len() > 30);
    assert_eq!(site.lists().count(Verdict::Served), site.cloud.estate().size().0);
}

#[test]
fn a_made_up_estate_brings_the_flaws_that_were_put_into_it() {
    let site = Site::made();
    let live = site.scan(&[]);
    assert_same(&live, &site.printed());
    let flaws: BTreeSet<(String, String)> = findings(&live)
        .into_iter()
        .filter(|it| FLAWS.contains(&it[0].as_str()))
        .map(|[rule, _, _, name, _]| (rule, name))
        .collect();
    let expected = site.cloud.estate().expected();
    assert!(expected.len() > 3);
    assert_eq!(flaws, expected.into_iter().map(|(rule, _, name)| (rule.to_owned(), name)).collect());
    assert_eq!(site.lists().count(Verdict::Served), SMALL.identities);
    let throttled = site.cloud.record().count(Verdict::Throttled);
    assert!(throttled <= 3, "{throttled} requests were too many");
}

#[test]
fn small_pages_change_nothing() {
    let site = Site::new(Estate::made(7, SMALL), Options { page: 4, rows: 7, applications: 4, ..Options::default() });
    assert_same(&site.scan(&[]), &site.printed());
    let pages: usize = site.lists().count(Verdict::Served);
    assert!(pages >= 2 * SMALL.identities, "six credentials are two pages of four: {pages}");
}

#[test]
fn flexible_credentials_and_connected_clusters_are_read_whole() {
    let mut estate = Estate::of_tenant("aaaaaaaa-1111-4111-8111-111111111111", "T");
    let id = "bbbbbbbb-2222-4222-8222-222222222222";
    let aks = aks_issuer("westeurope", &estate.tenants[0].id, "cccccccc-3333-4333-8333-333333333333");
    let arc = "https://europe.oic.prod-arc.azure.com/aaaaaaaa-1111-4111-8111-111111111111/dddddddd-4444-4444-8444-444444444444/";
    estate.subscriptions.push(Subscription {
        id: id.into(),
        identities: vec![
            Identity::new(
                "flexible",
                "rg",
                vec![Credential::flexible("all", &aks, "claims['sub'] matches 'system:serviceaccount:shop:*'")],
            ),
            Identity::new("default", "rg", vec![Credential::new("edge", arc, "system:serviceaccount:shop:default")]),
            Identity::new("none", "rg", Vec::new()),
        ],
        clusters: vec![Cluster::new(id, "prod", false, &aks), Cluster::new(id, "edge", true, arc)],
        ..Subscription::default()
    });
    let site = Site::new(estate, Options::default());
    let live = site.scan(&[]);
    assert_same(&live, &site.printed());
    assert_eq!(live.report()["summary"]["clusters"], 2);
    let rules: Vec<String> = findings(&live).into_iter().map(|it| it[0].clone()).collect();
    assert_eq!(rules, ["AWI309", "AWI312"]);
}

#[test]
fn an_owner_of_a_subscription_is_found_with_or_without_resource_graph() {
    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    for queries in [true, false] {
        let mut estate = Estate::made(7, SMALL);
        let subscription = &mut estate.subscriptions[2];
        let owner = subscription.identities[9].principal_id.clone();
        subscription.roles = vec![(owner, OWNER.into()), ("somebody".into(), OWNER.into())];
        let name = subscription.identities[9].name.clone();
        let site = Site::new(estate, Options { queries, ..Options::default() });
        let live = site.scan(&[]);
        assert_same(&live, &site.printed());
        let found: Vec<String> =
            findings(&live).into_iter().filter(|it| it[0] == "AWI407").map(|it| it[3].clone()).collect();
        assert_eq!(found, [name]);
    }
}

#[test]
fn without_resource_graph_each_subscription_is_asked_by_itself() {
    let site = Site::new(Estate::made(7, SMALL), Options { queries: false, ..Options::default() });
    assert_same(&site.scan(&[]), &site.printed());
}

#[test]
fn a_cloud_that_lags_behind_is_asked_in_its_versions() {
    let site = Site::new(Estate::made(7, SMALL), Options { newest: "2025-01-01", ..Options::default() });
    assert_same(&site.scan(&[]), &site.printed());
}

#[test]
fn nothing_secret_is_in_any_form_of_report() {
    let site = Site::made();
    let ran = site.scan(&["--cache", "cache", "-o", "csv=csv", "-o", "ndjson=report.ndjson", "-o", "table=report.txt"]);
    assert!(ran.status == 1, "{ran:?}");
    site.cloud.fault(wiguard_tests::cloud::Fault::on(
        Service::Manager,
        "subscriptions",
        wiguard_tests::cloud::What::Refused,
    ));
    let refused = site.scan(&["-o", "table=refused.txt"]);
    assert_eq!(refused.status, 3, "{refused:?}");
    let (mut folders, mut files) = (vec![site.folder.path().to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                site.tight(&std::fs::read(&path).unwrap());
                files += 1;
            }
        }
    }
    assert!(files > 8, "{files}");
}
