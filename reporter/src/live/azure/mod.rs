//! Azure: identities, their federated credentials, and clusters as Azure describes them.

pub mod actions;

use std::future::Future;

use clap::Args;

use super::Session;
use crate::cli::Failure;

/// Which subscriptions.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live Azure")]
pub struct Flags {
    /// Read every subscription that is visible
    #[arg(long)]
    azure: bool,
}

impl Flags {
    /// Whether there is any.
    pub const fn is_wanted(&self) -> bool {
        self.azure
    }

    /// What is to be done.
    ///
    /// # Errors
    /// If there is no such cloud, or no credential.
    pub async fn plan(&self, session: &Session) -> Result<impl Future<Output = ()> + use<>, Failure> {
        let _ = session;
        Ok(async {})
    }
}
