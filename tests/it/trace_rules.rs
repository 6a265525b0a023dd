//! `wiguard trace` beside `wiguard scan`: no walk passes by what a rule finds broken on the chain of its
//! workload, on whatever object of the chain it stands.

use std::fs;

use wiguard::collect::Collected;
use wiguard::trace::{State, Walk, plain};
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_rules::finding::{Finding, Hop, Severity};
use wiguard_rules::judge::{Object, audit, judge};
use wiguard_rules::model::Workload;
use wiguard_rules::on_behalf::runs_operator_of;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::rule::{Breaks, Rule};
use wiguard_rules::trust::{Link, Trust};
use wiguard_tests::case::{collect_text, corners, examples};

use crate::trace::{ACCOUNT, LABELLED, azure, deployment};

/// Every estate of the manual pages and every corner, with what it is called.
fn estates() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in CATALOGUE {
        for section in ["Fails", "Passes"] {
            let blocks = examples(&entry.manual(), section).into_iter().enumerate();
            all.extend(blocks.map(|(index, block)| (format!("{} {section}[{index}]", entry.id), block)));
        }
    }
    all.extend(corners().unwrap().into_iter().map(|it| (it.about(), fs::read_to_string(&it.path).unwrap())));
    all
}

/// Whether a workload's chain hangs on an object.
fn is_on_chain(object: Object<'_>, workload: &Workload, trust: &Trust<'_>) -> bool {
    match object {
        Object::Workload(other) => {
            std::ptr::eq(other, workload) || (other.is_webhook() && other.cluster == workload.cluster)
        }
        Object::ServiceAccount(account) => trust.service_account(workload) == Link::Found(account),
        Object::Cluster(cluster) => trust.cluster(workload.cluster).is_some_and(|its| std::ptr::eq(its, cluster)),
        Object::Software(software) => software.is_run_by(workload),
        Object::Custom(custom) => {
            custom.cluster == workload.cluster && runs_operator_of(workload, custom) == Some(true)
        }
        _ => false,
    }
}

/// Whether a rule says that tokens are not exchanged, for pods that are still to be made by the webhook.
fn says_broken(rule: &Rule, finding: &Finding, workload: &Workload) -> bool {
    let needs_the_webhook = !workload.brings_azure_token() && !workload.template.live;
    match rule.breaks {
        Breaks::Nothing => false,
        Breaks::Modelled => finding.severity >= Severity::High,
        Breaks::Named => finding.breaks.is_some_and(|hop| hop != Hop::Webhook || needs_the_webhook),
    }
}

#[test]
fn what_a_rule_finds_broken_no_walk_passes_by() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (about, text) in estates() {
        let collected = collect_text(&text, true);
        let parameters = Parameters::default();
        let trust = Trust::join(&collected.inventory, &parameters);
        let asks_no_more = |workload: &&Workload| workload.is_webhook() || workload.has_ended();
        for workload in collected.inventory.workloads.iter().filter(|workload| !asks_no_more(workload)) {
            let walk = Walk::of(workload, &trust, &collected.paths);
            for object in collected.inventory.objects().filter(|object| is_on_chain(*object, workload, &trust)) {
                audit(object, &trust, CATALOGUE.iter(), |judgement| {
                    let Ok(finding) = judgement.outcome else { return };
                    if !says_broken(judgement.rule.rule, &finding, workload) {
                        return;
                    }
                    seen += 1;
                    if walk.state == State::Holds {
                        let (id, name) = (judgement.rule.id, &workload.name);
                        wrong.push(format!("{about}: every link of {name} holds, but {id} says: {}", finding.message));
                    }
                });
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 80, "{seen} findings");
}

#[test]
fn what_a_walk_takes_from_a_rule_the_scan_says_too() {
    for (about, text) in estates() {
        let collected = collect_text(&text, true);
        let parameters = Parameters::default();
        let trust = Trust::join(&collected.inventory, &parameters);
        for workload in &collected.inventory.workloads {
            let walk = Walk::of(workload, &trust, &collected.paths);
            let last = walk.links.last().unwrap();
            let Some(id) = last.rule else { continue };
            let mut said = Vec::new();
            for object in collected.inventory.objects() {
                let rules = CATALOGUE.iter().filter(|entry| entry.id == id);
                judge(object, &trust, rules, |judgement| said.extend(judgement.outcome.map(|finding| finding.message)));
            }
            assert!(said.contains(&last.message), "{about}: {id} says {said:?}, not {}", last.message);
        }
    }
}

const OTHER: &str = "99999999-9999-9999-9999-999999999999";

fn documents(deployment: &str, account: &str, azure: &str, more: &[&str]) -> Collected {
    let all: Vec<&str> = [deployment, account, azure].into_iter().chain(more.iter().copied()).collect();
    collect_text(&all.join("---\n"), true)
}

/// What a walk of Deployment `shop/cart` comes to: `webhook AWI702`, with the text.
fn end(collected: &Collected) -> (String, String) {
    let parameters = Parameters::default();
    let trust = Trust::join(&collected.inventory, &parameters);
    let workload = collected.inventory.workloads.iter().find(|workload| workload.name == "cart").unwrap();
    let walk = Walk::of(workload, &trust, &collected.paths);
    let text = plain(&walk);
    if walk.state == State::Holds {
        return ("holds".into(), text);
    }
    if walk.state == State::Unknown {
        return ("unknown".into(), text);
    }
    let last = walk.links.last().unwrap();
    assert_eq!((last.state, walk.status()), (State::Broken, 1), "{text}");
    (format!("{} {}", last.link, last.rule.unwrap_or_default()).trim_end().into(), text)
}

fn sides(text: &str, expected: &str, actual: &str) {
    let both = [format!("  expected  {expected}\n"), format!("  actual    {actual}\n")];
    assert!(both.iter().all(|side| text.contains(side)), "{both:?}: {text}");
}

/// Azure, where the identity has a region, too.
fn here() -> String {
    azure("system:serviceaccount:shop:cart").replace("name: id-cart,", "name: id-cart, location: westeurope,")
}

#[test]
fn a_cluster_that_is_not_ready_breaks_the_chain() {
    let with = |old: &str, new: &str| {
        let azure = here();
        assert!(azure.contains(old), "{azure}");
        end(&documents(&deployment(LABELLED, ""), ACCOUNT, &azure.replace(old, new), &[]))
    };
    let (link, text) = with("workloadIdentity: {enabled: true}", "workloadIdentity: {enabled: false}");
    assert_eq!(link, "webhook AWI701", "{text}");
    sides(&text, "true", "false");
    assert!(text.contains("Cluster prod securityProfile.workloadIdentity.enabled\n"), "{text}");
    assert!(text.contains("to mend it: az aks update --name prod"), "{text}");

    // Somebody may have installed a webhook of their own, where not all Deployments were seen.
    let off = here().replace("workloadIdentity: {enabled: true}", "workloadIdentity: {enabled: false}");
    let all = [&deployment(LABELLED, ""), ACCOUNT, &off];
    let (link, text) = end(&collect_text(&all.join("---\n"), false));
    assert_eq!(link, "unknown", "{text}");
    assert!(text.contains("no source gave the cluster's Deployments"), "{text}");

    let (link, text) = with("oidcIssuerProfile: {enabled: true,", "oidcIssuerProfile: {enabled: false,");
    assert_eq!(link, "cluster AWI701", "{text}");
    sides(&text, "true", "false");

    let (link, text) = with("resourceGroup: rg, oidc", "resourceGroup: rg, kubernetesVersion: \"1.21\", oidc");
    assert_eq!(link, "cluster AWI701", "{text}");
    sides(&text, "1.22 or later", "1.21");
}

#[test]
fn a_webhook_that_nobody_installed_breaks_the_chain_on_arc() {
    const AGENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: clusterconnect-agent, namespace: azure-arc}
spec: {template: {spec: {containers: [{name: agent}]}}}
";
    let arc = ["managedClusters", "ManagedClusters"].into_iter().fold(here(), |text, kind| {
        text.replace(&format!("Microsoft.ContainerService/{kind}"), "Microsoft.Kubernetes/connectedClusters")
    });
    let off = arc.replace("workloadIdentity: {enabled: true}", "workloadIdentity: {enabled: false}");
    let of = |azure: &str, more: &[&str]| end(&documents(&deployment(LABELLED, ""), ACCOUNT, azure, more));
    let (link, text) = of(&off, &[AGENT]);
    assert_eq!(link, "webhook AWI701", "{text}");
    assert!(text.contains("az connectedk8s update --name prod"), "{text}");
    let (link, text) = of(&off, &[]);
    assert_eq!(link, "unknown", "{text}");
    assert!(text.contains("no source gave the cluster's Deployments"), "{text}");
    let (link, text) = of(&arc, &[AGENT]);
    assert_eq!(link, "holds", "{text}");
}

#[test]
fn of_a_cluster_that_azure_does_not_describe_the_webhook_has_to_be_seen() {
    let (cluster, rest) = here().split_once("---\n").map(|(one, rest)| (one.to_owned(), rest.to_owned())).unwrap();
    let issuer = cluster.split("issuerUrl: ").nth(1).unwrap().split('}').next().unwrap();
    let own = format!("{{issuer: {issuer}, jwks_uri: \"https://10.0.0.1:6443/openid/v1/jwks\"}}\n---\n{rest}");
    let of = |more: &[&str]| end(&documents(&deployment(LABELLED, ""), ACCOUNT, &own, more));
    let (link, text) = of(&[]);
    assert_eq!(link, "unknown", "{text}");
    assert!(text.contains("no source gave the cluster's MutatingWebhookConfigurations"), "{text}");
    let (link, text) = of(&[&registration("failurePolicy: Fail")]);
    assert_eq!(link, "holds", "{text}");
}

/// A registration of the webhook with these members.
fn registration(members: &str) -> String {
    format!(
        "apiVersion: v1
kind: List
items:
- apiVersion: admissionregistration.k8s.io/v1
  kind: MutatingWebhookConfiguration
  metadata: {{name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}}
  webhooks:
  - name: mutation.azure-workload-identity.io
    clientConfig: {{caBundle: QQ==, service: {{name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system}}}}
    objectSelector: {{matchLabels: {{azure.workload.identity/use: \"true\"}}}}
    {members}
"
    )
}

const RUNNER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system, uid: 5f0d}
spec: {replicas: 2, template: {spec: {containers: [{name: manager, image: \"mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1\"}]}}}
status: {readyReplicas: 2}
";

#[test]
fn a_webhook_that_does_not_see_the_pods_breaks_the_chain() {
    let with = |registration: &str, runner: &str| {
        let shop = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}\n";
        end(&documents(&deployment(LABELLED, ""), ACCOUNT, &here(), &[shop, registration, runner]))
    };
    let whole = registration("failurePolicy: Fail");
    assert_eq!(with(&whole, RUNNER).0, "holds");
    // Pods are made without a token only while it does not answer.
    assert_eq!(with(&registration("failurePolicy: Ignore"), RUNNER).0, "holds");

    let none = "{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: of-another, uid: 5f0c}, webhooks: [{name: of.another}]}\n";
    let (link, text) = with(none, RUNNER);
    assert_eq!(link, "webhook AWI702", "{text}");
    sides(&text, "azure-wi-webhook-mutating-webhook-configuration", "(none)");

    let (link, text) = with(&whole.replace("caBundle: QQ==, ", ""), RUNNER);
    assert_eq!(link, "webhook AWI702", "{text}");
    assert!(text.contains("`caBundle` is empty"), "{text}");

    let rules = "rules: [{operations: [UPDATE], apiGroups: [\"\"], apiVersions: [v1], resources: [pods]}]";
    let (link, text) = with(&registration(rules), RUNNER);
    assert_eq!(link, "webhook AWI702", "{text}");
    sides(&text, "CREATE of pods", "(none)");
    assert_eq!(with(&registration(&rules.replace("UPDATE", "UPDATE, CREATE")), RUNNER).0, "holds");

    let (link, text) = with(&whole, &RUNNER.replace("readyReplicas: 2", "readyReplicas: 0"));
    assert_eq!(link, "webhook AWI702", "{text}");
    sides(&text, "1 or more", "0");

    let (link, text) = with(&whole.replace("use: \"true\"}}", "use: \"yes\"}}"), RUNNER);
    assert_eq!(link, "webhook", "{text}");
    sides(&text, "azure.workload.identity/use In (yes)", "true");
    let (link, text) = with(&whole.replace("use: \"true\"}}", "use: \"true\", team: a}}"), RUNNER);
    assert_eq!(link, "webhook", "{text}");
    sides(&text, "team In (a)", "(none)");

    let (link, text) = with(&registration("namespaceSelector: {matchLabels: {tier: front}}"), RUNNER);
    assert_eq!(link, "webhook AWI706", "{text}");
    sides(&text, "a namespace with tier In (front)", "shop");
}

/// A registration that asks for a label by an expression beside the one that opts in.
fn wanting(expression: &str) -> String {
    let label = "{matchLabels: {azure.workload.identity/use: \"true\"}";
    let whole = registration("failurePolicy: Fail");
    assert!(whole.contains(label), "{whole}");
    whole.replace(label, &format!("{label}, matchExpressions: [{expression}]"))
}

#[test]
fn the_labels_of_pods_decide_whether_the_webhook_is_asked() {
    let with = |cart: &str, expression: &str| end(&documents(cart, ACCOUNT, &here(), &[&wanting(expression), RUNNER]));
    let labelled = |more: &str| deployment(&LABELLED.replace('}', &format!("{more}}}")), "");
    let cart = labelled(", team: a, helm.sh/chart: cart-1");
    for (expression, holds) in [
        ("{key: team, operator: In, values: [a, b]}", true),
        ("{key: team, operator: In, values: [b]}", false),
        ("{key: helm.sh/chart, operator: Exists}", true),
        ("{key: tier, operator: Exists}", false),
        ("{key: tier, operator: NotIn, values: [back]}", true),
        ("{key: team, operator: NotIn, values: [a]}", false),
        ("{key: tier, operator: DoesNotExist}", true),
        ("{key: team, operator: DoesNotExist}", false),
    ] {
        let (link, text) = with(&cart, expression);
        assert_eq!(link, if holds { "holds" } else { "webhook" }, "{expression}: {text}");
        // Pods that are kept out are found one by one, and those that are missed on the cluster.
        let kept_out = expression.contains("NotIn") || expression.contains("NotExist");
        assert_eq!(text.contains("wiguard explain AWI702"), kept_out && !holds, "{expression}: {text}");
    }
    let (_, text) = with(&cart, "{key: team, operator: NotIn, values: [a]}");
    sides(&text, "team NotIn (a)", "a");
    assert!(text.contains("Deployment") && text.contains("spec.template.metadata.labels[team]"), "{text}");

    let (link, text) = with(&labelled(", team: \"${TEAM}\""), "{key: team, operator: In, values: [a]}");
    assert_eq!(link, "unknown", "{text}");
    assert!(text.contains("no source gave whether the pods of cart are with label team In (a)"), "{text}");
    assert!(text.contains("wants `team In (a)` of pods, which it does not as it is installed"), "{text}");
    let (link, text) = with(&cart, "{key: pod-template-hash, operator: Exists}");
    assert_eq!(link, "unknown", "{text}");

    // The pods of a CronJob's Jobs have neither the CronJob's labels nor those of its Jobs.
    let cron_job = |pods: &str| {
        let job = labelled(pods).replace("apps/v1", "batch/v1").replace("kind: Deployment", "kind: CronJob");
        let job = job.replace("name: cart, namespace: shop", "name: cart, namespace: shop, labels: {team: a}");
        let (head, spec) = job.split_once("spec:\n").unwrap();
        let spec: Vec<String> = spec.lines().map(|line| format!("      {line}")).collect();
        let jobs = "jobTemplate:\n    metadata: {labels: {team: a}}\n    spec:\n";
        format!("{head}spec:\n  {jobs}{}\n", spec.join("\n"))
    };
    let team = "{key: team, operator: In, values: [a]}";
    assert_eq!(with(&cron_job(", team: a"), team).0, "holds");
    let (link, text) = with(&cron_job(""), team);
    assert_eq!(link, "webhook", "{text}");
    sides(&text, "team In (a)", "(none)");

    let rollout =
        |more: &str| labelled(more).replace("apps/v1", "argoproj.io/v1alpha1").replace("Deployment", "Rollout");
    assert_eq!(with(&rollout(", team: a"), team).0, "holds");
    assert_eq!(with(&rollout(", team: b"), team).0, "webhook");
    assert_eq!(with(&rollout(""), team).0, "unknown");
}

#[test]
fn what_azure_sets_back_breaks_nothing() {
    let with = |azure: &str| {
        let kept_out = "matchConditions: [{name: not-of-the-shop, expression: \"request.namespace != 'shop'\"}]";
        let registration = registration(kept_out).replace("azure-workload-identity-system", "kube-system");
        let runner = RUNNER.replace("azure-workload-identity-system", "kube-system");
        end(&documents(&deployment(LABELLED, ""), ACCOUNT, azure, &[&registration, &runner]))
    };
    let (link, text) = with(&here());
    assert_eq!(link, "holds", "{text}");
    let off = here().replace("workloadIdentity: {enabled: true}", "workloadIdentity: {enabled: false}");
    let (link, text) = with(&off);
    assert!(link.starts_with("webhook"), "{text}");
}

#[test]
fn conditions_decide_whether_the_webhook_is_asked() {
    let with = |expressions: &[&str]| {
        let condition =
            |(expression, number): (&&str, i32)| format!("{{name: condition-{number}, expression: \"{expression}\"}}");
        let conditions: Vec<String> = expressions.iter().zip(1..).map(condition).collect();
        let conditions = format!("matchConditions: [{}]", conditions.join(", "));
        end(&documents(&deployment(LABELLED, ""), ACCOUNT, &here(), &[&registration(&conditions), RUNNER]))
    };
    assert_eq!(with(&["true", "request.namespace != 'kube-system'"]).0, "holds");
    let (link, text) = with(&["true", " false"]);
    assert_eq!(link, "webhook AWI702", "{text}");
    sides(&text, "conditions that hold of new pods", "condition-2");
    let (link, text) = with(&["request.userInfo.username != 'a'", "!(request.namespace in ['shop', 'depot'])"]);
    assert_eq!(link, "webhook", "{text}");
    assert!(text.contains("matchCondition condition-2") && text.contains("wiguard explain AWI706"), "{text}");
    let (link, text) = with(&["request.namespace == 'shop'", "request.userInfo.username != 'a'"]);
    assert_eq!(link, "unknown", "{text}");
    assert!(text.contains("whether matchCondition condition-2 of the webhook holds of the pods of cart"), "{text}");
    assert!(text.contains("has matchCondition condition-2, which hangs on more than the namespace of pods"), "{text}");
}

#[test]
fn pods_with_a_token_of_their_own_need_no_webhook() {
    let off = here().replace("workloadIdentity: {enabled: true}", "workloadIdentity: {enabled: false}");
    let token = ", volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: \"api://AzureADTokenExchange\", path: token}}]}}]";
    assert_eq!(end(&documents(&deployment("", token), ACCOUNT, &off, &[])).0, "holds");
}

#[test]
fn another_tenant_or_cloud_breaks_the_chain() {
    let with = |env: &str, account: &str| {
        let own = format!("containers: [{{name: app, env: [{env}]}}");
        let deployment = deployment(LABELLED, "").replace("containers: [{name: app}", &own);
        end(&documents(&deployment, account, &here(), &[]))
    };
    let tenant = |tenant: &str| {
        ACCOUNT.replace("annotations: {", &format!("annotations: {{azure.workload.identity/tenant-id: \"{tenant}\", "))
    };
    const OWN: &str = "11111111-1111-1111-1111-111111111111";
    assert_eq!(with("", &tenant(OWN)).0, "holds");

    let (link, text) = with(&format!("{{name: AZURE_TENANT_ID, value: {OTHER}}}"), ACCOUNT);
    assert_eq!(link, "tenant AWI207", "{text}");
    sides(&text, OWN, OTHER);
    let (link, text) = with("", &tenant(OTHER));
    assert_eq!(link, "tenant AWI207", "{text}");
    sides(&text, OWN, OTHER);
    let (link, text) = with("", &tenant(""));
    assert_eq!(link, "tenant AWI204", "{text}");
    sides(&text, "a GUID, or no annotation", "(empty)");
    assert_eq!(with("", &tenant("${TENANT}")).0, "tenant AWI902");

    let (link, text) = with(&format!("{{name: AZURE_TENANT_ID, value: \"{OWN} \"}}"), ACCOUNT);
    assert_eq!(link, "tenant AWI113", "{text}");
    sides(&text, "the tenant of the identity", &format!("{OWN} "));
    let running = |tenant: &str, account: &str| {
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: cart, namespace: shop, uid: 5f0c, {LABELLED}}}, spec: {{serviceAccountName: cart, containers: [{{name: app, env: [{{name: AZURE_CLIENT_ID, value: 33333333-3333-3333-3333-333333333333}}, {{name: AZURE_TENANT_ID, value: \"{tenant}\"}}, {{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}}], volumeMounts: [{{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}}]}}], volumes: [{{name: azure-identity-token, projected: {{sources: [{{serviceAccountToken: {{path: azure-identity-token, audience: \"api://AzureADTokenExchange\"}}}}]}}}}]}}}}\n"
        );
        end(&documents(&pod, account, &here(), &[]))
    };
    assert_eq!(running(OWN, ACCOUNT).0, "holds");
    assert_eq!(running("", ACCOUNT).0, "tenant AWI113", "no annotation says it");
    assert_eq!(running("", &tenant("")).0, "tenant AWI204", "the annotation says it");

    // Whose containers all say their tenant themselves are not told the annotation's.
    let each = |tenant: &str| {
        let env = format!("env: [{{name: AZURE_TENANT_ID, value: {tenant}}}]");
        deployment(LABELLED, "")
            .replace("{name: app}", &format!("{{name: app, {env}}}"))
            .replace("{name: istio-proxy}", &format!("{{name: istio-proxy, {env}}}"))
    };
    assert_eq!(end(&documents(&each(OWN), &tenant(""), &here(), &[])).0, "holds");
    assert_eq!(end(&documents(&each(OWN), &tenant(OTHER), &here(), &[])).0, "holds");
    assert_eq!(end(&documents(&each(OTHER), &tenant(OTHER), &here(), &[])).0, "tenant AWI207");

    let (link, text) = with("{name: AZURE_AUTHORITY_HOST, value: \"https://login.microsoftonline.us/\"}", ACCOUNT);
    assert_eq!(link, "authority AWI113", "{text}");
    sides(&text, "https://login.microsoftonline.com/", "https://login.microsoftonline.us/");
    let (link, text) = with("{name: AZURE_AUTHORITY_HOST, value: \"http://login.microsoftonline.com/\"}", ACCOUNT);
    assert_eq!(link, "authority AWI113", "{text}");
    sides(&text, "https://login.microsoftonline.com/", "http://login.microsoftonline.com/");
}

#[test]
fn what_comes_from_elsewhere_is_unknown_and_what_an_annotation_says_is_read() {
    let with = |env: &str, annotations: &str| {
        let labelled = format!("{LABELLED}, annotations: {{{annotations}}}");
        let deployment = deployment(&labelled, "").replace("{name: app}", &format!("{{name: app, env: [{env}]}}"));
        end(&documents(&deployment, ACCOUNT, &here(), &[]))
    };
    for (variable, link) in [("AZURE_TENANT_ID", "tenant"), ("AZURE_FEDERATED_TOKEN_FILE", "token")] {
        let elsewhere = ["valueFrom: {configMapKeyRef: {name: cart, key: said}}", "value: \"$(SAID)\""];
        for value in elsewhere {
            let (state, text) = with(&format!("{{name: {variable}, {value}}}"), "");
            assert_eq!(state, "unknown", "{value}: {text}");
            let told = text.lines().any(|line| line.starts_with("unknown") && line.contains(link));
            assert!(told && text.contains(&format!("variable {variable} of container app")), "{value}: {text}");
        }
    }
    let handed_on = "{name: AZURE_TENANT_ID, valueFrom: {fieldRef: {fieldPath: \"metadata.annotations['azure.workload.identity/tenant-id']\"}}}";
    let says = |tenant: &str| with(handed_on, &format!("azure.workload.identity/tenant-id: {tenant}"));
    assert_eq!(says("11111111-1111-1111-1111-111111111111").0, "holds");
    assert_eq!(says(OTHER).0, "tenant AWI207");
    assert_eq!(with(handed_on, "").0, "tenant AWI113");
}

#[test]
fn a_token_that_is_not_where_it_is_looked_for_breaks_the_chain() {
    let with = |container: &str, spec: &str| {
        let deployment = deployment(LABELLED, spec).replace("{name: app}", &format!("{{name: app, {container}}}"));
        end(&documents(&deployment, ACCOUNT, &here(), &[]))
    };
    let file = "env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /own/token}]";
    let (link, text) = with(file, "");
    assert_eq!(link, "token AWI113", "{text}");
    assert!(text.contains("  actual    /own/token\n"), "{text}");
    let mounted = format!("{file}, volumeMounts: [{{name: own, mountPath: /own}}]");
    assert_eq!(with(&mounted, ", volumes: [{name: own, emptyDir: {}}]").0, "holds");
    let misspelt =
        "env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-toke}]";
    assert_eq!(with(misspelt, "").0, "token AWI113");
    let vault =
        ", volumes: [{name: own, projected: {sources: [{serviceAccountToken: {path: token, audience: vault}}]}}]";
    assert_eq!(with(file, vault).0, "token AWI113", "a token for a vault is none for Azure");
    let same = "env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /run/secrets/azure/tokens/azure-identity-token}]";
    assert_eq!(with(same, "").0, "holds", "`/run` is `/var/run` in most images");
    let relative = "env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: run/secrets/azure/tokens/azure-identity-token}]";
    let (state, text) = with(relative, "");
    assert_eq!(state, "unknown", "{text}");
    assert!(text.contains("the folder in which container app starts"), "{text}");
    let windows =
        "env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: \"C:/var/run/secrets/azure/tokens/azure-identity-token\"}]";
    assert_eq!(with(windows, "").0, "holds");

    let passed_over = format!("{LABELLED}, annotations: {{azure.workload.identity/skip-containers: app}}");
    let reads = "{name: app, args: [/var/run/secrets/azure/tokens/azure-identity-token]}";
    let passed_over = deployment(&passed_over, "").replace("{name: app}", reads);
    let (link, text) = end(&documents(&passed_over, ACCOUNT, &here(), &[]));
    assert_eq!(link, "token AWI503", "{text}");
    sides(&text, "a file of a mounted volume", "/var/run/secrets/azure/tokens/azure-identity-token");

    let running = |folder: &str| {
        let file = "env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}, {name: AZURE_CLIENT_ID, value: 33333333-3333-3333-3333-333333333333}, {name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}]";
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: cart, namespace: shop, uid: 5f0c, {LABELLED}}}, spec: {{serviceAccountName: cart, containers: [{{name: app, {file}, volumeMounts: [{{name: azure-identity-token, mountPath: {folder}}}]}}]}}}}\n"
        );
        end(&documents(&pod, ACCOUNT, &here(), &[]))
    };
    let (link, text) = running("/elsewhere");
    assert_eq!(link, "token AWI113", "{text}");
    sides(&text, "a file of a mounted volume", "/var/run/secrets/azure/tokens/azure-identity-token");
    assert!(text.contains("create pod cart anew"), "{text}");
    assert_eq!(running("/var/run/secrets/azure/tokens").0, "holds");
    assert_eq!(running("/run/secrets/azure/tokens").0, "holds");

    let there = "volumeMounts: [{name: own, mountPath: /var/run/secrets/azure/tokens}]";
    assert_eq!(with(there, ", volumes: [{name: own, emptyDir: {}}]").0, "token AWI504");
    let virtual_nodes = here().replace("rg, oidc", "rg, addonProfiles: {aciConnectorLinux: {enabled: true}}, oidc");
    let there = deployment(LABELLED, ", nodeSelector: {type: virtual-kubelet}");
    assert_eq!(end(&documents(&there, ACCOUNT, &virtual_nodes, &[])).0, "token AWI112");
}

#[test]
fn a_program_that_does_not_ask_for_the_token_breaks_the_chain() {
    let with = |env: &str| {
        let container = format!("{{name: app, env: [{env}]}}");
        end(&documents(&deployment(LABELLED, "").replace("{name: app}", &container), ACCOUNT, &here(), &[]))
    };
    let (link, text) = with("{name: AZURE_CLIENT_SECRET, value: hush}");
    assert_eq!(link, "program AWI605", "{text}");
    assert!(!text.contains("hush"), "{text}");
    let (link, text) = with("{name: AZURE_TOKEN_CREDENTIALS, value: dev}");
    assert_eq!(link, "program AWI607", "{text}");
    sides(&text, "prod or WorkloadIdentityCredential", "dev");
}

#[test]
fn pods_that_the_api_server_refuses_break_the_chain() {
    let (link, text) =
        end(&documents(&deployment("labels: {azure.workload.identity/use: true}", ""), ACCOUNT, &here(), &[]));
    assert_eq!(link, "pod label AWI102", "{text}");
    let proxied = |more: &str| {
        format!("{LABELLED}, annotations: {{azure.workload.identity/inject-proxy-sidecar: \"true\"{more}}}")
    };
    let (link, text) = end(&documents(
        &deployment(&proxied(", azure.workload.identity/proxy-sidecar-port: \"70000\""), ""),
        ACCOUNT,
        &here(),
        &[],
    ));
    assert_eq!(link, "webhook AWI109", "{text}");
    sides(&text, "a number from 1 to 65535", "70000");
    assert_eq!(
        end(&documents(&deployment(&proxied(""), ", os: {name: windows}"), ACCOUNT, &here(), &[])).0,
        "webhook AWI110"
    );
    assert_eq!(end(&documents(&deployment(&proxied(""), ""), ACCOUNT, &here(), &[])).0, "holds");
}

#[test]
fn a_container_that_is_told_no_client_id_breaks_the_chain() {
    let with = |value: &str| {
        let container = format!("{{name: app, env: [{{name: AZURE_CLIENT_ID, value: {value}}}]}}");
        end(&documents(&deployment(LABELLED, "").replace("{name: app}", &container), ACCOUNT, &here(), &[]))
    };
    let (link, text) = with("\"\"");
    assert_eq!(link, "client id", "{text}");
    sides(&text, "the client id of an identity", "(empty)");
    assert!(text.contains("to mend it: delete the variable"), "{text}");
    assert_eq!(with("$(ID)").0, "unknown", "it is what another variable is");

    // A pod that runs was told by the webhook what the annotation said at the time.
    let pod = |env: &str, volumes: &str| {
        let token = "{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}";
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: cart, namespace: shop, uid: 5f0c, {LABELLED}}}, spec: {{serviceAccountName: cart, containers: [{{name: app, env: [{env}{token}], volumeMounts: [{{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}}]}}]{volumes}}}}}\n"
        );
        end(&documents(&pod, ACCOUNT, &here(), &[]))
    };
    let injected = ", volumes: [{name: azure-identity-token, projected: {sources: [{serviceAccountToken: {audience: \"api://AzureADTokenExchange\", path: azure-identity-token}}]}}]";
    let (link, text) = pod("", injected);
    assert_eq!(link, "client id", "{text}");
    assert!(text.contains("annotated after they had started") && text.contains("rollout restart"), "{text}");
    let told = "{name: AZURE_CLIENT_ID, value: 33333333-3333-3333-3333-333333333333}, {name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}, ";
    assert_eq!(pod(told, injected).0, "holds");
}
