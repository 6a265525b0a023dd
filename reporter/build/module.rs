//! How the policy module is built: with its own profile, and to the same bytes wherever that is done.
//! Apart from the build script, because a test builds it again somewhere else.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip1";

/// Builds the module of the workspace `root` into `target`, a folder of the caller's, with the
/// dependencies that cargo keeps in `home`, by default its own.
///
/// # Errors
/// What the compiler says.
pub(super) fn build(cargo: &Path, home: Option<&Path>, root: &Path, target: &Path) -> Result<PathBuf, String> {
    let default = || env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let home = home.map(Path::to_path_buf).or_else(default).ok_or("cargo has no home")?;
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--locked", "--package", "wiguard-policy", "--profile", "policy", "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        // The flags of the host's build are not the module's.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_ENCODED_RUSTFLAGS", remapped(&home))
        .env("CARGO_HOME", &home)
        .output()
        .map_err(|error| format!("could not start {}: {error}", cargo.display()))?;
    if output.status.success() {
        Ok(target.join(TARGET).join("policy").join("wiguard_policy.wasm"))
    } else {
        Err(format!(
            "could not build the policy module; is its target installed? (rustup target add {TARGET})\n{}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// The flags by which messages do not name the folder that dependencies were unpacked in.
fn remapped(home: &Path) -> OsString {
    let sources = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let mut flags = OsString::new();
    for source in sources {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(source.path());
        flags.push("=/dependencies");
    }
    flags
}
