//! WebAssembly modules, built for the tests and benchmarks that run them: the policy itself, and
//! the guests it is compared with. They are built and not kept, so that they cannot be stale.

#![allow(clippy::panic, reason = "a test without its module has nothing to go on with")]

use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../../reporter/build/module.rs"]
mod module;

const TARGET: &str = "wasm32-wasip1";

/// The policy module, built with its own profile into `target`, a folder of the caller's.
///
/// # Panics
/// Where it does not build.
#[must_use]
pub fn policy(target: &Path) -> Vec<u8> {
    built(None, &root().join(".."), target)
}

/// The same, of the sources in another folder and with dependencies in another home of cargo's.
///
/// # Panics
/// Where it does not build.
#[must_use]
pub fn policy_of(source: &Path, home: &Path, target: &Path) -> Vec<u8> {
    built(Some(home), source, target)
}

fn built(home: Option<&Path>, source: &Path, target: &Path) -> Vec<u8> {
    let built = module::build(Path::new(env!("CARGO")), home, source, target);
    read(&built.unwrap_or_else(|error| panic!("{error}")))
}

/// The guest of this name in `guests/`, built into `target`, a folder of the caller's.
///
/// # Panics
/// Where it does not build.
#[must_use]
pub fn guest(name: &str, target: &Path) -> Vec<u8> {
    let manifest = root().join("guests").join(name).join("Cargo.toml");
    build(&manifest, &["--release"], target);
    read(&target.join(TARGET).join("release").join(name).with_extension("wasm"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn build(manifest: &Path, arguments: &[&str], target: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--quiet", "--target", TARGET]).args(arguments);
    cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(target);
    // Meant for the machine's own code, such as coverage counters.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
    assert!(status.success(), "cannot build `{}` for {TARGET}", manifest.display());
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()))
}
