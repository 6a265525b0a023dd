//! The listeners: one port for each service, plain or TLS as the first byte says, and one for a
//! host elsewhere that must never be asked.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::estate::Estate;
use super::fault::{Fault, What};
use super::http::{Answer, Asked, id};
use super::record::{Record, Request, Service, Verdict};
use super::throttle::Throttle;
use super::tokens::{Caller, Tokens, found, random};
use super::{entra, graph, manager};
use crate::estate::random::Random;
use crate::https::Authority;

/// How a cloud behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What every documented limit is multiplied by.
    pub factor: f64,
    /// How many objects a page of Azure Resource Manager holds.
    pub page: usize,
    /// The most rows that Resource Graph gives at once.
    pub rows: usize,
    /// The most app registrations that a page of Microsoft Graph holds.
    pub applications: usize,
    /// How long tokens are good.
    pub lifetime: Duration,
    /// Whether the caller has `Application.Read.All`.
    pub reads_applications: bool,
    /// Whether the caller may ask Resource Graph.
    pub queries: bool,
    /// The port of Azure Resource Manager, any if 0; the others follow.
    pub port: u16,
}

/// A running cloud; it ends when this is dropped.
pub struct Cloud {
    state: Arc<State>,
    folder: tempfile::TempDir,
    authority: Authority,
    manager: SocketAddr,
    graph: SocketAddr,
    entra: SocketAddr,
    runtime: Option<Runtime>,
}

pub(super) struct State {
    pub(super) estate: Estate,
    pub(super) options: Options,
    pub(super) callers: Vec<Caller>,
    /// Subscriptions that the caller may see and not read.
    pub(super) forbidden: Mutex<Vec<String>>,
    tokens: Mutex<Tokens>,
    throttle: Mutex<Throttle>,
    faults: Mutex<Vec<Fault>>,
    record: Mutex<Vec<Request>>,
    audiences: Mutex<[Vec<String>; 2]>,
    elsewhere: Mutex<String>,
    begun: Instant,
}

/// A body, which may break off.
enum Flow {
    Whole(Option<Bytes>),
    Broken(Option<Bytes>),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn good<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            factor: 1000.0,
            page: 100,
            rows: 1000,
            applications: 100,
            lifetime: Duration::from_secs(3599),
            reads_applications: true,
            queries: true,
            port: 0,
        }
    }
}

// === impl Cloud ===

impl Cloud {
    /// Starts one.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn start(estate: Estate, options: Options) -> Self {
        let mut chance = Random::of(5, "callers");
        let caller = |client_id: String, tenants| Caller {
            client_id,
            secret: format!("8Q~{}", random(3)),
            assertion: format!("{}.{}.{}", random(2), random(8), random(4)),
            tenants,
            reads_applications: options.reads_applications,
        };
        let tenants: Vec<usize> = (0..estate.tenants.len()).collect();
        let callers = vec![caller(chance.guid(), tenants.clone()), caller(chance.guid(), tenants)];
        let state = Arc::new(State {
            estate,
            options,
            callers,
            forbidden: Mutex::default(),
            tokens: Mutex::default(),
            throttle: Mutex::new(Throttle::new(options.factor)),
            faults: Mutex::default(),
            record: Mutex::default(),
            audiences: Mutex::default(),
            elsewhere: Mutex::default(),
            begun: Instant::now(),
        });
        let authority = Authority::new("test authority of the cloud");
        let acceptor = TlsAcceptor::from(Arc::new(secure(&authority)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = good(runtime);
        let serve = |service: Service, offset: u16| {
            let port = if options.port == 0 { 0 } else { options.port + offset };
            let listener = good(runtime.block_on(TcpListener::bind(("127.0.0.1", port))));
            let at = good(listener.local_addr());
            runtime.spawn(accept(listener, acceptor.clone(), Arc::clone(&state), service));
            at
        };
        let manager = serve(Service::Manager, 0);
        let (graph, entra) = (serve(Service::Graph, 1), serve(Service::Entra, 2));
        *lock(&state.elsewhere) = format!("http://{}", serve(Service::Elsewhere, 3));
        let own = |at: SocketAddr| [format!("http://{at}"), format!("https://{at}")];
        let public = |hosts: &[&str]| hosts.iter().map(|host| format!("https://{host}")).collect::<Vec<_>>();
        *lock(&state.audiences) = [
            [public(&["management.azure.com", "management.core.windows.net"]), own(manager).to_vec()].concat(),
            [public(&["graph.microsoft.com"]), own(graph).to_vec()].concat(),
        ];
        let folder = good(tempfile::tempdir());
        good(std::fs::write(folder.path().join("authority.pem"), &authority.pem));
        good(std::fs::write(folder.path().join("assertion"), &state.callers[0].assertion));
        Self { state, folder, authority, manager, graph, entra, runtime: Some(runtime) }
    }

    /// Where Azure Resource Manager is.
    #[must_use]
    pub fn manager(&self) -> SocketAddr {
        self.manager
    }

    /// Where Microsoft Graph is.
    #[must_use]
    pub fn graph(&self) -> SocketAddr {
        self.graph
    }

    /// Where Entra and the metadata service are.
    #[must_use]
    pub fn entra(&self) -> SocketAddr {
        self.entra
    }

    /// What is in it.
    #[must_use]
    pub fn estate(&self) -> &Estate {
        &self.state.estate
    }

    /// Who may ask: the first by secret or assertion, the last as a machine.
    #[must_use]
    pub fn callers(&self) -> &[Caller] {
        &self.state.callers
    }

    /// The certificate that signs for it, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.authority.pem
    }

    /// The file of that certificate, and that of the caller's projected token.
    #[must_use]
    pub fn files(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("authority.pem"), self.folder.path().join("assertion"))
    }

    /// The arguments by which a scan reads this cloud and no other.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let Self { manager, graph, entra, .. } = self;
        let pairs = [
            ("--arm-endpoint", format!("http://{manager}")),
            ("--graph-endpoint", format!("http://{graph}")),
            ("--authority-host", format!("https://{entra}")),
        ];
        let flags = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        std::iter::once("--azure".to_owned()).chain(flags).collect()
    }

    /// Sets what a pod with workload identity has in its environment, and nothing else of Azure.
    pub fn workload_identity(&self, command: &mut Command) {
        self.bare(command);
        command.env("AZURE_FEDERATED_TOKEN_FILE", self.files().1);
        command.env("AZURE_CLIENT_ID", &self.callers()[0].client_id);
        command.env("AZURE_TENANT_ID", &self.estate().tenants[0].id);
    }

    /// Sets what a service principal with a secret has in its environment.
    pub fn secret(&self, command: &mut Command) {
        self.bare(command);
        command.env("AZURE_CLIENT_SECRET", &self.callers()[0].secret);
        command.env("AZURE_CLIENT_ID", &self.callers()[0].client_id);
        command.env("AZURE_TENANT_ID", &self.estate().tenants[0].id);
    }

    /// Sets what an app of App Service with a managed identity has in its environment, which is the
    /// one metadata service whose address can be chosen.
    pub fn managed_identity(&self, command: &mut Command) {
        self.bare(command);
        command.env("IDENTITY_ENDPOINT", format!("http://{}/metadata/identity/oauth2/token", self.entra));
        command.env("IDENTITY_HEADER", &self.callers()[1].secret);
    }

    /// Takes away what whoever runs the tests has in his environment.
    pub fn bare(&self, command: &mut Command) {
        let names = std::env::vars_os().map(|(name, _)| name);
        let is = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            ["AZURE_", "IDENTITY_", "MSI_", "IMDS_"].iter().any(|own| name.starts_with(own))
                || name.to_ascii_lowercase().ends_with("_proxy")
        };
        for name in names.filter(is) {
            command.env_remove(name);
        }
        command.env("SSL_CERT_FILE", self.files().0).env("NO_PROXY", "*");
    }

    /// Makes something go wrong from now on.
    pub fn fault(&self, fault: Fault) {
        lock(&self.state.faults).push(fault);
    }

    /// Makes everything go right again.
    pub fn mend(&self) {
        lock(&self.state.faults).clear();
        lock(&self.state.forbidden).clear();
    }

    /// Lets the caller see a subscription, and read nothing in it.
    pub fn forbid(&self, subscription: &str) {
        lock(&self.state.forbidden).push(subscription.to_ascii_lowercase());
    }

    /// All requests so far.
    #[must_use]
    pub fn record(&self) -> Record {
        Record(lock(&self.state.record).clone())
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.state.record).clear();
    }

    /// How many tokens were issued.
    #[must_use]
    pub fn issued(&self) -> usize {
        lock(&self.state.tokens).all().count()
    }

    /// The tokens, secrets and assertions of this cloud that stand in a text, wholly or in part.
    #[must_use]
    pub fn leaks(&self, text: &[u8]) -> Vec<String> {
        let tokens = lock(&self.state.tokens);
        let secrets = self.state.callers.iter().flat_map(|it| [&it.secret, &it.assertion]);
        found(tokens.all().chain(secrets), text)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl State ===

impl State {
    pub(super) fn issue(&self, tenant: usize, audience: &str, caller: usize) -> String {
        lock(&self.tokens).issue(tenant, audience, caller, self.options.lifetime)
    }

    pub(super) fn grant(&self, token: &str) -> Option<super::tokens::Grant> {
        lock(&self.tokens).get(token).cloned()
    }

    pub(super) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        lock(&self.throttle)
    }

    /// Whether an audience is that of a service; a slash at its end makes no difference.
    pub(super) fn is_audience_of(&self, service: Service, audience: &str) -> bool {
        let which = usize::from(service == Service::Graph);
        lock(&self.audiences)[which].iter().any(|own| own == audience.trim_end_matches('/'))
    }

    pub(super) fn is_audience(&self, audience: &str) -> bool {
        [Service::Manager, Service::Graph].into_iter().any(|service| self.is_audience_of(service, audience))
    }

    pub(super) fn is_forbidden(&self, subscription: &str) -> bool {
        lock(&self.forbidden).iter().any(|own| own.eq_ignore_ascii_case(subscription))
    }

    pub(super) fn fault(&self, service: Service, path: &str) -> Option<What> {
        lock(&self.faults).iter_mut().find_map(|fault| fault.strike(service, path))
    }

    /// Answers and notes it.
    pub(super) fn note(&self, service: Service, asked: &Asked, answer: &Answer, faulty: bool) {
        let grant = asked.bearer().and_then(|token| self.grant(token));
        let which = if service == Service::Graph { Service::Graph } else { Service::Manager };
        let good = |it: &super::tokens::Grant| it.expires > Instant::now() && self.is_audience_of(which, &it.audience);
        let verdict = match answer.status {
            _ if faulty => Verdict::Faulty,
            200 => Verdict::Served,
            429 => Verdict::Throttled,
            status => Verdict::Failed(status),
        };
        let admitted = grant.as_ref().is_some_and(good);
        let tenant = grant.map(|it| self.estate.tenants[it.tenant].id.clone());
        let (at, method, path) = (self.begun.elapsed(), asked.method.to_string(), asked.raw.clone());
        lock(&self.record).push(Request { at, service, method, path, tenant, admitted, verdict });
    }
}

// === impl Flow ===

impl Body for Flow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match &mut *self {
            Self::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Self::Broken(bytes) => Some(match bytes.take() {
                Some(bytes) => Ok(Frame::data(bytes)),
                None => Err(io::Error::other("the connection breaks")),
            }),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}

fn secure(authority: &Authority) -> ServerConfig {
    let pair = authority.server();
    let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).map(good).collect();
    let key = good(PrivateKeyDer::from_pem_slice(pair.key.as_bytes()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = good(ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions());
    good(builder.with_no_client_auth().with_single_cert(chain, key))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>, service: Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut first = [0];
            match stream.peek(&mut first).await {
                // A TLS handshake begins with this byte, no method does.
                Ok(1) if first == [0x16] => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, state, service, "https").await;
                    }
                }
                Ok(1) => connection::<TcpStream>(stream, state, service, "http").await,
                _ => {}
            }
        });
    }
}

async fn connection<S>(stream: S, state: Arc<State>, service: Service, scheme: &'static str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answered = service_fn(|request: hyper::Request<Incoming>| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(handle(&state, service, scheme, request).await) }
    });
    // How a connection ends is the client's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answered).await;
}

async fn handle(
    state: &State,
    service: Service,
    scheme: &str,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Flow> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let base = format!("{scheme}://{host}");
    let raw = head.uri.path_and_query().map_or("/", |own| own.as_str());
    let asked = Asked::new(head.method, raw, head.headers.clone(), body, base);
    let queried = asked.raw.to_ascii_lowercase().contains("/microsoft.resourcegraph/");
    let service = if service == Service::Manager && queried { Service::Query } else { service };
    let mut answer = match service {
        Service::Entra => entra::answer(state, &asked),
        Service::Manager | Service::Query => manager::answer(state, &asked),
        Service::Graph => graph::answer(state, &asked),
        Service::Elsewhere => Answer::ok(json!({"value": []})),
    };
    let fault = if answer.status == 200 { state.fault(service, &asked.raw) } else { None };
    state.note(service, &asked, &answer, fault.as_ref().is_some_and(|it| !matches!(it, What::Late(_))));
    let elsewhere = lock(&state.elsewhere).clone();
    let mut kind = "application/json; charset=utf-8";
    let mut bytes = None;
    match fault {
        None => {}
        Some(What::Status(status)) => answer = failure(service, status),
        Some(What::Busy(seconds)) => answer = failure(service, 429).with("retry-after", seconds),
        Some(What::Gone) => answer = failure(service, 404),
        Some(What::Refused) => {
            answer = failure(service, 401).with("www-authenticate", "Bearer error=\"invalid_token\"")
        }
        Some(What::Late(by)) => tokio::time::sleep(by).await,
        Some(What::Silence) => std::future::pending().await,
        Some(What::HostileNext) => next(&mut answer.body, service, &format!("{elsewhere}{}", asked.raw)),
        Some(What::Cycle) => next(&mut answer.body, service, &format!("{}{}", asked.base, asked.raw)),
        Some(What::Endless) => next(&mut answer.body, service, &asked.link("$skiptoken", "cGFnZTo0")),
        Some(What::Redirect) => {
            answer = Answer::status(307, Value::Null).with("location", format!("{elsewhere}{}", asked.raw));
        }
        Some(What::Html) => {
            kind = "text/html";
            bytes = Some(Bytes::from_static(
                b"<!DOCTYPE html><html><title>Sign in</title><body>Sign in to your proxy</body></html>",
            ));
        }
        Some(What::WrongType) => kind = "text/plain",
        Some(What::Empty) => bytes = Some(Bytes::new()),
        Some(What::Garbage) => bytes = Some(Bytes::from_static(b"{\"value\": [}{\x00\xff ]")),
        Some(What::Halved) => {
            let whole = Bytes::from(answer.body.to_string());
            bytes = Some(whole.slice(..whole.len() / 2));
        }
        Some(What::Cut) => {
            let whole = Bytes::from(answer.body.to_string());
            return response(&answer, kind, Flow::Broken(Some(whole.slice(..whole.len() / 2))));
        }
    }
    let bytes = bytes.unwrap_or_else(|| Bytes::from(answer.body.to_string()));
    response(&answer, kind, Flow::Whole(Some(bytes)))
}

fn response(answer: &Answer, kind: &str, flow: Flow) -> hyper::Response<Flow> {
    let mut builder = hyper::Response::builder().status(answer.status).header("content-type", kind);
    builder = builder.header("x-ms-request-id", id()).header("x-ms-correlation-request-id", id());
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    good(builder.body(flow))
}

/// Puts a link to the next page where the service puts it.
fn next(body: &mut Value, service: Service, link: &str) {
    let name = match service {
        Service::Graph => "@odata.nextLink",
        Service::Query => "$skipToken",
        _ => "nextLink",
    };
    // Resource Graph has tokens for links, and always gives the same one here.
    let link = if service == Service::Query { "cGFnZTo0" } else { link };
    body[name] = json!(link);
}

/// An error as the service writes it.
fn failure(service: Service, status: u16) -> Answer {
    let (code, message) = match status {
        401 => ("InvalidAuthenticationToken", "The access token is invalid."),
        403 => {
            ("AuthorizationFailed", "The client does not have authorization to perform this action over this scope.")
        }
        404 => ("ResourceNotFound", "The resource was not found."),
        429 => ("TooManyRequests", "The request was throttled."),
        500 => ("InternalServerError", "Encountered internal server error."),
        503 => ("ServerTimeout", "The request timed out."),
        _ => ("ServiceUnavailable", "The service is unavailable."),
    };
    let code = match (service, status) {
        (Service::Graph, 403) => "Authorization_RequestDenied",
        (Service::Graph, 404) => "Request_ResourceNotFound",
        _ => code,
    };
    if status == 502 {
        // A gateway answers for the service, in its own words.
        return Answer::status(status, Value::Null);
    }
    Answer::error(status, code, message)
}
