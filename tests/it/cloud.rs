//! The emulated cloud itself: what it refuses, how it pages, throttles and fails. A scan that is
//! tested against it is tested as well as it is like the real one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use wiguard_tests::cloud::{
    Cloud, Cluster, Credential, Estate, Fault, Identity, ManagementGroup, Options, Service, Size, Subscription,
    Verdict, What,
};
use wiguard_tests::https::{Client, Reply};

const SMALL: Size = Size { subscriptions: 3, identities: 60, credentials: 5, applications: 45 };
const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2024-11-30";
const MANAGER: &str = "https://management.azure.com/.default";
const GRAPH: &str = "https://graph.microsoft.com/.default";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn ask(at: SocketAddr, method: Method, path: &str, token: &str, body: String) -> std::io::Result<Reply> {
    let (mut sender, connection) = handshake(TokioIo::new(TcpStream::connect(at).await?)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::builder().method(method).uri(path).header("host", at.to_string());
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = sender.send_request(request).await.map_err(std::io::Error::other)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    Ok(Reply { status: head.status, headers: head.headers, body })
}

async fn get(at: SocketAddr, path: &str, token: &str) -> Reply {
    ask(at, Method::GET, path, token, String::new()).await.unwrap()
}

async fn token_of(cloud: &Cloud, tenant: usize, scope: &str) -> String {
    let caller = &cloud.callers()[0];
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={scope}",
        caller.client_id,
        caller.secret.replace('~', "%7E")
    );
    let path = format!("/{}/oauth2/v2.0/token", cloud.estate().tenants[tenant].id);
    let reply = ask(cloud.entra(), Method::POST, &path, "", form).await.unwrap();
    reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned()
}

/// All pages of a list, and how many there were.
async fn all(cloud: &Cloud, at: SocketAddr, path: &str, token: &str) -> (Vec<Value>, usize) {
    let (mut path, mut found, mut pages) = (path.to_owned(), Vec::new(), 0);
    loop {
        let reply = get(at, &path, token).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let body = reply.json();
        found.extend(body["value"].as_array().unwrap().iter().cloned());
        pages += 1;
        let next = body["nextLink"].as_str().or(body["@odata.nextLink"].as_str());
        let Some(next) = next else { return (found, pages) };
        assert!(pages < 1000, "{next}: {} requests", cloud.record().0.len());
        path =
            next.strip_prefix(&format!("http://{at}")).unwrap_or_else(|| panic!("{next} leads elsewhere")).to_owned();
    }
}

#[test]
fn tokens_are_good_for_one_tenant_and_one_audience() {
    let two = Estate::made(1, SMALL).and(Estate::made(2, SMALL));
    let cloud = Cloud::start(two, Options::default());
    runtime().block_on(async {
        let (manager, graph) = (token_of(&cloud, 0, MANAGER).await, token_of(&cloud, 0, GRAPH).await);
        let path = format!("/subscriptions/{}/{IDENTITIES}", cloud.estate().subscriptions[0].id);
        let foreign = format!("/subscriptions/{}/{IDENTITIES}", cloud.estate().subscriptions[3].id);
        assert_eq!(get(cloud.manager(), &path, &manager).await.status, 200);
        for (path, token, code) in [
            (&path, "", "AuthenticationFailed"),
            (&path, "eyJ0eXAiOiJKV1Qi", "InvalidAuthenticationToken"),
            (&path, graph.as_str(), "InvalidAuthenticationTokenAudience"),
            (&foreign, manager.as_str(), "InvalidAuthenticationTokenTenant"),
        ] {
            let reply = get(cloud.manager(), path, token).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (401, &json!(code)));
            assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer authorization_uri="));
        }
        assert_eq!(get(cloud.graph(), "/v1.0/applications", &graph).await.status, 200);
        assert_eq!(get(cloud.graph(), "/v1.0/applications", &manager).await.status, 401);
        let other = token_of(&cloud, 1, MANAGER).await;
        assert_eq!(get(cloud.manager(), &foreign, &other).await.status, 200);
        assert_eq!(cloud.issued(), 3);
        let admitted = cloud.record().0.iter().filter(|it| it.admitted).count();
        assert_eq!(admitted, 4, "wrong tenants have good tokens, the others none");
    });
}

#[test]
fn entra_names_what_is_wrong_with_a_request_for_a_token() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options::default());
    let (tenant, caller) = (cloud.estate().tenants[0].id.clone(), cloud.callers()[0].clone());
    runtime().block_on(async {
        let form = |client: &str, rest: &str, scope: &str| format!("grant_type=client_credentials&client_id={client}&{rest}&scope={scope}");
        let assertion = |text: &str| {
            format!("client_assertion={text}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer")
        };
        let good = form(&caller.client_id, &assertion(&caller.assertion), MANAGER);
        for (tenant, form, status, code) in [
            (tenant.as_str(), good.clone(), 200, Value::Null),
            ("nobody", good, 400, json!(90002)),
            (&tenant, form("nobody", "client_secret=a", MANAGER), 400, json!(700_016)),
            (&tenant, form(&caller.client_id, "client_secret=a", MANAGER), 401, json!(7_000_215)),
            (&tenant, form(&caller.client_id, &assertion("a"), MANAGER), 401, json!(700_213)),
            (&tenant, form(&caller.client_id, &assertion(&caller.assertion), "https%3A%2F%2Fa%2F.default"), 400, json!(500_011)),
        ] {
            let path = format!("/{tenant}/oauth2/v2.0/token");
            let reply = ask(cloud.entra(), Method::POST, &path, "", form).await.unwrap();
            assert_eq!((reply.status.as_u16(), &reply.json()["error_codes"][0]), (status, &code), "{}", reply.text());
        }
    });
}

#[test]
fn it_speaks_tls_on_the_same_ports() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options::default());
    runtime().block_on(async {
        let mut client = Client::connect(cloud.entra(), cloud.certificate(), None).await.unwrap();
        let request =
            Request::builder().uri("/common/v2.0/.well-known/openid-configuration").header("host", "localhost:1");
        let reply = client.send(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(reply.json()["token_endpoint"], "https://localhost:1/common/oauth2/v2.0/token");
    });
}

#[test]
fn lists_come_in_pages_and_hold_everything_once() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options { page: 7, applications: 20, ..Options::default() });
    runtime().block_on(async {
        let (manager, graph) = (token_of(&cloud, 0, MANAGER).await, token_of(&cloud, 0, GRAPH).await);
        let (subscriptions, _) = all(&cloud, cloud.manager(), "/subscriptions?api-version=2022-12-01", &manager).await;
        assert_eq!(subscriptions.len(), 3);
        let mut names = std::collections::BTreeSet::new();
        for subscription in &subscriptions {
            let path = format!("{}/{IDENTITIES}", subscription["id"].as_str().unwrap());
            let (identities, pages) = all(&cloud, cloud.manager(), &path, &manager).await;
            assert_eq!((identities.len(), pages), (20, 3));
            for identity in &identities {
                let id = identity["id"].as_str().unwrap();
                assert!(id.contains("/resourcegroups/"), "{id}");
                let path = format!("{id}/federatedIdentityCredentials?api-version=2024-11-30&$top=4");
                let (credentials, _) = all(&cloud, cloud.manager(), &path, &manager).await;
                names.extend(credentials.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            }
        }
        assert_eq!(names.len(), cloud.estate().size().1);
        let path = "/v1.0/applications?$select=id,appId&$top=999&$expand=federatedIdentityCredentials";
        let (applications, pages) = all(&cloud, cloud.graph(), path, &graph).await;
        assert_eq!((applications.len(), pages), (45, 3));
        let first = applications[0].as_object().unwrap();
        assert_eq!(first.keys().collect::<Vec<_>>(), ["appId", "federatedIdentityCredentials", "id"]);
    });
}

#[test]
fn versions_that_do_not_exist_are_refused_and_old_ones_know_less() {
    let mut estate = Estate::of_tenant("t", "T");
    let flexible = Credential::flexible("flex", "https://i/", "claims['sub'] matches 'system:serviceaccount:a:*'");
    estate.subscriptions.push(Subscription {
        id: "s".into(),
        identities: vec![Identity::new("id", "rg", vec![flexible])],
        clusters: vec![Cluster::new("s", "edge", true, "https://edge/")],
        ..Subscription::default()
    });
    let cloud = Cloud::start(estate, Options::default());
    runtime().block_on(async {
        let token = token_of(&cloud, 0, MANAGER).await;
        let ask = async |path: &str, version: &str| {
            let reply = get(cloud.manager(), &format!("/subscriptions/s/{path}?api-version={version}"), &token).await;
            (reply.status.as_u16(), reply.json())
        };
        let list = "resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id/federatedIdentityCredentials";
        let (status, body) = ask(list, "2018-11-30").await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!("InvalidResourceType")));
        let properties = |body: &Value| body["value"][0]["properties"].clone();
        assert!(properties(&ask(list, "2024-11-30").await.1).get("claimsMatchingExpression").is_none());
        assert!(properties(&ask(list, "2025-01-31-preview").await.1).get("claimsMatchingExpression").is_some());
        let arc = "providers/Microsoft.Kubernetes/connectedClusters";
        assert!(properties(&ask(arc, "2024-01-01").await.1).get("oidcIssuerProfile").is_none());
        assert_eq!(properties(&ask(arc, "2024-12-01-preview").await.1)["oidcIssuerProfile"]["issuerUrl"], "https://edge/");
    });
}

#[test]
fn resource_graph_answers_rows_over_subscriptions_and_leaves_out_what_is_forbidden() {
    let mut estate = Estate::made(1, SMALL);
    let tenant = estate.tenants[0].id.clone();
    estate.groups.push(ManagementGroup { name: "prod".into(), tenant: 0, parent: None });
    estate.subscriptions[1].group = Some("prod".into());
    let subscription = estate.subscriptions[0].id.clone();
    let cloud = Cloud::start(estate, Options { rows: 25, ..Options::default() });
    runtime().block_on(async {
        let token = token_of(&cloud, 0, MANAGER).await;
        let query = async |body: Value| {
            let path = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
            let reply = ask(cloud.manager(), Method::POST, path, &token, body.to_string()).await.unwrap();
            (reply.status.as_u16(), reply.json())
        };
        let text = "resources | where type =~ 'Microsoft.ManagedIdentity/userAssignedIdentities' | project id, type, clientId = tostring(properties.clientId), subscriptionId | order by id asc";
        let (status, first) = query(json!({"query": text, "options": {"$top": 1000, "resultFormat": "objectArray"}})).await;
        assert_eq!((status, &first["totalRecords"], &first["count"]), (200, &json!(60), &json!(25)), "{first}");
        let row = &first["data"][0];
        assert_eq!(row["type"], "microsoft.managedidentity/userassignedidentities");
        assert!(row["id"].as_str().unwrap().contains("/resourceGroups/"), "{row}");
        let (_, second) = query(json!({"query": text, "options": {"$top": 1000, "$skipToken": first["$skipToken"]}})).await;
        assert!(second["data"][0]["id"] != row["id"] && second["resultTruncated"] == "false");
        let (_, grouped) = query(json!({"query": "Resources | where type in~ ('microsoft.containerservice/managedclusters')", "managementGroups": ["prod"]})).await;
        assert_eq!(grouped["count"], 4, "{grouped}");
        assert!(grouped["data"][0]["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().contains(&tenant));
        // Without ids there are no pages.
        let (_, cut) = query(json!({"query": "resources | project name", "options": {"$top": 5}})).await;
        assert!(cut["resultTruncated"] == "true" && cut.get("$skipToken").is_none());
        for bad in ["resources | summarize count()", "resources | where location == 'x'", "secrets"] {
            assert_eq!(query(json!({"query": bad})).await.0, 400, "{bad}");
        }
        cloud.forbid(&subscription);
        let (_, left) = query(json!({"query": text})).await;
        assert_eq!(left["totalRecords"], 40);
        assert_eq!(query(json!({"query": text, "subscriptions": [subscription]})).await.0, 403);
    });
}

#[test]
fn graph_answers_batches_part_by_part() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options::default());
    let application = cloud.estate().tenants[0].applications[3].clone();
    runtime().block_on(async {
        let token = token_of(&cloud, 0, GRAPH).await;
        let part = |id: usize, url: &str| json!({"id": id.to_string(), "method": "GET", "url": url});
        let batch = async |parts: Vec<Value>| {
            let body = json!({"requests": parts}).to_string();
            ask(cloud.graph(), Method::POST, "/v1.0/$batch", &token, body).await.unwrap()
        };
        let path = format!("/applications/{}/federatedIdentityCredentials", application.id());
        cloud.fault(Fault::on(Service::Graph, "/applications/", What::Busy(7)).times(1));
        let reply = batch(vec![part(1, &path), part(2, "/applications/nobody"), part(3, &path)]).await.json();
        let responses = reply["responses"].as_array().unwrap();
        let of = |id: &str| responses.iter().find(|it| it["id"] == id).unwrap();
        assert_eq!((&of("3")["status"], &of("3")["headers"]["Retry-After"]), (&json!(429), &json!("7")));
        assert_eq!((&of("2")["status"], &of("1")["status"]), (&json!(404), &json!(200)));
        assert_eq!(of("1")["body"]["value"][0]["name"], "main");
        assert_eq!(batch((0..21).map(|id| part(id, &path)).collect()).await.status, 400);
    });
    let cloud = Cloud::start(Estate::made(1, SMALL), Options { reads_applications: false, ..Options::default() });
    runtime().block_on(async {
        let token = token_of(&cloud, 0, GRAPH).await;
        let reply = get(cloud.graph(), "/v1.0/applications", &token).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (403, &json!("Authorization_RequestDenied"))
        );
    });
}

#[test]
fn more_than_is_allowed_is_throttled_with_when_to_come_again() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options { factor: 1.0, ..Options::default() });
    let subscription = &cloud.estate().subscriptions[0];
    runtime().block_on(async {
        let token = token_of(&cloud, 0, MANAGER).await;
        let path = |at: usize| {
            format!(
                "{}/federatedIdentityCredentials?api-version=2024-11-30",
                subscription.identities[at].id(&subscription.id)
            )
        };
        let status = async |at: usize| get(cloud.manager(), &path(at), &token).await.status.as_u16();
        // Twice in four seconds is too much for an identity, however few there are.
        assert_eq!((status(0).await, status(0).await), (200, 429));
        for at in 1..20 {
            status(at).await;
        }
        let lists = cloud.record().credential_lists();
        let served = lists.count(Verdict::Served);
        assert!((5..=10).contains(&served), "a subscription allows five a second: {served}");
        let reply = get(cloud.manager(), &path(0), &token).await;
        let after: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=4).contains(&after) && reply.json()["error"]["code"] == "SubscriptionRequestsThrottled");
        let path = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
        let query = json!({"query": "resources | limit 1"}).to_string();
        let mut refused = 0;
        for _ in 0..20 {
            let reply = ask(cloud.manager(), Method::POST, path, &token, query.clone()).await.unwrap();
            refused += u32::from(reply.status == 429);
            assert!(reply.headers["x-ms-user-quota-resets-after"].to_str().unwrap().starts_with("00:00:0"));
        }
        assert!(refused >= 1);
    });
}

#[test]
fn every_fault_strikes_as_often_as_it_is_told() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options { page: 7, ..Options::default() });
    let path = format!("/subscriptions/{}/{IDENTITIES}", cloud.estate().subscriptions[0].id);
    runtime().block_on(async {
        let token = token_of(&cloud, 0, MANAGER).await;
        let part = "userAssignedIdentities";
        for (what, status, has) in [
            (What::Status(503), 503, "\"code\""),
            (What::Busy(3), 429, "TooManyRequests"),
            (What::Gone, 404, "ResourceNotFound"),
            (What::Refused, 401, "InvalidAuthenticationToken"),
            (What::Html, 200, "<html>"),
            (What::WrongType, 200, "\"value\""),
            (What::Empty, 200, ""),
            (What::Garbage, 200, "{"),
            (What::Halved, 200, "{"),
            (What::Redirect, 307, ""),
            (What::HostileNext, 200, "nextLink"),
            (What::Cycle, 200, "nextLink"),
            (What::Endless, 200, "nextLink"),
        ] {
            cloud.fault(Fault::on(Service::Manager, part, what.clone()).times(1));
            let reply = get(cloud.manager(), &path, &token).await;
            assert!(
                reply.status == status && reply.text().contains(has),
                "{what:?}: {} {}",
                reply.status,
                reply.text()
            );
            assert_eq!(
                serde_json::from_slice::<Value>(&reply.body).is_err(),
                matches!(what, What::Html | What::Empty | What::Garbage | What::Halved)
            );
            let own = format!("http://{}", cloud.manager());
            let link = reply.headers.get("location").map_or_else(|| reply.text(), |it| it.to_str().unwrap().into());
            assert_eq!(
                link.contains(&own),
                !matches!(what, What::Redirect)
                    && status == 200
                    && link.contains("nextLink")
                    && !matches!(what, What::HostileNext)
            );
            assert_eq!(get(cloud.manager(), &path, &token).await.status, 200, "it has struck");
        }
        cloud.fault(Fault::on(Service::Manager, part, What::Cut).times(1).after(1));
        assert_eq!(get(cloud.manager(), &path, &token).await.status, 200);
        assert!(ask(cloud.manager(), Method::GET, &path, &token, String::new()).await.is_err());
        cloud.fault(Fault::on(Service::Manager, part, What::Late(Duration::from_millis(50))).times(1));
        let begun = Instant::now();
        assert_eq!(get(cloud.manager(), &path, &token).await.status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert_eq!(cloud.record().count(Verdict::Faulty), 14);
        assert!(cloud.record().of(Service::Elsewhere, "").0.is_empty());
    });
}

#[test]
fn tokens_and_secrets_are_found_wherever_they_stand() {
    let cloud = Cloud::start(Estate::made(1, SMALL), Options::default());
    let token = runtime().block_on(token_of(&cloud, 0, MANAGER));
    assert!(cloud.leaks(b"nothing of the kind").is_empty());
    for text in [
        format!("authorization: Bearer {token}"),
        format!("… {} …", &token[10..70]),
        format!("client_secret={}", cloud.callers()[0].secret),
        cloud.callers()[0].assertion.clone(),
    ] {
        assert!(!cloud.leaks(text.as_bytes()).is_empty(), "{text}");
    }
}

#[test]
fn a_made_up_estate_is_as_big_as_asked_for_and_the_same_each_time() {
    let size = Size { subscriptions: 20, identities: 20_000, credentials: 10, applications: 10 };
    let (one, other) = (Estate::made(7, size), Estate::made(7, size));
    let (identities, credentials) = one.size();
    assert!(identities == 20_000 && (200_000..205_000).contains(&credentials), "{credentials}");
    assert_eq!(one.expected(), other.expected());
    let kinds: std::collections::BTreeSet<&str> = one.expected().iter().map(|it| it.0).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["AWI306", "AWI308", "AWI312", "AWI401"]);
    let id = |estate: &Estate| estate.subscriptions[19].identities[999].id("s");
    assert_eq!(id(&one), id(&other));
    let last = &one.subscriptions[19].identities[999];
    assert_eq!(one.subscriptions[19].identity(&last.group, &last.name).unwrap().client_id, last.client_id);
}
