//! Killed half-way and begun again: what was read is not asked for again.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use wiguard_tests::cloud::{Estate, Fault, Options, Service, Size, Verdict, What};

use super::{Site, assert_same};

const SIZE: Size = Size { subscriptions: 6, identities: 3_000, credentials: 4, applications: 20 };

#[test]
fn a_scan_that_was_killed_goes_on_where_it_was() {
    let site = Site::new(Estate::made(7, SIZE), Options { factor: 30.0, ..Options::default() });
    let arguments = ["--cache", "cache", "--azure-rate", "28.5"];
    let mut killed =
        site.command(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while site.cloud.record().credential_lists().count(Verdict::Served) < SIZE.identities / 2 {
        assert!(killed.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
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
    // A third scan asks for none.
    site.cloud.forget();
    assert_same(&site.scan(&arguments), &live);
    assert_eq!(site.lists().0.len(), 0);
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
    assert_same(&live, &site.printed());
    assert_eq!(site.lists().served().len(), super::SMALL.subscriptions, "only those that failed");
}
