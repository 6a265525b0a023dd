//! The doors of the policy: its functions called as they are, the module in our own engine, and
//! the module in the waPC host that Kubewarden's policy server is built on. Apart, so that a test
//! can knock at all three at once and compare to the byte.

#![allow(clippy::panic, reason = "a test without a door to knock at has nothing to go on with")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use wapc::WapcHost;
use wasmtime_provider::{WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};
use wiguard::engine::{CallError, Engine, Host, Limits, Policy};

/// A cluster's API server, as far as a policy may ask it: for ServiceAccounts.
#[derive(Debug, Default)]
pub struct ApiServer {
    /// ServiceAccounts as JSON, by namespace and name.
    pub accounts: BTreeMap<(String, String), Vec<u8>>,
    /// What was asked, in order.
    asked: Mutex<Vec<String>>,
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
        let accounts = accounts.into_iter().map(|(namespace, name, json)| ((namespace, name), json)).collect();
        Arc::new(Self { accounts, asked: Mutex::default() })
    }

    fn answer(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let asked = format!("{binding}/{namespace}/{operation} {}", String::from_utf8_lossy(payload));
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        if (binding, namespace, operation) != ("kubewarden", "kubernetes", "get_resource") {
            return Err(format!("`{binding}/{namespace}/{operation}` is not available"));
        }
        let asked: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if (text("api_version").as_str(), text("kind").as_str()) != ("v1", "ServiceAccount") {
            return Err("the policy has no access to it".into());
        }
        let found = self.accounts.get(&(text("namespace"), text("name")));
        found.cloned().ok_or_else(|| format!("serviceaccounts {:?} not found", text("name")))
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for ApiServer {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.answer(binding, namespace, operation, payload)
    }
}

/// The same, for the policy's functions.
struct Native<'a>(&'a ApiServer);

impl wiguard_policy::Host for Native<'_> {
    fn call(&mut self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.0.answer(binding, namespace, operation, payload)
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
        let limits = Limits { deadline: std::time::Duration::from_secs(30), ..Limits::default() };
        let engine = Engine::new(limits).unwrap_or_else(|error| panic!("{error}"));
        let module = engine.load(wiguard::POLICY).unwrap_or_else(|error| panic!("{error}"));
        let wapc = WasmtimeEngineProviderBuilder::new().module_bytes(wiguard::POLICY).build_pre();
        Self { module, wapc: wapc.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Knocks at all three, each with a fresh instance.
    ///
    /// # Panics
    /// Where they do not answer alike, or ask for other things.
    pub fn call(&self, operation: &str, payload: &[u8], server: &Arc<ApiServer>) -> Answered {
        let native = wiguard_policy::call(operation, payload, &mut Native(server));
        let native = Answered { answer: native, asked: server.take_asked() };
        let host: Arc<dyn Host> = server.clone();
        let answer = self.module.call(operation, payload, &host).map_err(|error| match error {
            CallError::Guest(message) => message,
            broken => format!("the engine failed: {broken}"),
        });
        let module = Answered { answer, asked: server.take_asked() };
        let wapc = Answered { answer: self.wapc(operation, payload, server), asked: server.take_asked() };
        let shown = || String::from_utf8_lossy(payload).into_owned();
        assert!(native == module, "the module answers otherwise:\n{native:?}\n{module:?}\non {operation} {}", shown());
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
