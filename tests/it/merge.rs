//! Fleets: snapshots of many clusters side by side, in whatever order, with what is missing named.

use std::fs;

use serde_json::json;
use wiguard::collect::{Feed, Gap, Gone, Missing, Proof, Resource};
use wiguard::snapshot::{Header, Part};
use wiguard_rules::model::{Identity, IdentityKind, Origin};

use crate::program::{Folder, KNOWN, Ran};
use crate::snapshot::{cluster, collected, dangling, manifest, snapshot_of};

fn header(begun: u64) -> Header {
    Header { begun, ..Header::default() }
}

fn shard(number: u32, of: u32) -> Header {
    Header { shard: Some(Part { number, of }), ..header(1_790_000_000) }
}

/// A fleet of two clusters, each in a snapshot of its own.
fn fleet() -> Folder {
    let folder = Folder::new();
    folder.write("fleet/a.gz", snapshot_of(header(1_790_000_000), &cluster("prod", 1_790_000_000)));
    folder.write("fleet/b.gz", snapshot_of(header(1_790_000_500), &cluster("test", 1_790_000_500)));
    folder
}

/// What a report says apart from the files it was read of.
fn told(ran: &Ran) -> serde_json::Value {
    let mut report = ran.report();
    report["coverage"].as_array_mut().unwrap().retain(|row| !row["source"].as_str().unwrap().ends_with(".gz"));
    report
}

#[test]
fn a_fleet_becomes_one_snapshot_whatever_the_order() {
    let folder = fleet();
    assert_eq!(folder.run(&["merge", "fleet/a.gz", "fleet/b.gz", "-o", "ab.gz"]).status, 0);
    assert_eq!(folder.run(&["merge", "fleet/b.gz", "fleet/a.gz", "fleet/b.gz", "-o", "ba.gz"]).status, 0);
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(bytes("ab.gz"), bytes("ba.gz"));
    assert_eq!(folder.run(&["merge", "ab.gz", "-o", "again.gz"]).status, 0);
    assert_eq!(bytes("ab.gz"), bytes("again.gz"), "what is merged stays so");

    let direct = folder.run(&["scan", "fleet", "-o", "json"]);
    assert_eq!(direct.report()["summary"]["clusters"], 2, "{direct:?}");
    assert_eq!(told(&folder.run(&["scan", "ab.gz", "-o", "json"])), told(&direct));
    let report = folder.run(&["merge", "fleet", "-o", "json", "-o", "csv=sheets", "-o", "fleet.gz"]);
    assert_eq!((report.status, told(&report)), (direct.status, told(&direct)));
    assert_eq!(bytes("fleet.gz"), bytes("ab.gz"));
    assert!(folder.read("sheets/coverage.csv").contains("2026-09-21T14:13:20Z"));
}

#[test]
fn of_the_same_cluster_the_newer_counts_as_a_whole() {
    let folder = fleet();
    let mut older = cluster("prod", 1_780_000_000);
    // By another name it is the same cluster, and what it held then is gone.
    older.iter_mut().for_each(|feed| feed.cluster.as_mut().unwrap().name = "former".into());
    let mut gone = older[0].clone();
    if let wiguard_rules::manifest::Manifest::Workload(workload) = &mut gone.manifests[0] {
        workload.name = "gone".into();
    }
    older.push(gone);
    folder.write("fleet/0.gz", snapshot_of(header(1_780_000_000), &older));
    for order in [["fleet/0.gz", "fleet/a.gz"], ["fleet/a.gz", "fleet/0.gz"]] {
        let ran = folder.run(&["scan", order[0], order[1], "-o", "json"]);
        let report = ran.report();
        assert_eq!(
            (&report["summary"]["clusters"], &report["summary"]["workloads"]),
            (&1.into(), &1.into()),
            "{ran:?}"
        );
        let (_, reason) = ran.coverage("cluster former");
        assert!(reason.contains("2026-09-21T14:13:20Z counts") && reason.contains("left out as a whole"), "{reason}");
    }
    // It is said again by whoever reads what was merged.
    assert_eq!(folder.run(&["merge", "fleet", "-o", "all.gz"]).status, 0);
    let (_, reason) = folder.run(&["scan", "all.gz", "-o", "json"]).coverage("cluster former");
    assert!(reason.contains("left out as a whole"), "{reason}");
}

#[test]
fn a_newer_attempt_that_read_nothing_does_not_hide_what_was_read() {
    let folder = fleet();
    let mut failed = cluster("prod", 1_791_000_000).remove(0);
    failed.manifests.clear();
    failed.proofs.clear();
    failed.cluster.as_mut().unwrap().uid.clear();
    failed.gaps.push(wiguard::collect::Gap {
        path: "kube://prod".into(),
        line: None,
        reason: "could not be reached".into(),
        extent: wiguard::collect::Missing::All,
    });
    folder.write("fleet/z.gz", snapshot_of(header(1_791_000_000), &[failed]));
    let ran = folder.run(&["scan", "fleet", "-o", "json"]);
    assert_eq!((ran.status, &ran.report()["summary"]["workloads"]), (3, &2.into()), "{ran:?}");
    assert!(ran.coverage("kube://prod").1.contains("could not be reached"));
}

fn lack(path: &str) -> Gap {
    Gap { path: path.into(), line: None, reason: "is forbidden".into(), extent: Missing::Part }
}

/// A cluster that told nothing of itself but its name.
fn nameless(name: &str, issuer: Option<&str>, at: u64) -> Vec<Feed> {
    let mut feeds = cluster("prod", at);
    for home in feeds.iter_mut().filter_map(|feed| feed.cluster.as_mut()) {
        (home.name, home.uid, home.issuer) = (name.into(), String::new(), issuer.map(Into::into));
    }
    feeds
}

#[test]
fn clusters_that_nothing_tells_apart_are_both_kept() {
    for (name, issuers, workloads) in [
        ("in-cluster", [None, None], 2),
        ("in-cluster", [Some("https://one.example/"), Some("https://other.example/")], 2),
        ("in-cluster", [Some("https://one.example/"), Some("https://one.example/")], 1),
        ("kubernetes-admin@kubernetes", [Some("https://kubernetes.default.svc.cluster.local"), None], 2),
        ("prod-weu", [None, None], 1),
    ] {
        let folder = Folder::new();
        for (at, issuer) in (1_790_000_000..).zip(issuers) {
            folder.write(&format!("fleet/{at}.gz"), snapshot_of(header(at), &nameless(name, issuer, at)));
        }
        let ran = folder.run(&["scan", "fleet", "-o", "json"]);
        assert_eq!(ran.report()["summary"]["workloads"], workloads, "{name} {issuers:?}: {ran:?}");
        if issuers == [None, None] && workloads == 2 {
            assert!(ran.coverage("cluster in-cluster").1.contains("--kube-name"), "{ran:?}");
            assert_ne!(folder.run(&["merge", "fleet", "-o", "all.gz"]).status, 4);
            let merged = folder.run(&["scan", "all.gz", "-o", "json"]);
            assert_eq!(merged.report()["summary"]["workloads"], 2, "what is merged stays so: {merged:?}");
        }
    }
}

#[test]
fn a_cluster_that_could_not_be_told_is_not_taken_for_one_that_could() {
    let folder = Folder::new();
    let mut known = cluster("prod", 1_790_000_000);
    known.iter_mut().for_each(|feed| feed.cluster.as_mut().unwrap().name = "in-cluster".into());
    folder.write("fleet/a.gz", snapshot_of(header(1_790_000_000), &known));
    folder.write("fleet/b.gz", snapshot_of(header(1_790_000_100), &nameless("in-cluster", None, 1_790_000_100)));
    let ran = folder.run(&["scan", "fleet", "-o", "json"]);
    assert_eq!(ran.report()["summary"]["workloads"], 2, "{ran:?}");
}

#[test]
fn a_night_without_rights_does_not_blank_a_cluster() {
    for (later, workloads) in [(3_600, 1), (200_000, 0)] {
        let folder = Folder::new();
        let at = 1_790_000_000 + later;
        let mut poor = vec![cluster("prod", at).remove(2)];
        poor[0].gaps.push(lack("kube://prod/deployments"));
        folder.write("fleet/a.gz", snapshot_of(header(1_790_000_000), &cluster("prod", 1_790_000_000)));
        folder.write("fleet/b.gz", snapshot_of(header(at), &poor));
        let ran = folder.run(&["scan", "fleet", "-o", "json"]);
        assert_eq!((ran.status, &ran.report()["summary"]["workloads"]), (3, &workloads.into()), "{later}: {ran:?}");
        assert!(ran.coverage("cluster prod").1.contains("not all of it could be read"), "{later}: {ran:?}");
        assert!(ran.coverage("kube://prod/deployments").1.contains("is forbidden"), "{later}: {ran:?}");
    }
}

#[test]
fn a_subscription_is_of_one_moment() {
    let folder = Folder::new();
    let older = dangling().pop().unwrap();
    let feed = |part: &str| Feed { source: format!("azure://s/{part}"), at: 1_791_000_000, ..Feed::default() };
    let newer = [
        Feed { proofs: vec![Proof::ManagedIdentities { subscription: "s".into() }], ..feed("identities") },
        Feed { gaps: vec![lack("azure://s/credentials")], ..feed("credentials") },
    ];
    let paths = [
        folder.write("a.gz", snapshot_of(header(1_790_000_000), &[older])),
        folder.write("b.gz", snapshot_of(header(1_791_000_000), &newer)),
    ];
    assert_eq!(collected(&[&paths[0]]).inventory.credentials.len(), 1);
    let both = collected(&[&paths[0], &paths[1]]);
    assert!(both.inventory.credentials.is_empty(), "those of another moment: {:?}", both.inventory.credentials);
    assert!(both.gaps.iter().any(|gap| gap.reason.contains("left out as a whole")), "{:?}", both.gaps);
}

#[test]
fn what_went_while_one_was_read_is_not_taken_from_another() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"containers": [{"name": "c"}]}});
    let feed = || Feed { source: "kube://shared/pods".into(), at: 1_790_000_000, ..Feed::default() };
    let seen = Feed { manifests: vec![manifest(&pod)], ..feed() };
    let gone = Feed { gone: vec![Gone { namespace: "shop".into(), name: "cart".into() }], ..feed() };
    let folder = Folder::new();
    let one = folder.write("1.gz", snapshot_of(shard(1, 2), std::slice::from_ref(&seen)));
    let two = folder.write("2.gz", snapshot_of(shard(2, 2), &[seen, gone]));
    assert_eq!(collected(&[&two]).inventory.workloads.len(), 0);
    assert_eq!(collected(&[&one, &two]).inventory.workloads.len(), 1);
}

#[test]
fn a_part_of_another_run_does_not_stand_in() {
    let part =
        |number, begun, run: &str| Header { shard: Some(Part { number, of: 2 }), run: run.into(), ..header(begun) };
    let missing = |parts: [Header; 2]| {
        let folder = Folder::new();
        for (name, header) in ["prod", "test"].iter().zip(parts) {
            let at = header.begun;
            folder.write(&format!("fleet/{name}.gz"), snapshot_of(header, &cluster(name, at)));
        }
        let ran = folder.run(&["scan", "fleet", "-o", "json"]);
        [1, 2].map(|number| ran.out.contains(&format!("shard {number}/2")))
    };
    let (yesterday, today) = (1_790_000_000, 1_790_086_400);
    assert_eq!(missing([part(1, yesterday, ""), part(2, today, "")]), [true, false]);
    assert_eq!(missing([part(1, today - 3_600, ""), part(2, today, "")]), [false, false]);
    assert_eq!(missing([part(1, today, "a"), part(2, today + 60, "b")]), [true, false]);
    assert_eq!(missing([part(1, yesterday, "a"), part(2, today, "a")]), [false, false]);
}

#[test]
fn shards_that_are_missing_are_named() {
    let folder = Folder::new();
    folder.write("fleet/0.gz", snapshot_of(shard(1, 3), &cluster("prod", 1_790_000_000)));
    folder.write("fleet/2.gz", snapshot_of(shard(3, 3), &cluster("test", 1_790_000_000)));
    let ran = folder.run(&["merge", "fleet", "-o", "json"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.coverage("shard 2/3").1.contains("--shard 2/3"));
    assert_eq!(folder.run(&["merge", "fleet", "-o", "part.gz"]).status, 3);
    folder.write("fleet/1.gz", snapshot_of(shard(2, 3), &[]));
    assert_eq!(folder.run(&["merge", "part.gz", "fleet/1.gz", "-o", "all.gz"]).status, 0);
    let whole = folder.run(&["scan", "all.gz", "-o", "json"]);
    assert!(!whole.out.contains("shard 2/3") && whole.status != 3, "{whole:?}");
}

#[test]
fn what_shards_prove_together_is_proven() {
    let identity = |subscription: &str| {
        Resource::Identity(Identity {
            kind: IdentityKind::UserAssigned,
            name: format!("id-{subscription}"),
            client_id: format!("5e0d2c1b-93a4-4f5e-8b6a-1c7d8e9f0a2{subscription}").into(),
            id: format!("/subscriptions/{subscription}/x"),
            principal_id: String::new(),
            tenant_id: String::new(),
            resource_group: String::new(),
            location: String::new(),
            credentials_complete: false,
            declared: None,
            origin: Origin::default(),
        })
    };
    let azure = |mine: &str| {
        let listed = Proof::Subscriptions { tenant: "t".into(), subscriptions: vec!["1".into(), "2".into()] };
        let feed = |source: String, resources, proofs| Feed {
            source,
            at: 1_790_000_000,
            resources,
            proofs,
            ..Feed::default()
        };
        vec![
            feed(
                "azure://t/subscriptions".into(),
                Vec::new(),
                vec![listed, Proof::Applications { tenant: "t".into() }],
            ),
            feed(
                format!("azure://{mine}/identities"),
                vec![identity(mine)],
                vec![Proof::ManagedIdentities { subscription: mine.into() }],
            ),
        ]
    };
    let mut clusters = cluster("prod", 1_790_000_000);
    let account = serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "namespace": "shop",
        "annotations": {"azure.workload.identity/client-id": "5e0d2c1b-93a4-4f5e-8b6a-1c7d8e9f0aff"}}});
    clusters[1].manifests.push(crate::snapshot::manifest(&account));
    let folder = Folder::new();
    folder.write("1.gz", snapshot_of(shard(1, 2), &[azure("1"), clusters].concat()));
    folder.write("2.gz", snapshot_of(shard(2, 2), &azure("2")));
    let unknown = |paths: &[&str]| {
        let ran = folder.run(&[&["scan", "-o", "json"], paths].concat());
        ran.findings().iter().any(|found| found[0] == "AWI206")
    };
    assert!(!unknown(&["1.gz"]), "the other subscription may hold it");
    assert!(unknown(&["1.gz", "2.gz"]), "{:?}", folder.run(&["scan", "1.gz", "2.gz"]));
    let ran = folder.run(&["merge", "1.gz", "2.gz", "-o", "json"]);
    assert!(!ran.out.contains("more than once"), "both shards ask which subscriptions there are: {ran:?}");
}

#[test]
fn only_snapshots_are_merged() {
    let folder = fleet();
    folder.write("fleet/c.yaml", KNOWN);
    let ran = folder.run(&["merge", "fleet", "-o", "x.gz"]);
    assert!(ran.status == 2 && ran.err.contains("fleet/c.yaml") && ran.err.contains("collect"), "{ran:?}");
    assert!(!folder.path().join("x.gz").exists());
    assert_eq!(folder.run(&["merge", "fleet/c.yaml"]).status, 2);
    assert_eq!(folder.run(&["merge", "nowhere", "fleet/a.gz", "-o", "y.gz"]).status, 3);
}
