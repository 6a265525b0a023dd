//! The tests of wiguard that need nothing but Rust, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod azure;
mod azure_client;
mod bearing;
mod catalogue;
mod cli;
mod cloud;
mod deploy;
mod doctor;
mod documents;
mod engine;
mod estate;
mod evidence;
mod explain;
mod generated;
mod healthy;
mod hostile;
mod iac;
mod iac_bindings;
mod ignorance;
mod incomplete;
mod life;
mod lines;
mod manifests;
mod merge;
mod module;
mod moved;
mod mutation;
mod operators;
mod output;
mod parity;
mod placing;
mod plans;
mod policy;
mod preview;
mod program;
mod protocol;
mod published;
mod redact;
mod registrations;
mod serve;
mod shapes;
mod snapshot;
mod software;
#[cfg(unix)]
mod stop;
mod store;
mod trace;
mod trace_others;
mod trace_rules;
mod traps;
mod trust_inventory;
