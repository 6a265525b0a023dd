//! `scan --azure` against the emulated cloud: what it reads, how fast, and what it says of what it
//! could not read.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wiguard_tests::cloud::{
    Cloud, Credential, Estate, Fault, Identity, LISTS_A_TENANT, Options, Service, Size, Subscription, Verdict, What,
};

use crate::program::{PROGRAM, Ran};

const SMALL: Size = Size { subscriptions: 3, identities: 60, credentials: 5, applications: 45 };

/// A scan of this cloud, as its service principal.
fn scan(cloud: &Cloud, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["scan", "-o", "json"]).args(cloud.arguments()).args(more);
    if !more.contains(&"--azure-rate") {
        command.args(["--azure-rate", "100"]);
    }
    cloud.secret(&mut command);
    command.stdin(Stdio::null());
    command
}

/// Runs it, and looks for secrets in everything it wrote.
fn run(cloud: &Cloud, command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        assert_eq!(cloud.leaks(text), [] as [String; 0], "{}", String::from_utf8_lossy(text));
    }
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The counts of a report's summary: identities, credentials.
fn counts(ran: &Ran) -> (u64, u64) {
    let summary = &ran.report()["summary"];
    (summary["identities"].as_u64().unwrap(), summary["credentials"].as_u64().unwrap())
}

/// What the estate holds: identities and app registrations, and the credentials of both.
fn held(estate: &Estate) -> (u64, u64) {
    let identities: Vec<&Identity> = estate.subscriptions.iter().flat_map(|it| &it.identities).collect();
    let applications: Vec<_> = estate.tenants.iter().flat_map(|it| &it.applications).collect();
    let credentials = identities.iter().map(|it| it.credentials.iter().count()).sum::<usize>()
        + applications.iter().map(|it| it.credentials.len()).sum::<usize>();
    ((identities.len() + applications.len()) as u64, credentials as u64)
}

/// The reasons for what is lacking, each with its source.
fn gaps(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.report();
    let rows = report["coverage"].as_array().unwrap().iter().filter(|row| row["status"] != "complete");
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    // The others are what rules lacked: clusters, which no scan of Azure alone has.
    rows.map(|row| (text(row, "source"), text(row, "reason")))
        .filter(|(source, _)| source.starts_with("azure"))
        .collect()
}

#[test]
fn a_cloud_is_read_wholly_each_thing_once_and_what_is_wrong_in_it_is_found() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let ran = run(&cloud, &mut scan(&cloud, &[]));
    assert_eq!(gaps(&ran), [], "{}", ran.err);
    assert_eq!(counts(&ran), held(cloud.estate()));
    let found: BTreeSet<(String, String)> = ran.findings().into_iter().map(|[rule, _, _, name]| (rule, name)).collect();
    for (rule, _, name) in cloud.estate().expected() {
        assert!(
            found.iter().any(|(is, of)| is == rule && name.ends_with(of.as_str())),
            "{rule} {name} is not in {found:?}"
        );
    }
    let record = cloud.record();
    let twice: Vec<_> = record.credential_lists().served().into_iter().filter(|(_, times)| *times != 1).collect();
    assert_eq!(twice, [], "each identity is asked once");
    assert_eq!(record.credential_lists().0.len(), 60);
    assert_eq!(record.count(Verdict::Throttled), 0);
    assert!(record.0.iter().all(|it| it.service == Service::Entra || it.admitted), "every token was for its audience");
    assert!(cloud.issued() <= 2, "a token for each audience: {}", cloud.issued());
    let again = run(&cloud, &mut scan(&cloud, &[]));
    for part in ["summary", "findings", "identities"] {
        assert_eq!(again.report()[part], ran.report()[part], "the same cloud gives the same report");
    }
}

#[test]
fn each_way_to_be_somebody_works_and_says_why_if_not() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    type Way = fn(&Cloud, &mut Command);
    let ways: [(&str, Way); 3] = [
        ("workload-identity", Cloud::workload_identity),
        ("environment", Cloud::secret),
        ("managed-identity", Cloud::managed_identity),
    ];
    for (name, way) in ways {
        for credential in [name, "auto"] {
            let mut command = scan(&cloud, &["--credential", credential, "--no-graph"]);
            way(&cloud, &mut command);
            let ran = run(&cloud, &mut command);
            assert_eq!(counts(&ran).0, 60, "{name} {credential}: {}", ran.err);
        }
    }
    for (credential, lacks) in [("workload-identity", "AZURE_FEDERATED_TOKEN_FILE"), ("environment", "AZURE_TENANT_ID")]
    {
        let mut command = scan(&cloud, &["--credential", credential]);
        cloud.bare(&mut command);
        for name in ["AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"] {
            command.env_remove(name);
        }
        let ran = run(&cloud, &mut command);
        assert_eq!(ran.status, 2);
        assert!(ran.err.contains(lacks), "{}", ran.err);
    }
}

#[test]
fn a_wrong_secret_is_said_and_not_shown() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let mut command = scan(&cloud, &["--credential", "environment"]);
    command.env("AZURE_CLIENT_SECRET", "planted-and-wrong");
    let ran = run(&cloud, &mut command);
    assert!(ran.err.is_empty() && ran.status == 3, "{ran:?}");
    assert!(
        gaps(&ran).iter().any(|(_, reason)| reason.contains("there is no token") && reason.contains("AADSTS")),
        "{ran:?}"
    );
    assert!(!ran.out.contains("planted-and-wrong"));
}

#[test]
fn a_subscription_that_is_denied_is_a_gap_and_the_others_are_read() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let denied = cloud.estate().subscriptions[1].id.clone();
    cloud.forbid(&denied);
    let ran = run(&cloud, &mut scan(&cloud, &["--no-graph"]));
    assert_eq!(ran.status, 3);
    assert_eq!(counts(&ran).0, 40);
    let gaps = gaps(&ran);
    assert!(gaps.iter().all(|(source, _)| source.contains(&denied.to_lowercase())), "{gaps:?}");
    assert!(gaps.iter().any(|(_, reason)| reason.contains("userAssignedIdentities/read")), "{gaps:?}");
}

#[test]
fn without_resource_graph_each_subscription_is_asked() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options { queries: false, ..Options::default() });
    let ran = run(&cloud, &mut scan(&cloud, &[]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran), held(cloud.estate()));
    let whole = Cloud::start(Estate::made(7, SMALL), Options::default());
    let other = run(&whole, &mut scan(&whole, &[]));
    assert_eq!(other.report()["findings"], ran.report()["findings"]);
}

#[test]
fn without_the_permission_of_graph_app_registrations_alone_are_a_gap() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options { reads_applications: false, ..Options::default() });
    let ran = run(&cloud, &mut scan(&cloud, &[]));
    assert_eq!((ran.status, counts(&ran).0), (3, 60));
    let gaps = gaps(&ran);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].0.ends_with("/applications") && gaps[0].1.contains("Application.Read.All"), "{gaps:?}");
}

#[test]
fn an_identity_that_goes_meanwhile_is_not_missed() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let gone = cloud.estate().subscriptions[0].identities[0].name.clone();
    cloud.fault(Fault::on(Service::Manager, &format!("/{gone}/federatedidentitycredentials"), What::Gone));
    let ran = run(&cloud, &mut scan(&cloud, &[]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran).0, held(cloud.estate()).0 - 1);
    assert!(!ran.out.contains(&format!("\"{gone}\"")));
}

#[test]
fn bad_days_are_sat_out() {
    let lists = "/federatedidentitycredentials";
    let days = [
        Fault::on(Service::Manager, lists, What::Status(500)).times(3),
        Fault::on(Service::Manager, lists, What::Cut).after(5).times(3),
        Fault::on(Service::Manager, lists, What::Busy(1)).after(10).times(3),
        Fault::on(Service::Manager, lists, What::Refused).after(15).times(1),
        Fault::on(Service::Manager, lists, What::Silence).after(20).times(2),
        Fault::on(Service::Query, "", What::Status(503)).times(2),
        Fault::on(Service::Graph, "batch", What::Busy(1)).times(1),
        Fault::on(Service::Graph, "batch", What::Cut).after(1).times(1),
        Fault::on(Service::Entra, "token", What::Status(503)).times(1),
    ];
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    for fault in days {
        cloud.fault(fault);
    }
    let ran = run(&cloud, &mut scan(&cloud, &["--azure-timeout", "2s"]));
    assert_eq!(gaps(&ran), [], "{}", ran.err);
    assert_eq!(counts(&ran), held(cloud.estate()));
}

#[test]
fn what_cannot_be_read_of_one_identity_is_said_and_the_rest_is_read() {
    for what in
        [What::Halved, What::Garbage, What::Html, What::Empty, What::Status(403), What::Redirect, What::Status(400)]
    {
        let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
        let bad = cloud.estate().subscriptions[2].identities[3].name.clone();
        let said = format!("{what:?}");
        cloud.fault(Fault::on(Service::Manager, &format!("/{bad}/federatedidentitycredentials"), what));
        let ran = run(&cloud, &mut scan(&cloud, &["--no-graph"]));
        let gaps = gaps(&ran);
        assert_eq!((gaps.len(), ran.status), (1, 3), "{said}: {gaps:?}");
        assert!(gaps[0].1.contains(&format!("`{bad}`")), "{said}: {gaps:?}");
        assert_eq!(counts(&ran).0, 60, "{said}: it is there, and its credentials are not known");
        assert_eq!(cloud.record().of(Service::Elsewhere, "").0.len(), 0, "{said}");
    }
}

#[test]
fn a_list_that_leads_elsewhere_or_nowhere_is_not_followed() {
    for (what, times) in [(What::HostileNext, 1), (What::Cycle, usize::MAX), (What::Endless, usize::MAX)] {
        for (service, part) in [
            (Service::Manager, "/userassignedidentities?"),
            (Service::Manager, "/subscriptions?"),
            (Service::Graph, "/applications"),
        ] {
            let cloud =
                Cloud::start(Estate::made(7, SMALL), Options { page: 10, applications: 20, ..Options::default() });
            cloud.fault(Fault::on(service, part, what.clone()).times(times));
            let ran = run(&cloud, &mut scan(&cloud, &[]));
            assert_eq!(ran.status, 3, "{what:?} {part}: {ran:?}");
            assert_eq!(cloud.record().of(Service::Elsewhere, "").0.len(), 0, "{what:?} {part}");
        }
    }
}

#[test]
fn subscriptions_are_named_by_id_or_name_and_a_wrong_name_is_said() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let second = cloud.estate().subscriptions[1].id.to_uppercase();
    let ran =
        run(&cloud, &mut scan(&cloud, &["--no-graph", "--subscription", "Landing-Zone-00", "--subscription", &second]));
    assert_eq!((gaps(&ran).len(), counts(&ran).0), (0, 40));
    let ran = run(&cloud, &mut scan(&cloud, &["--no-graph", "--subscription", "landing-zone-99"]));
    assert_eq!(ran.status, 3);
    assert!(gaps(&ran)[0].1.contains("landing-zone-99"), "{ran:?}");
}

#[test]
fn tenants_are_read_with_tokens_of_their_own() {
    let small = Size { subscriptions: 2, identities: 20, credentials: 2, applications: 5 };
    let cloud = Cloud::start(Estate::made(1, small).and(Estate::made(2, small)), Options::default());
    let tenants: Vec<String> = cloud.estate().tenants.iter().map(|it| it.id.clone()).collect();
    let ran = run(&cloud, &mut scan(&cloud, &["--tenant", &tenants[0], "--tenant", &tenants[1]]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran), held(cloud.estate()));
    let one = run(&cloud, &mut scan(&cloud, &["--tenant", &tenants[1]]));
    assert_eq!(counts(&one).0, 25);
    assert!(cloud.issued() <= 6, "{}", cloud.issued());
}

#[test]
fn tokens_are_renewed_before_they_expire() {
    let lifetime = Duration::from_secs(2);
    let cloud = Cloud::start(Estate::made(7, SMALL), Options { lifetime, factor: 1.0, ..Options::default() });
    let ran = run(&cloud, &mut scan(&cloud, &["--no-graph", "--azure-rate", "0.9"]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran).0, 60);
    assert!(cloud.issued() >= 2);
    assert!(
        cloud.record().0.iter().all(|it| it.service == Service::Entra || it.admitted),
        "none was asked with a token that had expired"
    );
}

#[test]
fn a_cloud_that_describes_itself_is_found() {
    let cloud = Cloud::start(Estate::made(7, SMALL), Options::default());
    let mut command = Command::new(PROGRAM);
    let at = format!("http://{}", cloud.manager());
    command.args(["scan", "-o", "json", "--azure", "--azure-rate", "100", "--cloud", &at]);
    cloud.secret(&mut command);
    let ran = run(&cloud, &mut command);
    assert_eq!(counts(&ran), held(cloud.estate()), "{}", ran.err);
}

#[test]
fn below_the_allowed_rate_nothing_is_asked_in_vain_and_nothing_is_lost() {
    let size = Size { subscriptions: 6, identities: 2400, credentials: 10, applications: 0 };
    let factor = 20.0;
    let cloud = Cloud::start(Estate::made(11, size), Options { factor, ..Options::default() });
    let ran = run(&cloud, &mut scan(&cloud, &["--no-graph", "--azure-rate", "19"]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran), held(cloud.estate()));
    let lists = cloud.record().credential_lists();
    assert_eq!((lists.served().len(), lists.count(Verdict::Throttled)), (2400, 0));
    let (rate, allowed) = (lists.steady_rate(), LISTS_A_TENANT * factor);
    // The figure depends on what else the machine has to do.
    println!("{rate:.1} of {allowed} a second");
}

#[test]
fn what_is_throttled_is_asked_again_until_it_is_there() {
    let size = Size { subscriptions: 2, identities: 100, credentials: 3, applications: 25 };
    let cloud = Cloud::start(Estate::made(11, size), Options { factor: 3.0, ..Options::default() });
    // Five times what is allowed.
    let ran = run(&cloud, &mut scan(&cloud, &["--azure-rate", "15"]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran), held(cloud.estate()));
    assert!(cloud.record().count(Verdict::Throttled) > 0, "it was throttled");
}

/// The scan of a cloud with a cache.
fn cached(cloud: &Cloud, folder: &Path, more: &[&str]) -> Command {
    let mut command = scan(cloud, &[&["--no-graph", "--cache", folder.to_str().unwrap()], more].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_scan_that_was_killed_asks_only_for_what_it_has_not() {
    let size = Size { subscriptions: 4, identities: 400, credentials: 5, applications: 0 };
    let cloud = Cloud::start(Estate::made(3, size), Options { factor: 4.0, ..Options::default() });
    let folder = tempfile::tempdir().unwrap();
    let mut first = cached(&cloud, folder.path(), &["--azure-rate", "3.6"]).spawn().unwrap();
    assert!(cloud.await_lists(150, Duration::from_secs(60)), "it does not get on");
    first.kill().unwrap();
    first.wait().unwrap();
    // What is on the way when it is killed was asked for and is not kept.
    let mut text = Vec::new();
    first.stdout.take().unwrap().read_to_end(&mut text).unwrap();
    let before = cloud.record().credential_lists();
    cloud.forget();
    let ran = run(&cloud, &mut cached(&cloud, folder.path(), &["--azure-rate", "3.6"]));
    assert_eq!(gaps(&ran), []);
    assert_eq!(counts(&ran), held(cloud.estate()));
    let after = cloud.record().credential_lists();
    let both = before.0.len() + after.0.len();
    assert!((400..=400 + 64).contains(&both), "{} and {} of 400", before.0.len(), after.0.len());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let kept = std::fs::read(file.unwrap().path()).unwrap();
        assert_eq!(cloud.leaks(&kept), [] as [String; 0]);
    }
    cloud.forget();
    let third = run(&cloud, &mut cached(&cloud, folder.path(), &[]));
    assert_eq!(cloud.record().credential_lists().0.len(), 0, "all of it is kept");
    assert_eq!(counts(&third), counts(&ran));
}

#[test]
fn what_the_cache_holds_of_identities_that_are_gone_is_dropped() {
    let subscription = "00000000-0000-0000-0000-000000000001";
    let estate = |names: &[&str]| {
        let mut estate = Estate::of_tenant("00000000-0000-0000-0000-00000000000a", "it");
        let credential = || vec![Credential::new("k8s", "https://issuer.example/", "system:serviceaccount:shop:cart")];
        estate.subscriptions.push(Subscription {
            id: subscription.into(),
            name: "one".into(),
            identities: names.iter().map(|name| Identity::new(name, "rg", credential())).collect(),
            ..Subscription::default()
        });
        estate
    };
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(estate(&["id-stays", "id-goes"]), Options::default());
    assert_eq!(counts(&run(&cloud, &mut cached(&cloud, folder.path(), &[]))), (2, 2));
    let port = cloud.manager().port();
    drop(cloud);
    let cloud = Cloud::start(estate(&["id-stays"]), Options { port: 0, ..Options::default() });
    let ran = run(&cloud, &mut cached(&cloud, folder.path(), &[]));
    assert_eq!(counts(&ran), (1, 1), "{port}: {}", ran.err);
}
