//! The policy module with its settings, ready to be asked, and the words for its failures. A judge
//! is never changed: new settings or a new module make a new one, which takes the old one's place.

use std::sync::Arc;

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use serde::Deserialize;
use serde_json::Value;

use crate::engine::{CallError, Engine, EngineError, Host, Policy};

/// A compiled module.
pub(super) struct Module {
    policy: Policy,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(super) sha256: String,
}

/// A module and its settings.
pub(super) struct Judge {
    pub(super) module: Arc<Module>,
    pub(super) settings: Arc<Settings>,
}

/// The settings of the policy, as they go into a request.
#[derive(Debug, PartialEq)]
pub(super) struct Settings {
    /// As given.
    given: Vec<u8>,
    /// Without anything that changes objects: where an answer cannot change the object, the verdict
    /// must be about the object as it is.
    unchanging: Vec<u8>,
    /// The namespace of the trust inventory, if the policy is to read it.
    pub(super) trust_namespace: Option<String>,
}

/// A call of the module without an answer to use.
#[derive(Debug)]
pub(super) struct Failure {
    /// What happened, in one word for metrics.
    pub(super) kind: &'static str,
    /// What happened, for people.
    pub(super) text: String,
}

/// Whether the answer may change the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Validating,
    Mutating,
}

/// The namespace in which the trust inventory is published if the settings name none.
const TRUST_NAMESPACE: &str = "wiguard-system";

/// The setting that has the policy change objects.
const MUTATING: &str = "moveLabel";

impl Module {
    /// Compiles a module.
    pub(super) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Self, EngineError> {
        Ok(Self { policy: engine.load(wasm)?, sha256: hex(&sha256(wasm)) })
    }
}

impl Settings {
    /// Takes settings as JSON.
    pub(super) fn new(mut settings: Value) -> Self {
        let given = settings.to_string().into_bytes();
        let trust = settings.get("trust").filter(|trust| trust.is_object());
        let trust_namespace = trust.map(|trust| {
            let named = trust.get("namespace").and_then(Value::as_str).filter(|name| !name.is_empty());
            named.unwrap_or(TRUST_NAMESPACE).to_owned()
        });
        if let Some(settings) = settings.as_object_mut() {
            settings.remove(MUTATING);
        }
        Self { given, unchanging: settings.to_string().into_bytes(), trust_namespace }
    }

    fn of(&self, mode: Mode) -> &[u8] {
        match mode {
            Mode::Validating => &self.unchanging,
            Mode::Mutating => &self.given,
        }
    }
}

impl Judge {
    /// Puts a module and settings together, if the module accepts them.
    ///
    /// # Errors
    /// The module's own words, or how it failed.
    pub(super) fn new(module: Arc<Module>, settings: Arc<Settings>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Verdict {
            valid: bool,
            #[serde(default)]
            message: Option<String>,
        }
        let nobody: Arc<dyn Host> = Arc::new(Nobody);
        for settings in [&settings.given, &settings.unchanging] {
            let said = module.policy.call("validate_settings", settings, &nobody);
            let said = said.map_err(|error| format!("the module could not judge its settings: {error}"))?;
            let verdict: Verdict = serde_json::from_slice(&said)
                .map_err(|error| format!("the module's word on its settings makes no sense: {error}"))?;
            if !verdict.valid {
                return Err(verdict.message.unwrap_or_else(|| "the module does not say why".into()));
            }
        }
        Ok(Self { module, settings })
    }

    /// Asks for a verdict on a request, which is JSON.
    pub(super) fn ask(
        &self,
        operation: &str,
        request: &[&str],
        mode: Mode,
        host: Arc<dyn Host>,
    ) -> Result<Vec<u8>, Failure> {
        let settings = self.settings.of(mode);
        let length: usize = request.iter().map(|part| part.len()).sum();
        let mut payload = Vec::with_capacity(length + settings.len() + 32);
        payload.extend_from_slice(b"{\"request\":");
        request.iter().for_each(|part| payload.extend_from_slice(part.as_bytes()));
        payload.extend_from_slice(b",\"settings\":");
        payload.extend_from_slice(settings);
        payload.push(b'}');
        self.module.policy.call(operation, &payload, &host).map_err(Failure::from)
    }
}

// === impl Failure ===

impl Failure {
    /// An answer that is none.
    pub(super) fn nonsense(reason: impl std::fmt::Display) -> Self {
        Self { kind: "nonsense", text: format!("its answer makes no sense: {reason}") }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let kind = match error {
            CallError::Guest(_) => "error",
            CallError::Deadline(_) => "deadline",
            CallError::Memory(_) => "memory",
            CallError::Busy(_) => "busy",
            CallError::Trap(_) => "trap",
            CallError::Protocol(_) => "protocol",
        };
        Self { kind, text: error.to_string() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the policy module gave no verdict ({}): {}", self.kind, self.text)
    }
}

/// A host that knows nothing: settings are judged without a cluster.
struct Nobody;

impl Host for Nobody {
    fn call(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
        Err("nothing is known while settings are judged".into())
    }
}

/// SHA-256, by the library that TLS brings.
pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    suite.map_or_else(Vec::new, |suite| suite.common.hash_provider.hash(bytes).as_ref().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
