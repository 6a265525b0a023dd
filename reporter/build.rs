#![expect(clippy::expect_used, clippy::panic, reason = "a build script reports by failing")]
//! Builds the policy module and puts it where the program embeds it from, so that what is shipped
//! is what was tested. `WIGUARD_POLICY_WASM` names a module to embed instead, a signed one say.

#[path = "build/module.rs"]
mod module;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let embedded = folder.join("policy.wasm");
    println!("cargo:rerun-if-env-changed=WIGUARD_POLICY_WASM");
    if let Some(given) = env::var_os("WIGUARD_POLICY_WASM") {
        println!("cargo:rerun-if-changed={}", Path::new(&given).display());
        fs::copy(&given, &embedded)
            .unwrap_or_else(|error| panic!("could not copy {}: {error}", Path::new(&given).display()));
        return;
    }
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let root = Path::new(&manifest).parent().expect("the reporter lives in the workspace");
    println!("cargo:rerun-if-changed={}", Path::new(&manifest).join("build").display());
    for watched in [
        "rules/src",
        "rules/json",
        "rules/Cargo.toml",
        "policy/src",
        "policy/build.rs",
        "policy/Cargo.toml",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(watched).display());
    }
    // Beside the host's own output (TARGET/PROFILE/build/PACKAGE/out), so that every profile and
    // feature set shares one build of the module.
    let target = folder.ancestors().nth(4).unwrap_or(&folder).join("policy-module");
    let cargo = env::var_os("CARGO").expect("cargo sets CARGO");
    let built = module::build(Path::new(&cargo), None, root, &target).unwrap_or_else(|error| panic!("{error}"));
    fs::copy(&built, &embedded).unwrap_or_else(|error| panic!("could not copy {}: {error}", built.display()));
}
