//! The pace: hardly ever above what is allowed, and nothing lost, however big the estate. How near it
//! comes is printed: it depends on what else the machine has to do.

use wiguard_tests::cloud::{Estate, LISTS_A_SUBSCRIPTION, LISTS_A_TENANT, Options, Size, Verdict};

use super::{SMALL, Site, assert_same, findings};

/// What the documented limits are multiplied by here: 450 lists of credentials a second.
const FACTOR: f64 = 30.0;

#[test]
fn of_twenty_thousand_identities_each_is_asked_about_once_and_hardly_any_in_vain() {
    let size = Size { subscriptions: 20, identities: 20_000, credentials: 10, applications: 100 };
    let site = Site::new(Estate::made(7, size), Options { factor: FACTOR, ..Options::default() });
    let live = site.scan(&["--azure-rate", "28.5"]);
    let lists = site.lists();
    assert_eq!(lists.served().len(), size.identities, "every identity is asked about, once");
    let (steady, best, allowed) = (lists.steady_rate(), lists.best_rate(size.identities / 4), LISTS_A_TENANT * FACTOR);
    let throttled = site.cloud.record().count(Verdict::Throttled);
    println!(
        "{steady:.1} lists a second, {best:.1} over a quarter of them, of {allowed} allowed; {throttled} throttled"
    );
    assert!(throttled * 20 <= size.identities, "{throttled} requests were too many");
    let report = live.report();
    let (identities, credentials) = site.cloud.estate().size();
    assert_eq!(report["summary"]["identities"], identities + size.applications);
    assert_eq!(report["summary"]["credentials"], credentials + size.applications);
    let flaws = findings(&live).into_iter().filter(|it| super::FLAWS.contains(&it[0].as_str())).count();
    assert_eq!(flaws, site.cloud.estate().expected().len());
    assert_ne!(live.status, 3, "{:?}", super::gaps(&live));
}

#[test]
fn one_subscription_is_asked_at_its_own_rate() {
    let size = Size { subscriptions: 1, identities: 600, credentials: 2, applications: 1 };
    let site = Site::new(Estate::made(7, size), Options { factor: 20.0, ..Options::default() });
    let live = site.scan(&["--azure-rate", "19"]);
    assert_same(&live, &site.printed());
    let (rate, allowed) = (site.lists().best_rate(size.identities / 3), LISTS_A_SUBSCRIPTION * 20.0);
    println!("{rate:.1} lists a second of {allowed} allowed");
    assert_eq!(site.lists().served().len(), size.identities);
    let throttled = site.lists().count(Verdict::Throttled);
    assert!(throttled * 20 <= size.identities, "{throttled} requests were too many");
}

#[test]
fn who_asks_too_fast_is_slowed_down_and_loses_nothing() {
    let site = Site::new(Estate::made(7, SMALL), Options { factor: 2.0, ..Options::default() });
    // As if the limits were lower than documented: five times what is allowed.
    let live = site.scan(&["--azure-rate", "10"]);
    assert_same(&live, &site.printed());
    let lists = site.lists();
    assert!(lists.count(Verdict::Throttled) > 0);
    assert_eq!(lists.served().len(), SMALL.identities);
    let wasted = lists.count(Verdict::Throttled);
    assert!(wasted < 2 * SMALL.identities, "{wasted} requests to get {} answers", SMALL.identities);
}
