//! A cloud of our own: Azure Resource Manager, Azure Resource Graph, Microsoft Graph and Entra's
//! token endpoint as far as a scan asks them, written from what is published of their APIs.
//!
//! It checks tokens' audiences and tenants, throttles as documented, gives lists in pages, keeps a
//! record of every request, fails in whatever way a test wants, and knows every secret by which it
//! can be asked, so that a test can look for them in what was written.

#![allow(clippy::panic, reason = "a test without its cloud has nothing to go on with")]

mod entra;
mod estate;
mod fault;
mod graph;
mod groups;
mod http;
mod kusto;
mod made;
mod manager;
mod printed;
mod query;
mod record;
mod server;
mod throttle;
mod tokens;
mod version;
mod wire;

pub use estate::{
    AUDIENCE, Application, Cluster, Credential, Credentials, Estate, Identity, ManagementGroup, Subscription, Tenant,
    aks_issuer,
};
pub use fault::{Fault, What};
pub use made::{Expected, Recipe, Size};
pub use record::{Record, Request, Service, Verdict};
pub use server::{Cloud, Options};
pub use throttle::{LISTS_A_SUBSCRIPTION, LISTS_A_TENANT};
pub use tokens::Caller;
