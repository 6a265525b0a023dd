//! What the tests of wiguard share: cases and how they are scanned, the doors of the policy, the
//! generated estate, what it is to know less, modules built for comparison, and a cluster of real
//! servers.
#![allow(
    clippy::indexing_slicing,
    reason = "JSON that lacks a member gives null, and a test that cannot go on has failed"
)]

pub mod case;
pub mod cloud;
pub mod cluster;
pub mod doors;
pub mod estate;
pub mod https;
pub mod loss;
pub mod modules;
pub mod objects;
pub mod requests;
pub mod serving;
pub mod slices;
