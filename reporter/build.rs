#![expect(clippy::expect_used, clippy::panic, reason = "a build script reports by failing")]
//! Builds the policy module and puts it where the program embeds it from, so that what is shipped
//! is what was tested. `WIGUARD_POLICY_WASM` names a module to embed instead, a signed one say.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const TARGET: &str = "wasm32-wasip1";

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
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--locked", "--package", "wiguard-policy", "--profile", "policy", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        // The flags of the host's build are not the module's.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "could not build the policy module; is its target installed? (rustup target add {TARGET})\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let built = target.join(TARGET).join("policy").join("wiguard_policy.wasm");
    fs::copy(&built, &embedded).unwrap_or_else(|error| panic!("could not copy {}: {error}", built.display()));
}
