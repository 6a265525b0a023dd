//! Killed half-way and begun again: what was read is not asked for again.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use wiguard_tests::cloud::{Cluster, Credential, Estate, Fault, Identity, Options, Service, Size, Subscription, What};

use super::{Site, assert_same, findings, identities};
use crate::program::Ran;

const SIZE: Size = Size { subscriptions: 6, identities: 3_000, credentials: 4, applications: 20 };

/// How many credentials each identity has.
fn counts(ran: &Ran) -> BTreeSet<(String, String, u64)> {
    identities(ran).into_iter().map(|it| (it.0, it.1, it.2)).collect()
}

#[test]
fn a_scan_that_was_killed_goes_on_where_it_was() {
    let site = Site::new(Estate::made(7, SIZE), Options { factor: 30.0, ..Options::default() });
    let arguments = ["--cache", "cache", "--azure-rate", "28.5"];
    let mut killed =
        site.command(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(site.cloud.await_lists(SIZE.identities / 2, Duration::from_secs(120)), "it does not get on");
    assert!(killed.try_wait().unwrap().is_none(), "it ended by itself");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before: BTreeSet<String> = site.lists().served().into_keys().collect();
    site.cloud.forget();
    let live = site.scan(&arguments);
    assert_same(&live, &site.printed());
    let after: BTreeSet<String> = site.lists().served().into_keys().collect();
    let again = before.intersection(&after).count();
    assert!(again <= 64, "{again} of {} were asked again; only what was under way may be", before.len());
    assert_eq!(before.union(&after).count(), SIZE.identities);
    // Another scan asks for none, and of what was added since it cannot know.
    site.cloud.forget();
    let next = site.scan(&arguments);
    assert_eq!(site.lists().0.len(), 0);
    assert_eq!(counts(&next), counts(&live));
    assert!(identities(&next).iter().all(|it| !it.3), "what an earlier scan read is not all there is");
    assert!(findings(&next).is_subset(&findings(&live)));
    site.cloud.forget();
    drop(site.scan(&["--cache", "cache", "--max-age", "1s", "--azure-rate", "95"]));
    let anew = site.lists().served().len();
    assert!(anew >= before.len(), "what is too old is asked for anew: {anew} of {}", SIZE.identities);
}

#[test]
fn a_cache_that_is_damaged_is_no_cache() {
    let site = Site::made();
    let arguments = ["--cache", "cache"];
    let first = site.scan(&arguments);
    for (name, content) in [("garbage", b"\x00\xff{".to_vec()), ("empty", Vec::new()), ("cut", Vec::from(b"{\"a\":"))] {
        let mut files = Vec::new();
        let mut folders = vec![site.folder.path().join("cache")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        assert!(!files.is_empty());
        for file in &files {
            std::fs::write(file, &content).unwrap();
        }
        let live = site.scan(&arguments);
        assert_same(&live, &first);
        assert!(!live.err.contains("panicked"), "{name}: {live:?}");
    }
}

#[test]
fn failures_are_not_kept() {
    let site = Site::made();
    site.cloud.fault(Fault::on(Service::Manager, "00004/federated", What::Status(403)));
    let partial = site.scan(&["--cache", "cache"]);
    assert_eq!(partial.status, 3, "{partial:?}");
    site.cloud.mend();
    site.cloud.forget();
    let live = site.scan(&["--cache", "cache"]);
    let printed = site.printed();
    assert!(live.status != 3 && findings(&live).is_subset(&findings(&printed)), "{live:?}");
    assert_eq!(counts(&live), counts(&printed));
    assert_eq!(site.lists().served().len(), super::SMALL.subscriptions, "only those that failed");
    let whole = identities(&live).iter().filter(|it| it.3).count();
    assert_eq!(whole, super::SMALL.subscriptions, "of the others, what was added since is unknown");
}

#[test]
fn a_credential_that_was_added_since_is_not_said_to_be_missing() {
    let issuer = "https://oidc.example/one/";
    let subject = "system:serviceaccount:shop:cart";
    let estate = |credentials: Vec<Credential>| {
        let mut estate = Estate::of_tenant("aaaaaaaa-1111-4111-8111-111111111111", "T");
        let id = "bbbbbbbb-2222-4222-8222-222222222222";
        let mut identity = Identity::new("cart", "rg", credentials);
        identity.client_id = "cccccccc-3333-4333-8333-333333333333".into();
        estate.subscriptions.push(Subscription {
            id: id.into(),
            identities: vec![identity],
            clusters: vec![Cluster::new(id, "prod", false, issuer)],
            ..Subscription::default()
        });
        estate
    };
    let before = Site::new(estate(Vec::new()), Options::default());
    let cache = before.folder.path().join("cache");
    let first = before.scan(&["--cache", "cache"]);
    assert!(identities(&first).iter().all(|it| it.3), "{first:?}");
    // The same cloud later: only the cache could say that there is none.
    let later = Site::new(estate(vec![Credential::new("cart", issuer, subject)]), Options::default());
    let live = later.scan(&["--cache", cache.to_str().unwrap()]);
    assert_eq!(later.lists().0.len(), 0, "it is young enough");
    assert!(identities(&live).iter().all(|it| !it.3), "{live:?}");
    // An identity of the same name with another client id is another.
    let mut anew = estate(vec![Credential::new("cart", issuer, subject)]);
    anew.subscriptions[0].identities[0].client_id = "dddddddd-4444-4444-8444-444444444444".into();
    let anew = Site::new(anew, Options::default());
    let live = anew.scan(&["--cache", cache.to_str().unwrap()]);
    assert_eq!((anew.lists().0.len(), counts(&live).into_iter().map(|it| it.2).sum::<u64>()), (1, 1));
}
