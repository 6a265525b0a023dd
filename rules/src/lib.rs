//! The chain of trust by which a pod becomes an Azure identity, and the rules that say where it breaks.
//!
//! ```text
//! [Workload] -> [ServiceAccount] <- subject - [FederatedIdentityCredential] -> [Identity]
//!                                                └ issuer -> [Cluster]
//! ```
//!
//! No I/O, no clock, no threads: `no_std`, so that the compiler keeps them out. The audit hands in
//! everything it could read, admission hands in one object; the same functions judge both.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "audit")]
pub mod after;
#[cfg(feature = "facts")]
pub mod case;
pub mod catalogue;
#[cfg(feature = "audit")]
pub mod chain;
pub mod declared;
pub mod exchange;
pub mod expression;
pub mod finding;
mod index;
pub mod inventory;
pub mod judge;
pub mod manifest;
pub mod model;
pub mod near;
#[cfg(feature = "audit")]
pub mod on_behalf;
pub mod parameters;
pub mod release;
#[cfg(feature = "audit")]
pub mod remedy;
pub mod repair;
pub mod review;
pub mod rule;
#[cfg(test)]
mod sample;
pub mod spelling;
pub mod trust;
pub mod webhook;
pub mod whose;

pub use wiguard_json as json;

/// What a rule file needs, and nothing else.
pub mod prelude {
    pub use crate::finding::{Confidence, Finding, Hop, Severity};
    pub use crate::model::{
        Audience, ClientId, Cluster, Container, Custom, FederatedIdentityCredential, Identity, Issuer, Place,
        ServiceAccount, Software, Subject, Workload, annotation, label,
    };
    pub use crate::rule::{Breaks, Check, Rule, Verdict};
    pub use crate::trust::{Link, Trust};
    pub use alloc::borrow::ToOwned;
    pub use alloc::format;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec;
    pub use alloc::vec::Vec;
}
