//! wiguard: the audit around the rules. All input and output is here, none of the judging.
//!
//! ```text
//! read -> collect -> evaluate -> triage -> report -> render
//! ```

pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
#[cfg(feature = "live")]
pub mod doctor;
#[cfg(feature = "wasm")]
pub mod engine;
pub mod evaluate;
pub mod explain;
#[cfg(feature = "live")]
pub mod gather;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "live")]
pub mod merge;
pub mod place;
pub mod policy;
#[cfg(feature = "wasm")]
pub mod preview;
pub mod progress;
pub mod read;
#[cfg(feature = "live")]
pub mod redact;
pub mod remedy;
pub mod render;
pub mod report;
pub mod rules;
pub mod scan;
#[cfg(feature = "serve")]
pub mod serve;
pub mod snapshot;
pub mod sources;
#[cfg(feature = "live")]
pub mod store;
pub mod tally;
mod tokens;
pub mod trace;
pub mod triage;

/// The policy module that was built with this program.
pub static POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy.wasm"));
