//! Walking: from what was named to the files to be read, in an order of their own.
//!
//! Folders are read whole, sorted by name; names that begin with a dot are passed over, as are the
//! configuration and files reached before, so that links, even in circles, do no harm.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pack::Flaw;
use super::{Fetch, Root, Source, bare_name, decode};
use crate::config::DEFAULT_PATHS;

/// One thing to be read, or why it cannot be.
pub(super) struct Entry {
    pub(super) source: Arc<Source>,
    pub(super) content: Content,
}

pub(super) enum Content {
    Stdin,
    File(PathBuf),
    Later(Fetch),
    Flaw(Flaw),
}

/// What the program itself is configured by, which is no manifest that is missed.
const CONFIGURATION: &str = DEFAULT_PATHS[0];

struct Walk {
    root: usize,
    /// How many files were come across, those read before too.
    met: usize,
    seen: HashSet<PathBuf>,
    entries: Vec<Entry>,
}

/// Everything the roots lead to.
pub(super) fn walk(roots: &[Root]) -> Vec<Entry> {
    let mut walk = Walk { root: 0, met: 0, seen: HashSet::new(), entries: Vec::new() };
    for (index, root) in roots.iter().enumerate() {
        walk.root = index;
        match root {
            Root::Stdin if walk.seen.insert(PathBuf::from("-")) => walk.add("-".into(), false, Content::Stdin),
            Root::Stdin => {}
            Root::Fetched { path, found, content } => match content {
                Ok(fetch) if walk.seen.insert(PathBuf::from(path)) => {
                    walk.add(path.clone(), *found, Content::Later(fetch.clone()));
                }
                Ok(_) => {}
                Err(why) => walk.flaw(Path::new(path), *found, why.clone()),
            },
            Root::Path(path) => {
                let met = std::mem::take(&mut walk.met);
                let known = path.canonicalize().is_ok_and(|path| walk.seen.contains(&path));
                walk.path(path, false);
                if walk.met == 0 && !known {
                    walk.flaw(path, false, "holds no file to read; name a folder of manifests or exports".into());
                }
                walk.met += met;
            }
        }
    }
    walk.entries
}

impl Walk {
    fn add(&mut self, path: String, found: bool, content: Content) {
        if is_toml(&path) {
            let message = "is TOML, and manifests and exports are JSON or YAML; name a configuration with --config";
            return self.entry(path, found, Content::Flaw(Flaw { line: None, message: message.into(), foreign: true }));
        }
        self.entry(path, found, content);
    }

    fn entry(&mut self, path: String, found: bool, content: Content) {
        let source = Arc::new(Source { root: self.root, path, found });
        self.entries.push(Entry { source, content });
    }

    fn flaw(&mut self, path: &Path, found: bool, message: String) {
        let flaw = Flaw { line: None, message, foreign: false };
        self.entry(path.display().to_string(), found, Content::Flaw(flaw));
    }

    fn path(&mut self, path: &Path, found: bool) {
        let kind = match path.metadata() {
            Ok(metadata) => metadata.file_type(),
            Err(_) if path.is_symlink() => {
                self.met += 1;
                return self.flaw(path, found, "is a link that leads nowhere; mend or remove it".into());
            }
            Err(error) => {
                self.met += 1;
                return self.flaw(path, found, decode::explain(&error));
            }
        };
        self.met += usize::from(!kind.is_dir());
        // A pipe such as `<(kubectl …)` has no canonical path; it is its own.
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if !self.seen.insert(canonical) {
            return;
        }
        if kind.is_dir() {
            self.folder(path, found);
        } else if kind.is_file() || !found {
            self.add(path.display().to_string(), found, Content::File(path.to_path_buf()));
        } else {
            self.flaw(path, found, "is not a regular file; name it itself to read it".into());
        }
    }

    fn folder(&mut self, path: &Path, found: bool) {
        let mut names = Vec::new();
        let listed = path.read_dir().and_then(|entries| {
            for entry in entries {
                names.push(entry?.file_name());
            }
            Ok(())
        });
        if let Err(error) = listed {
            self.met += 1;
            self.flaw(path, found, decode::explain(&error));
        }
        names.retain(|name| !name.as_encoded_bytes().starts_with(b".") && *name != *CONFIGURATION);
        names.sort();
        for name in names {
            self.path(&path.join(name), true);
        }
    }
}

/// Whether a file is of a language of which YAML would take some, the program's own configuration among others.
fn is_toml(path: &str) -> bool {
    bare_name(path).rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("toml"))
}
