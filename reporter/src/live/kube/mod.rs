//! Clusters: every kind that bears on the chain, page by page.

pub mod kinds;

use std::future::Future;

use clap::Args;

use super::Session;
use crate::cli::Failure;

/// Which clusters, in kubectl's words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live clusters")]
pub struct Flags {
    /// Read the cluster of the current context, or the one this pod runs in
    #[arg(long)]
    kube: bool,
}

impl Flags {
    /// Whether there is any.
    pub const fn is_wanted(&self) -> bool {
        self.kube
    }

    /// What is to be done.
    ///
    /// # Errors
    /// If a context is not there, or a kubeconfig cannot be read.
    pub async fn plan(
        &self,
        namespace: Option<&str>,
        session: &Session,
    ) -> Result<impl Future<Output = ()> + use<>, Failure> {
        let _ = (namespace, session);
        Ok(async {})
    }
}
