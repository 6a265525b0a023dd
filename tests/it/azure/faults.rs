//! Bad days: what can be overcome is, what cannot is said, and nothing is told that is not so.

use std::time::Duration;

use wiguard_tests::cloud::{Estate, Fault, Options, Service, Verdict, What};

use super::{SMALL, Site, assert_same, findings, gaps};
use crate::program::Ran;

/// What a scan tells is true, and where it does not tell all it says so.
fn assert_honest(live: &Ran, printed: &Ran, what: &str) {
    let (found, expected) = (findings(live), findings(printed));
    let invented: Vec<_> = found.difference(&expected).take(5).collect();
    assert!(invented.is_empty(), "{what}: {invented:#?}");
    if live.status == 3 {
        let gaps = gaps(live);
        assert!(gaps.iter().all(|(_, reason)| !reason.is_empty()) && !gaps.is_empty(), "{what}: {gaps:?}");
    } else {
        assert_eq!(found, expected, "{what}: something is missing, and nothing is said of it");
        assert_eq!(live.status, printed.status, "{what}: {live:?}");
    }
}

/// A workload that says it is this client.
fn workload(name: &str, client: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: shop, annotations: {{azure.workload.identity/client-id: {client}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{azure.workload.identity/use: \"true\"}}}}, spec: {{serviceAccountName: {name}, containers: [{{name: a, image: a}}]}}}}}}\n---\n"
    )
}

/// The workloads whose client is said not to exist.
fn absent(ran: &Ran) -> Vec<String> {
    findings(ran).into_iter().filter(|it| it[0] == "AWI206").map(|it| it[3].clone()).collect()
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let site = Site::made();
    let printed = site.printed();
    for (service, part) in [
        (Service::Manager, "/subscriptions?"),
        (Service::Query, "resourcegraph"),
        (Service::Manager, "/federatedIdentityCredentials"),
        (Service::Graph, "/applications"),
    ] {
        for what in [What::Status(500), What::Status(502), What::Status(503), What::Busy(1), What::Cut, What::Refused] {
            site.cloud.mend();
            site.cloud.forget();
            // A fresh token that is refused as well is no accident.
            let times = if matches!(what, What::Refused) { 1 } else { 2 };
            site.cloud.fault(Fault::on(service, part, what.clone()).times(times));
            let live = site.scan(&[]);
            assert_eq!(site.cloud.record().count(Verdict::Faulty), times, "{what:?} did not strike {part}");
            assert_honest(&live, &printed, &format!("{what:?} on {part}"));
            assert_same(&live, &printed);
        }
    }
}

#[test]
fn what_does_not_pass_is_said_and_the_rest_is_read() {
    let printed = Site::made().printed();
    for (service, part) in [
        (Service::Manager, "/subscriptions?"),
        (Service::Query, "resourcegraph"),
        (Service::Manager, "00007/federatedIdentityCredentials"),
        (Service::Graph, "/applications"),
    ] {
        for what in [
            What::Html,
            What::Empty,
            What::Garbage,
            What::Halved,
            What::Redirect,
            What::Status(403),
            What::Status(400),
            What::Status(503),
        ] {
            let site = Site::made();
            site.cloud.fault(Fault::on(service, part, what.clone()));
            let live = site.scan(&["--azure-timeout", "5s"]);
            assert_honest(&live, &printed, &format!("{what:?} on {part}"));
            // The lists of subscriptions can stand in for Resource Graph, nothing else for the others.
            assert!(live.status == 3 || service == Service::Query, "{what:?} on {part} went unsaid: {live:?}");
            let requests = site.cloud.record().0.len();
            assert!(requests < 2000, "{what:?} on {part}: {requests} requests");
        }
    }
}

#[test]
fn another_type_of_content_or_a_late_answer_is_no_harm() {
    let site = Site::made();
    site.cloud.fault(Fault::on(Service::Manager, "subscriptions", What::WrongType).times(3));
    site.cloud.fault(Fault::on(Service::Manager, "/federated", What::Late(Duration::from_millis(300))).times(5));
    let live = site.scan(&[]);
    assert_same(&live, &site.printed());
}

#[test]
fn silence_is_given_up() {
    let site = Site::made();
    site.cloud.fault(Fault::on(Service::Manager, "00003/federated", What::Silence));
    let live = site.scan(&["--azure-timeout", "1s"]);
    assert_honest(&live, &site.printed(), "silence");
    assert_eq!(live.status, 3, "{live:?}");
}

#[test]
fn links_that_lead_elsewhere_are_not_followed() {
    for (service, part) in [
        (Service::Manager, "/subscriptions?"),
        (Service::Manager, "00003/federatedIdentityCredentials"),
        (Service::Graph, "/applications"),
        (Service::Entra, "/oauth2/"),
    ] {
        for what in [What::HostileNext, What::Redirect] {
            let site = Site::made();
            site.cloud.fault(Fault::on(service, part, what.clone()));
            // That nobody elsewhere was asked is looked at after every scan.
            let live = site.scan(&["--azure-timeout", "5s"]);
            if service != Service::Entra {
                assert_eq!(live.status, 3, "{what:?} on {part}: {live:?}");
                assert_honest(&live, &site.printed(), &format!("{what:?} on {part}"));
            }
        }
    }
}

#[test]
fn pages_without_end_come_to_one() {
    for what in [What::Cycle, What::Endless] {
        for (service, part) in [
            (Service::Manager, "/subscriptions?"),
            (Service::Query, "resourcegraph"),
            (Service::Manager, "00003/federatedIdentityCredentials"),
            (Service::Graph, "/applications"),
        ] {
            let site = Site::made();
            site.cloud.fault(Fault::on(service, part, what.clone()));
            let live = site.scan(&["--azure-timeout", "5s"]);
            assert_honest(&live, &site.printed(), &format!("{what:?} on {part}"));
            assert!(live.status == 3 || service == Service::Query, "{what:?} on {part}: {live:?}");
            let requests = site.cloud.record().0.len();
            assert!(requests < 5000, "{what:?} on {part}: {requests} requests");
        }
    }
}

#[test]
fn an_identity_that_goes_while_it_is_read_harms_no_other() {
    let site = Site::made();
    site.cloud.fault(Fault::on(Service::Manager, "00005/federated", What::Gone));
    let live = site.scan(&[]);
    let (found, expected) = (findings(&live), findings(&site.printed()));
    assert!(found.is_subset(&expected));
    let of_the_gone = |it: &&super::Found| it[3].contains("-00005");
    assert_eq!(expected.difference(&found).filter(|it| !of_the_gone(it)).count(), 0, "{:?}", gaps(&live));
    let asked = site.cloud.record().of(Service::Manager, "-00005/federated").0.len();
    assert!(asked <= 2 * SMALL.subscriptions, "what is gone does not come back: asked {asked} times");
}

#[test]
fn a_subscription_that_may_not_be_read_is_a_gap_and_proves_nothing() {
    let estate = Estate::made(7, SMALL);
    let (shut, open) = (estate.subscriptions[1].clone(), estate.subscriptions[0].clone());
    let site = Site::new(estate, Options::default());
    let nobody = "12345678-1234-4234-8234-123456789012";
    let manifests = workload("shut", &shut.identities[3].client_id) + &workload("nobody", nobody);
    site.folder.write("shop.yaml", manifests);
    let whole = site.scan(&["shop.yaml"]);
    assert_eq!(absent(&whole), ["nobody"], "everything was read, so that nobody has it: {:?}", gaps(&whole));
    site.cloud.forbid(&shut.id);
    let live = site.scan(&["shop.yaml"]);
    assert_eq!(live.status, 3);
    assert!(absent(&live).is_empty(), "the client may be of what was not read: {:?}", findings(&live));
    let said = gaps(&live).into_iter().find(|(source, _)| source.contains(&shut.id));
    let (_, reason) = said.unwrap_or_else(|| panic!("{:?}", gaps(&live)));
    assert!(
        reason.contains("Microsoft.ManagedIdentity/userAssignedIdentities/read") || reason.contains("Reader"),
        "{reason}"
    );
    let seen = super::identities(&live);
    assert!(open.identities.iter().all(|it| seen.iter().any(|(client, ..)| *client == it.client_id)));
}

#[test]
fn what_is_in_a_subscription_out_of_sight_does_not_pass_for_absent() {
    let estate = Estate::made(7, SMALL);
    let hidden = estate.subscriptions[1].clone();
    let site = Site::new(estate, Options::default());
    let nobody = "12345678-1234-4234-8234-123456789012";
    site.folder.write("shop.yaml", workload("hidden", &hidden.identities[3].client_id) + &workload("nobody", nobody));
    site.cloud.hide(&hidden.id);
    let live = site.scan(&["shop.yaml"]);
    assert!(absent(&live).is_empty(), "it may be of what is out of sight: {:?}", findings(&live));
    assert_ne!(live.status, 3, "what was to be seen was read: {:?}", gaps(&live));
    let seen = super::identities(&live);
    assert_eq!(seen.len(), SMALL.identities - hidden.identities.len() + SMALL.applications);
    assert_eq!(
        absent(&site.scan(&["shop.yaml", "--assume-complete"])),
        ["hidden", "nobody"],
        "who says so is believed"
    );
    site.cloud.mend();
    assert_eq!(absent(&site.scan(&["shop.yaml"])), ["nobody"], "the root management group names every subscription");
}

#[test]
fn what_is_not_found_for_another_reason_is_not_deleted() {
    for what in [What::Status(404), What::NoType] {
        let site = Site::made();
        let nobody = "12345678-1234-4234-8234-123456789012";
        site.folder.write("shop.yaml", workload("nobody", nobody));
        site.cloud.fault(Fault::on(Service::Manager, "/federatedIdentityCredentials", what.clone()));
        let live = site.scan(&["shop.yaml"]);
        assert_eq!(live.status, 3, "{what:?}: {live:?}");
        let silent: Vec<_> = site.cloud.estate().subscriptions.iter().map(|it| it.id.clone()).collect();
        let said = gaps(&live);
        assert!(silent.iter().all(|id| said.iter().any(|(source, _)| source.contains(id))), "{what:?}: {said:?}");
        let gone = matches!(what, What::Status(_));
        let seen = super::identities(&live).len();
        assert_eq!(seen, SMALL.applications + if gone { 0 } else { SMALL.identities }, "{what:?}");
        assert_eq!(absent(&live).is_empty(), gone, "{what:?}: {:?}", findings(&live));
    }
}

#[test]
fn without_the_permission_of_graph_the_managed_identities_are_read() {
    let site = Site::new(Estate::made(7, SMALL), Options { reads_applications: false, ..Options::default() });
    let live = site.scan(&[]);
    assert_eq!(live.status, 3, "{live:?}");
    assert_honest(&live, &site.printed(), "no Application.Read.All");
    assert!(gaps(&live).iter().any(|(_, reason)| reason.contains("Application.Read.All")), "{:?}", gaps(&live));
    assert_eq!(site.lists().count(Verdict::Served), SMALL.identities);
    let without = site.scan(&["--no-graph"]);
    assert!(
        site.cloud.record().of(Service::Graph, "").0.len() < 20 && without.status != 3 || gaps(&without).len() <= 1,
        "{:?}",
        gaps(&without)
    );
}
