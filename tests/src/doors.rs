//! The doors of the policy: its functions called as they are, the module in our own engine, and
//! the module in the waPC host that Kubewarden's policy server is built on. Apart, so that a test
//! can knock at all three at once and compare to the byte.

#![allow(clippy::panic, reason = "a test without a door to knock at has nothing to go on with")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use wapc::WapcHost;
use wasmtime_provider::{WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};
use wiguard::engine::{CallError, Engine, Host, Limits, Policy};

/// A cluster's API server, as far as a policy may ask it: for ServiceAccounts and ConfigMaps.
#[derive(Debug, Default)]
pub struct ApiServer {
    /// Objects as JSON, by kind, namespace and name.
    objects: BTreeMap<(&'static str, String, String), Vec<u8>>,
    /// What it says to whoever asks, if it is in trouble.
    trouble: Option<String>,
    /// What time it is there.
    clock: Clock,
    /// What was asked, in order.
    asked: Mutex<Vec<String>>,
}

/// What a policy is told of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's, which alone the waPC host has.
    #[default]
    Real,
    /// Seconds since 1970.
    At(u64),
    /// There is none.
    Missing,
}

/// The three doors.
pub struct Doors {
    module: Policy,
    wapc: WasmtimeEngineProviderPre,
}

/// An answer, and what was asked for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// The answer, or the policy's error.
    pub answer: Result<Vec<u8>, String>,
    /// What the host was asked, in order.
    pub asked: Vec<String>,
}

// === impl ApiServer ===

impl ApiServer {
    /// One that has these ServiceAccounts, as JSON.
    #[must_use]
    pub fn of(accounts: impl IntoIterator<Item = (String, String, Vec<u8>)>) -> Arc<Self> {
        Arc::new(Self::with(accounts))
    }

    /// The same, to be given more.
    #[must_use]
    pub fn with(accounts: impl IntoIterator<Item = (String, String, Vec<u8>)>) -> Self {
        let objects = accounts.into_iter().map(|(namespace, name, json)| (("ServiceAccount", namespace, name), json));
        Self { objects: objects.collect(), ..Self::default() }
    }

    /// Gives it ConfigMaps: namespace, name and JSON.
    #[must_use]
    pub fn and_config_maps(mut self, maps: impl IntoIterator<Item = (String, String, Vec<u8>)>) -> Self {
        self.objects.extend(maps.into_iter().map(|(namespace, name, json)| (("ConfigMap", namespace, name), json)));
        self
    }

    /// Sets its clock.
    #[must_use]
    pub fn at(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Has it answer every question with this error.
    #[must_use]
    pub fn in_trouble(self, text: &str) -> Self {
        Self { trouble: Some(text.to_owned()), ..self }
    }

    /// What the policy's functions answer, without a module.
    ///
    /// # Errors
    /// The policy's own.
    pub fn native(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        wiguard_policy::call(operation, payload, &mut Native(self))
    }

    fn time(&self) -> Option<u64> {
        match self.clock {
            Clock::Real => SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs()),
            Clock::At(seconds) => Some(seconds),
            Clock::Missing => None,
        }
    }

    fn answer(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let asked = format!("{binding}/{namespace}/{operation} {}", String::from_utf8_lossy(payload));
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        if (binding, namespace, operation) != ("kubewarden", "kubernetes", "get_resource") {
            return Err(format!("`{binding}/{namespace}/{operation}` is not available"));
        }
        let asked: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = ["ServiceAccount", "ConfigMap"].into_iter().find(|kind| text("kind") == *kind);
        let Some(kind) = kind.filter(|_| text("api_version") == "v1") else {
            return Err("the policy has no access to it".into());
        };
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        let found = self.objects.get(&(kind, text("namespace"), text("name")));
        found.cloned().ok_or_else(|| format!("Cannot find v1/{kind} named '{}'", text("name")))
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for ApiServer {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.answer(binding, namespace, operation, payload)
    }

    fn now(&self) -> SystemTime {
        self.time().map_or(UNIX_EPOCH - Duration::from_secs(1), |seconds| UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// The same, for the policy's functions.
struct Native<'a>(&'a ApiServer);

impl wiguard_policy::Host for Native<'_> {
    fn call(&mut self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.0.answer(binding, namespace, operation, payload)
    }

    fn now(&self) -> Option<u64> {
        self.0.time()
    }
}

// === impl Doors ===

impl Doors {
    /// Opens them.
    ///
    /// # Panics
    /// Where a runtime refuses the module.
    #[must_use]
    pub fn open() -> Self {
        let limits = Limits { deadline: Duration::from_secs(30), ..Limits::default() };
        let engine = Engine::new(limits).unwrap_or_else(|error| panic!("{error}"));
        let module = engine.load(wiguard::POLICY).unwrap_or_else(|error| panic!("{error}"));
        let wapc = WasmtimeEngineProviderBuilder::new().module_bytes(wiguard::POLICY).build_pre();
        Self { module, wapc: wapc.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Knocks at all three, each with a fresh instance; not at waPC's if the clock is set, which
    /// nobody can do there.
    ///
    /// # Panics
    /// Where they do not answer alike, or ask for other things.
    pub fn call(&self, operation: &str, payload: &[u8], server: &Arc<ApiServer>) -> Answered {
        let native = Answered { answer: server.native(operation, payload), asked: server.take_asked() };
        let host: Arc<dyn Host> = server.clone();
        let answer = self.module.call(operation, payload, &host).map_err(|error| match error {
            CallError::Guest(message) => message,
            broken => format!("the engine failed: {broken}"),
        });
        let module = Answered { answer, asked: server.take_asked() };
        let shown = || String::from_utf8_lossy(payload).into_owned();
        assert!(native == module, "the module answers otherwise:\n{native:?}\n{module:?}\non {operation} {}", shown());
        if server.clock != Clock::Real {
            return native;
        }
        let wapc = Answered { answer: self.wapc(operation, payload, server), asked: server.take_asked() };
        assert!(native == wapc, "in waPC it answers otherwise:\n{native:?}\n{wapc:?}\non {operation} {}", shown());
        native
    }

    fn wapc(&self, operation: &str, payload: &[u8], server: &Arc<ApiServer>) -> Result<Vec<u8>, String> {
        let instance = self.wapc.rehydrate(None).map_err(|error| error.to_string())?;
        let server = Arc::clone(server);
        let callback = move |_, binding: &str, namespace: &str, operation: &str, payload: &[u8]| {
            server.answer(binding, namespace, operation, payload).map_err(Into::into)
        };
        let host = WapcHost::new(Box::new(instance), Some(Box::new(callback))).map_err(|error| error.to_string())?;
        host.call(operation, payload).map_err(|error| match error {
            wapc::errors::Error::GuestCallFailure(message) => message,
            broken => format!("waPC failed: {broken}"),
        })
    }
}

// === impl Answered ===

impl Answered {
    /// The answer as JSON.
    ///
    /// # Panics
    /// If the policy gave an error instead.
    #[must_use]
    pub fn json(&self) -> Value {
        let answer = self.answer.as_ref().unwrap_or_else(|error| panic!("the policy failed: {error}"));
        serde_json::from_slice(answer).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.answer.as_ref().map(|answer| String::from_utf8_lossy(answer));
        f.debug_struct("Answered").field("answer", &answer).field("asked", &self.asked).finish()
    }
}
