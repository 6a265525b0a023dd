//! `wiguard policy`: what a cluster needs in order to enforce the rules, made from the catalogue and
//! from the module that this program embeds.

pub mod manifests;
mod module;
pub mod trust;

use clap::{Args, Subcommand};

use crate::cli::Failure;
use manifests::Manifests;
use module::Module;
use trust::Trust;

/// The arguments of `policy`.
#[derive(Debug, Args)]
pub struct Policy {
    #[command(subcommand)]
    command: Command,
}

/// The commands of `policy`, each in a file of its own.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make the manifests of whatever enforces the rules
    Manifests(Manifests),
    /// Write the policy module that this program embeds
    Module(Module),
    /// Make the trust inventory of a cluster: what Azure trusts, for the policy to read
    Trust(Box<Trust>),
}

impl Policy {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// Those of the command.
    pub fn run(self) -> Result<u8, Failure> {
        match self.command {
            Command::Manifests(args) => args.run(),
            Command::Module(args) => args.run(),
            Command::Trust(args) => args.run(),
        }
    }
}
