//! The tests of wiguard, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod catalogue;
mod cli;
mod documents;
mod engine;
mod estate;
mod generated;
mod hostile;
mod ignorance;
mod lines;
mod manifests;
mod mutation;
mod output;
mod parity;
mod policy;
mod program;
mod protocol;
mod shapes;
