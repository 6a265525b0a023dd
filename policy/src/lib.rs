//! The rules as an admission policy: what a Kubewarden host calls, and nothing that judges.
//!
//! The protocol is waPC with JSON payloads (Kubewarden, `reference/spec`): `validate`,
//! `validate_settings` and `protocol_version`. One operation of our own, `review`, answers with
//! the findings themselves, for hosts that can do more with them than show a sentence.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod answer;
#[cfg(target_family = "wasm")]
mod guest;
mod host;
mod moved;
mod published;
mod request;
mod settings;
mod slice;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use answer::{Reviewed, ReviewedFinding, ReviewedUnknown};
pub use host::Host;
pub use published::Publication;
pub use settings::{Level, Settings, Unknown};

/// Answers one call.
///
/// # Errors
/// A sentence that says what could not be done, for the host to pass on as an internal error.
pub fn call(operation: &str, payload: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, String> {
    match operation {
        "validate" => answer::response(&request::validate(payload, host)?),
        "review" => answer::json(&request::review(payload, host)?.into_reviewed()),
        "validate_settings" => answer::json(&settings::verdict(payload)),
        "protocol_version" => Ok(b"\"v1\"".to_vec()),
        unknown => Err(format!("the policy has no operation `{unknown}`")),
    }
}
