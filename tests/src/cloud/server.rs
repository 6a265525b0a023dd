//! The cloud as it runs: one port for each service, and one for a host elsewhere that must never
//! be asked; who may ask, what goes wrong, what was asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::estate::Estate;
use super::fault::{Fault, What};
use super::http::{Answer, Asked};
use super::record::{Record, Request, Service, Verdict};
use super::throttle::Throttle;
use super::tokens::{Caller, Grant, Tokens, found, random};
use super::wire::accept;
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
    /// The newest version of any API that is spoken, as clouds apart lag behind.
    pub newest: &'static str,
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
    /// What each of the caller's roles lets it do in a subscription.
    permissions: Mutex<Value>,
    /// Subscriptions that the caller may see and not read.
    pub(super) forbidden: Mutex<Vec<String>>,
    /// Subscriptions that the caller may not even see.
    hidden: Mutex<Vec<String>>,
    tokens: Mutex<Tokens>,
    throttle: Mutex<Throttle>,
    faults: Mutex<Vec<Fault>>,
    record: Mutex<Vec<Request>>,
    /// Something was added to it.
    noted: Condvar,
    audiences: Mutex<[Vec<String>; 2]>,
    elsewhere: Mutex<String>,
    begun: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn good<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            factor: 100.0,
            page: 100,
            rows: 1000,
            applications: 100,
            lifetime: Duration::from_secs(3599),
            reads_applications: true,
            queries: true,
            newest: "9999",
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
            permissions: Mutex::new(json!([{"actions": ["*/read"], "notActions": []}])),
            forbidden: Mutex::default(),
            hidden: Mutex::default(),
            tokens: Mutex::default(),
            throttle: Mutex::new(Throttle::new(options.factor)),
            faults: Mutex::default(),
            record: Mutex::default(),
            noted: Condvar::new(),
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

    /// Takes away all that speaks of an identity, of whoever runs the tests too.
    pub fn bare(&self, command: &mut Command) {
        let own = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
        let set = command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned());
        let is = |name: &String| {
            let prefixed = ["AZURE_", "IDENTITY_", "MSI_", "IMDS_"].iter().any(|own| name.starts_with(own));
            prefixed || name.to_ascii_lowercase().ends_with("_proxy")
        };
        for name in own.chain(set).filter(is).collect::<Vec<_>>() {
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
        lock(&self.state.hidden).clear();
    }

    /// Lets the caller see a subscription, and read nothing in it.
    pub fn forbid(&self, subscription: &str) {
        lock(&self.state.forbidden).push(subscription.to_ascii_lowercase());
    }

    /// Takes the caller's roles in a subscription, and with them the one at the root of its tenant.
    pub fn hide(&self, subscription: &str) {
        lock(&self.state.hidden).push(subscription.to_ascii_lowercase());
    }

    /// Says this of the caller's roles in every subscription; at first it is a Reader.
    pub fn allow(&self, permissions: Value) {
        *lock(&self.state.permissions) = permissions;
    }

    /// All requests so far.
    #[must_use]
    pub fn record(&self) -> Record {
        Record(lock(&self.state.record).clone())
    }

    /// Waits until so many lists of credentials were served, for so long at most; whether they were.
    #[must_use]
    pub fn await_lists(&self, served: usize, within: Duration) -> bool {
        let until = Instant::now() + within;
        let (mut seen, mut found) = (0, 0);
        let mut record = lock(&self.state.record);
        loop {
            let fresh = Record(record.get(seen..).unwrap_or_default().to_vec());
            (seen, found) = (record.len(), found + fresh.credential_lists().count(Verdict::Served));
            let left = until.saturating_duration_since(Instant::now());
            if found >= served || left.is_zero() {
                return found >= served;
            }
            record = self.state.noted.wait_timeout(record, left).unwrap_or_else(PoisonError::into_inner).0;
        }
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

    pub(super) fn grant(&self, token: &str) -> Option<Grant> {
        lock(&self.tokens).get(token).cloned()
    }

    pub(super) fn permissions(&self) -> Value {
        lock(&self.permissions).clone()
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

    pub(super) fn is_hidden(&self, subscription: &str) -> bool {
        lock(&self.hidden).iter().any(|own| own.eq_ignore_ascii_case(subscription))
    }

    /// Where nobody should go.
    pub(super) fn elsewhere(&self) -> String {
        lock(&self.elsewhere).clone()
    }

    pub(super) fn fault(&self, service: Service, path: &str) -> Option<What> {
        lock(&self.faults).iter_mut().find_map(|fault| fault.strike(service, path))
    }

    /// Answers and notes it.
    pub(super) fn note(&self, service: Service, asked: &Asked, answer: &Answer, faulty: bool) {
        let grant = asked.bearer().and_then(|token| self.grant(token));
        let which = if service == Service::Graph { Service::Graph } else { Service::Manager };
        let good = |it: &Grant| it.expires > Instant::now() && self.is_audience_of(which, &it.audience);
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
        self.noted.notify_all();
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
