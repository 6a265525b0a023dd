//! What is counted, and shown at `/metrics` in the text format of OpenMetrics 1.0.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The content type of the page (OpenMetrics 1.0).
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The values of a label that are known when the program is written; all others would let a client
/// make as many series as it likes.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Labels<2>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    findings: Family<Labels<2>, Counter>,
    failures: Family<Labels<1>, Counter>,
    lookups: Family<Labels<2>, Counter>,
    keys: Family<Labels<1>, Counter>,
    reloads: Family<Labels<2>, Counter>,
    watch_errors: Family<Labels<1>, Counter>,
    refused_connections: Family<Labels<1>, Counter>,
    connections: Gauge,
    cached: Family<Labels<1>, Gauge>,
    synced: Family<Labels<1>, Gauge>,
    trust_collected: Family<Labels<1>, Gauge>,
    certificate_expiry: Family<Labels<1>, Gauge>,
    ready: Gauge,
    build: Family<Vec<(&'static str, String)>, Gauge>,
    /// The module that `build` shows.
    shown: Mutex<String>,
    started: Gauge<f64, AtomicU64>,
}

/// What is true now and not counted, as the page shows it.
#[derive(Default)]
pub(super) struct Now {
    pub(super) ready: bool,
    pub(super) connections: usize,
    /// Objects held by kind, and whether all of them were read once.
    pub(super) caches: Vec<(&'static str, usize, bool)>,
    /// When the oldest part of the trust inventory was collected, in unix seconds, by where it is from.
    pub(super) trust_collected: Option<(&'static str, i64)>,
    /// When certificates end, in unix seconds, by what they are.
    pub(super) certificates: Vec<(&'static str, i64)>,
    pub(super) module: String,
}

/// Counts a request while it is in flight.
pub(super) struct InFlight<'m>(&'m Gauge);

impl Metrics {
    pub(super) fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            findings: Family::default(),
            failures: Family::default(),
            lookups: Family::default(),
            keys: Family::default(),
            reloads: Family::default(),
            watch_errors: Family::default(),
            refused_connections: Family::default(),
            connections: Gauge::default(),
            cached: Family::default(),
            synced: Family::default(),
            trust_collected: Family::default(),
            certificate_expiry: Family::default(),
            ready: Gauge::default(),
            build: Family::default(),
            shown: Mutex::default(),
            started: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("wiguard");
        registry.register("requests", "Requests by path and outcome", metrics.requests.clone());
        registry.register("request_duration_seconds", "Time to answer a request", metrics.durations.clone());
        registry.register("requests_in_flight", "Requests that are being answered", metrics.in_flight.clone());
        registry.register("findings", "Findings by rule and level", metrics.findings.clone());
        registry.register("module_failures", "Calls of the policy module without a verdict", metrics.failures.clone());
        registry.register("lookups", "Objects that the policy module asked for", metrics.lookups.clone());
        registry.register("provider_keys", "Keys of external data by outcome", metrics.keys.clone());
        registry.register(
            "reloads",
            "Changed files, by what they hold and whether it was taken",
            metrics.reloads.clone(),
        );
        registry.register("watch_errors", "Errors of the watches of the cluster", metrics.watch_errors.clone());
        let help = "Connections that ended before a request, by reason";
        registry.register("refused_connections", help, metrics.refused_connections.clone());
        registry.register("connections", "Connections that are open", metrics.connections.clone());
        registry.register("cache_objects", "Objects held, by kind", metrics.cached.clone());
        registry.register("cache_synced", "Whether all objects of a kind were read once", metrics.synced.clone());
        let help = "When the oldest part of the trust inventory was collected";
        registry.register("trust_collected_timestamp_seconds", help, metrics.trust_collected.clone());
        let help = "When a certificate ends";
        registry.register("certificate_expiry_timestamp_seconds", help, metrics.certificate_expiry.clone());
        registry.register("ready", "Whether /readyz says so", metrics.ready.clone());
        registry.register(
            "build_info",
            "Version of the program and SHA-256 of its policy module",
            metrics.build.clone(),
        );
        registry.register("start_timestamp_seconds", "When the program started", metrics.started.clone());
        metrics.started.set(unix_seconds());
        metrics.registry = registry;
        metrics
    }

    pub(super) fn request(&self, path: &'static str, outcome: &'static str, seconds: f64) {
        self.requests.get_or_create(&[("path", path), ("outcome", outcome)]).inc();
        self.durations.get_or_create(&[("path", path)]).observe(seconds);
    }

    pub(super) fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    pub(super) fn finding(&self, rule: &'static str, level: &'static str) {
        self.findings.get_or_create(&[("rule", rule), ("level", level)]).inc();
    }

    pub(super) fn failure(&self, kind: &'static str) {
        self.failures.get_or_create(&[("kind", kind)]).inc();
    }

    pub(super) fn lookup(&self, kind: &'static str, result: &'static str) {
        self.lookups.get_or_create(&[("kind", kind), ("result", result)]).inc();
    }

    pub(super) fn key(&self, outcome: &'static str) {
        self.keys.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn reload(&self, what: &'static str, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create(&[("what", what), ("result", result)]).inc();
    }

    pub(super) fn watch_error(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&[("kind", kind)]).inc();
    }

    pub(super) fn refused_connection(&self, reason: &'static str) {
        self.refused_connections.get_or_create(&[("reason", reason)]).inc();
    }

    /// The page.
    pub(super) fn page(&self, now: &Now) -> String {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.ready.set(now.ready.into());
        self.connections.set(number(now.connections));
        for (kind, held, synced) in &now.caches {
            self.cached.get_or_create(&[("kind", *kind)]).set(number(*held));
            self.synced.get_or_create(&[("kind", *kind)]).set((*synced).into());
        }
        match now.trust_collected {
            Some((source, time)) => {
                self.trust_collected.get_or_create(&[("source", source)]).set(time);
            }
            None => self.trust_collected.clear(),
        }
        for (what, time) in &now.certificates {
            self.certificate_expiry.get_or_create(&[("certificate", *what)]).set(*time);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != now.module {
            shown.clone_from(&now.module);
            self.build.clear();
            let build = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("module_sha256", now.module.clone())];
            self.build.get_or_create(&build).set(1);
        }
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Now, in unix seconds.
pub(super) fn unix_seconds() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
