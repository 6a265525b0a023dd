//! A policy as Kubewarden's own kit would have it written: it reads the request and its settings,
//! and accepts. It judges nothing, so that what it costs is reading alone.

use std::hint::black_box;

use kubewarden_policy_sdk::request::ValidationRequest;
use kubewarden_policy_sdk::settings::Validatable;
use kubewarden_policy_sdk::wapc_guest::{CallResult, register_function};
use kubewarden_policy_sdk::{accept_request, protocol_version_guest, validate_settings};
use serde::{Deserialize, Serialize};

/// The part of the policy's settings that the benchmark gives.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Settings {
    issuer: Option<String>,
    unknown: Option<String>,
    exempt: Exempt,
    credentials: Vec<Credential>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Exempt {
    namespaces: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    client_id: String,
    subject: String,
    name: String,
    identity: String,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

#[unsafe(no_mangle)]
extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    black_box(ValidationRequest::<Settings>::new(payload)?);
    accept_request()
}
