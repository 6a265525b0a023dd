//! The files that the server lives on: read at the start, and looked at again and again. What has
//! changed and is good takes the place of what was; what is not good is reported, and the old stays.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::flags::Serve;
use super::judge::{Judge, Module, Settings, sha256};
use super::objects::Objects;
use super::server::Server;
use super::tls::{self, Identity, read};
use crate::engine::Engine;
use crate::read::{Limits, Place, Root, read_all};

/// The files, what was last seen of them, and what came of it.
pub(super) struct Files {
    engine: Engine,
    tls: tls::Files,
    settings: Option<PathBuf>,
    module: Option<PathBuf>,
    trust: Option<PathBuf>,
    seen: Seen,
    /// The newest module and settings that make sense each for itself, wanted together.
    newest: (Arc<Module>, Arc<Settings>),
}

/// What the server starts with.
pub(super) struct Start {
    pub(super) judge: Judge,
    pub(super) identity: Identity,
    pub(super) trust: Option<Objects>,
}

/// Hashes of what was read, or of why it could not be.
#[derive(Default)]
struct Seen {
    tls: Vec<u8>,
    settings: Vec<u8>,
    module: Vec<u8>,
    trust: Vec<u8>,
}

impl Files {
    /// Reads everything.
    ///
    /// # Errors
    /// Names the file that cannot be used, and what to do.
    pub(super) fn open(flags: &Serve, engine: Engine) -> Result<(Self, Start), String> {
        let tls = tls::Files {
            certificate: flags.tls_cert.clone(),
            key: flags.tls_key.clone(),
            client_ca: flags.client_ca.clone(),
        };
        let mut seen = Seen::default();
        let contents = tls.read()?;
        seen.tls = print(contents.parts());
        let identity = Identity::new(&tls, &contents)?;
        let text = flags.settings.as_deref().map(read_settings).transpose()?;
        seen.settings = print(text.as_deref());
        let settings = Arc::new(parse(flags.settings.as_deref(), text)?);
        let trust = flags.trust.as_deref().map(|path| {
            seen.trust = print([stamps(path).as_bytes()]);
            Objects::read_trust(path)
        });
        let trust = trust.transpose().map_err(|reason| format!("could not read the trust inventory: {reason}"))?;
        // Last, for it takes longest.
        let wasm = flags.policy.as_deref().map(read_module).transpose()?;
        seen.module = print(wasm.as_deref());
        let module = Arc::new(compile(&engine, flags.policy.as_deref(), wasm.as_deref())?);
        let judge = Judge::new(Arc::clone(&module), Arc::clone(&settings))
            .map_err(|reason| refused(flags.settings.as_deref(), &reason))?;
        let files = Self {
            engine,
            tls,
            settings: flags.settings.clone(),
            module: flags.policy.clone(),
            trust: flags.trust.clone(),
            seen,
            newest: (module, settings),
        };
        Ok((files, Start { judge, identity, trust }))
    }

    /// Looks at the files again and again, on a thread of its own, as long as the process lives.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn watch(mut self, server: Arc<Server>) -> std::io::Result<()> {
        let look = move || {
            loop {
                thread::sleep(server.flags.reload_interval);
                self.look(&server);
            }
        };
        thread::Builder::new().name("reload".into()).spawn(look).map(drop)
    }

    fn look(&mut self, server: &Server) {
        self.look_at_tls(server);
        self.look_at_policy(server);
        self.look_at_trust(server);
    }

    fn look_at_tls(&mut self, server: &Server) {
        let read = self.tls.read();
        let seen = print_read(&read, |contents| print(contents.parts()));
        if seen == self.seen.tls {
            return;
        }
        // The files are written one after the other: what has changed again is not all there yet.
        let again = self.tls.read();
        if print_read(&again, |contents| print(contents.parts())) != seen {
            return;
        }
        self.seen.tls = seen;
        let identity = read.and_then(|contents| Identity::new(&self.tls, &contents));
        report(server, "certificate", identity.map(|identity| server.identity.set(identity)));
    }

    /// Settings and module are judged together: new settings may need a new module, and the other
    /// way round, and which comes first is chance.
    fn look_at_policy(&mut self, server: &Server) {
        let mut changed = Vec::new();
        if let Some(path) = &self.module {
            let wasm = read_module(path);
            let seen = print_read(&wasm, |wasm| print([wasm.as_slice()]));
            if seen != self.seen.module {
                self.seen.module = seen;
                match wasm.and_then(|wasm| compile(&self.engine, Some(path), Some(&wasm))) {
                    Ok(module) => {
                        self.newest.0 = Arc::new(module);
                        changed.push("module");
                    }
                    Err(reason) => report(server, "module", Err(reason)),
                }
            }
        }
        if let Some(path) = &self.settings {
            let text = read_settings(path);
            let seen = print_read(&text, |text| print([text.as_slice()]));
            if seen != self.seen.settings {
                self.seen.settings = seen;
                match text.and_then(|text| parse(Some(path), Some(text))) {
                    Ok(settings) => {
                        self.newest.1 = Arc::new(settings);
                        changed.push("settings");
                    }
                    Err(reason) => report(server, "settings", Err(reason)),
                }
            }
        }
        if changed.is_empty() {
            return;
        }
        let (module, settings) = self.newest.clone();
        let judge = Judge::new(module, settings).map_err(|reason| refused(self.settings.as_deref(), &reason));
        let taken = judge.map(|judge| {
            server.want_trust(&judge.settings);
            server.judge.set(judge);
        });
        for what in changed {
            report(server, what, taken.clone());
        }
    }

    fn look_at_trust(&mut self, server: &Server) {
        let (Some(path), Some(slot)) = (&self.trust, &server.trust) else { return };
        let seen = print([stamps(path).as_bytes()]);
        if seen == self.seen.trust {
            return;
        }
        let read = Objects::read_trust(path);
        // Files that change while they are read are read again.
        if print([stamps(path).as_bytes()]) != seen {
            return;
        }
        self.seen.trust = seen;
        report(server, "trust", read.map(|objects| slot.set(objects)));
    }
}

fn report(server: &Server, what: &'static str, done: Result<(), String>) {
    server.metrics.reload(what, done.is_ok());
    match done {
        Ok(()) => tracing::info!(what, "reloaded"),
        Err(reason) => tracing::error!(what, reason, "not reloaded; what was there stays in use"),
    }
}

fn read_module(path: &Path) -> Result<Vec<u8>, String> {
    read("the policy module", path)
}

fn read_settings(path: &Path) -> Result<Vec<u8>, String> {
    read("the settings", path)
}

fn compile(engine: &Engine, path: Option<&Path>, wasm: Option<&[u8]>) -> Result<Module, String> {
    Module::compile(engine, wasm.unwrap_or(crate::POLICY)).map_err(|error| match path {
        Some(path) => format!("could not use the policy module `{}`: {error}", path.display()),
        None => error.to_string(),
    })
}

/// Settings as they are written: one YAML or JSON document.
fn parse(path: Option<&Path>, text: Option<Vec<u8>>) -> Result<Settings, String> {
    let (Some(path), Some(text)) = (path, text) else { return Ok(Settings::new(Value::Object(Default::default()))) };
    let wrong = |reason: &str| format!("could not read the settings `{}`: {reason}", path.display());
    let read = read_all(
        &[Root::Stdin],
        || Box::new(Cursor::new(text)),
        &Limits::default(),
        |batch| {
            let object = |json: &[u8]| serde_json::from_slice::<Value>(json).map_err(|error| error.to_string());
            batch.pieces().map(|piece| (object(piece.json), *piece.place == Place::Alone)).collect::<Vec<_>>()
        },
    );
    if let Some(defect) = read.defects.first() {
        return Err(wrong(&match defect.line {
            Some(line) => format!("line {line}: {}", defect.message),
            None => defect.message.clone(),
        }));
    }
    let mut documents = read.results.into_iter().flat_map(|(_, found)| found);
    match (documents.next(), documents.next()) {
        (Some((Ok(settings), true)), None) if settings.is_object() => Ok(Settings::new(settings)),
        (Some((Err(reason), _)), _) => Err(wrong(&reason)),
        _ => Err(wrong("write one document, the value of `settings` of a ClusterAdmissionPolicy; `{}` sets nothing")),
    }
}

fn refused(path: Option<&Path>, reason: &str) -> String {
    match path {
        Some(path) => format!("the policy refuses the settings `{}`: {reason}", path.display()),
        None => format!("the policy refuses to do without settings: {reason}"),
    }
}

/// A hash of some contents.
fn print<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    parts.into_iter().flat_map(sha256).collect()
}

/// A hash of what was read, or of the reason why not.
fn print_read<T>(read: &Result<T, String>, print_it: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
    read.as_ref().map_or_else(|reason| reason.clone().into_bytes(), print_it)
}

/// Names, sizes and times of all files at a path: an inventory is too large to be read for nothing.
fn stamps(path: &Path) -> String {
    fn add(path: &Path, depth: usize, stamps: &mut Vec<String>) {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) => return stamps.push(format!("{} {error}", path.display())),
        };
        if found.is_dir() {
            // A folder that links to itself has no end.
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            for entry in entries.filter(|_| depth < 8) {
                add(&entry.path(), depth + 1, stamps);
            }
        } else {
            let time = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            stamps.push(format!("{} {} {time:?}", path.display(), found.len()));
        }
    }
    let mut all = Vec::new();
    add(path, 0, &mut all);
    all.sort();
    all.join("\n")
}
