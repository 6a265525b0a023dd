//! Paths in containers, of which manifests do not tell all.

use alloc::vec::Vec;

/// Whether a path may lead into a folder, or be it: `/run` and `/var/run` are one in most images, and Windows
/// writes drives and backslashes, and minds no case.
pub fn may_lie_in(path: &str, folder: &str) -> bool {
    let (path, folder) = (steps(path), steps(folder));
    let mut pairs = folder.iter().zip(&path);
    folder.len() <= path.len() && pairs.all(|(step, other)| step.eq_ignore_ascii_case(other))
}

fn steps(path: &str) -> Vec<&str> {
    let named = |step: &&str| !matches!(*step, "" | "." | "C:" | "c:");
    let mut steps: Vec<&str> = path.split(['/', '\\']).filter(named).collect();
    let begins = |index: usize, name: &str| steps.get(index).is_some_and(|step| step.eq_ignore_ascii_case(name));
    if begins(0, "var") && begins(1, "run") {
        steps.remove(0);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::may_lie_in;

    #[test]
    fn what_may_be_the_same_folder_is() {
        const FILE: &str = "/var/run/secrets/azure/wi/token/azure-identity-token";
        for folder in [
            "/var/run/secrets/azure/wi",
            "/var/run/secrets/azure/wi/",
            "/var/run/secrets//azure/./wi",
            FILE,
            "/run/secrets/azure/wi",
            "/var/run",
            "/",
            "C:\\var\\run\\secrets\\azure\\wi",
            "c:/Var/Run/secrets/azure/WI",
        ] {
            assert!(may_lie_in(FILE, folder), "{folder}");
        }
        for folder in [
            "/var/run/secrets/azure/w",
            "/var/run/secrets/azure/tokens",
            "/var/secrets/azure/wi",
            "/secrets/azure/wi",
            "/var/run/secrets/azure/wi/token/azure-identity-token/more",
            "/elsewhere",
        ] {
            assert!(!may_lie_in(FILE, folder), "{folder}");
        }
        assert!(may_lie_in("/run/x/token", "/var/run/x"));
        assert!(!may_lie_in("/var/lib/x/token", "/lib/x"));
        assert!(!may_lie_in("/run/x/token", "/x"));
    }
}
