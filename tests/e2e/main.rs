//! The tests of wiguard with real servers, in one binary: a cluster of etcd, kube-apiserver and
//! kube-controller-manager, and beside it what else admits, mutates or judges.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod azure_webhook;
mod azurite;
mod beside;
mod chart;
mod cluster;
mod declared;
mod doctor;
mod doors;
mod gatekeeper;
mod gator;
mod live;
mod live_faults;
mod shop;
mod trust_inventory;
mod vap;
mod webhook;
mod webhook_down;
mod webhook_order;
mod whole;
