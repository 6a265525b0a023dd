//! `wiguard policy manifests`: what a cluster is given so that the rules are enforced in it, made
//! from the catalogue, so that no rule is forgotten and none is stated twice.

mod cel;
mod external_data;
mod gatekeeper;
mod kubewarden;
mod reach;
mod samples;
mod vap;
mod webhook;
pub(crate) mod yaml;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::cli::Failure;
pub use cel::LEFT_OUT;
use yaml::Node;

/// The arguments of `policy manifests`.
#[derive(Debug, Args)]
pub(super) struct Manifests {
    /// What is to enforce the rules
    #[arg(long = "for", value_enum, value_name = "WHAT")]
    door: Door,
    /// Write them into the folder DIR, with tests and descriptions, not to standard output
    #[arg(short, long = "output", value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What can enforce the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Door {
    /// Kubewarden, which runs the policy module
    Kubewarden,
    /// Gatekeeper, which asks `wiguard serve`, or evaluates CEL
    Gatekeeper,
    /// The API server itself, by ValidatingAdmissionPolicies
    Vap,
    /// The API server, which asks `wiguard serve`
    Webhook,
}

/// A file, by its path below the door's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path, with slashes.
    pub path: String,
    /// Its content.
    pub text: String,
    /// Whether it holds objects to apply, and is no test or description.
    pub applied: bool,
}

impl Manifests {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let files = files(self.door);
        let written = match &self.output {
            Some(folder) => write_all(folder, &files),
            None => match print(&files) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                printed => printed.context("could not write to standard output"),
            },
        };
        written.map(|()| 0).map_err(Failure::Internal)
    }
}

/// The files for one door, in the order to apply them in: by path, and the constraints of Gatekeeper
/// last, whose kinds are made from the templates.
pub fn files(door: Door) -> Vec<File> {
    let mut files = match door {
        Door::Kubewarden => kubewarden::files(),
        Door::Gatekeeper => [gatekeeper::files(), external_data::files()].concat(),
        Door::Vap => vap::files(),
        Door::Webhook => webhook::files(),
    };
    let is_constraint = |file: &File| file.path.ends_with("/constraint.yaml");
    files.sort_by(|a, b| (is_constraint(a), &a.path).cmp(&(is_constraint(b), &b.path)));
    files
}

fn write_all(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    for File { path, text, .. } in files {
        let path = folder.join(path);
        let written = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text)),
            None => std::fs::write(&path, text),
        };
        written.with_context(|| format!("could not write `{}`", path.display()))?;
    }
    Ok(())
}

fn print(files: &[File]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (index, file) in files.iter().filter(|file| file.applied).enumerate() {
        if index > 0 {
            out.write_all(b"---\n")?;
        }
        out.write_all(file.text.as_bytes())?;
    }
    Ok(())
}

// === impl File ===

impl File {
    /// Objects to apply.
    fn objects(path: impl Into<String>, objects: &[Node]) -> Self {
        Self { path: path.into(), text: stream(objects), applied: true }
    }

    /// Something that lies beside them.
    fn beside(path: impl Into<String>, document: &Node) -> Self {
        Self { path: path.into(), text: yaml::document(document), applied: false }
    }
}

fn stream(objects: &[Node]) -> String {
    objects.iter().map(yaml::document).collect::<Vec<_>>().join("---\n")
}

/// The first members of every object of Kubernetes.
fn object(api_version: &str, kind: &str, metadata: Node) -> Node {
    yaml::map([("apiVersion", api_version.into()), ("kind", kind.into()), ("metadata", metadata)])
}

/// `metadata` with a name alone.
fn named(name: &str) -> Node {
    yaml::map([("name", name.into())])
}
