//! `wiguard policy`: what a cluster needs in order to enforce the rules, made from the catalogue and
//! from the module that this program embeds.

pub mod manifests;
mod module;

use clap::{Args, Subcommand};

use crate::cli::Failure;
use manifests::Manifests;
use module::Module;

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
        }
    }
}
