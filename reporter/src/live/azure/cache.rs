//! The cache: what credentials were read when, so that a scan that was killed asks only for what it
//! has not. A file for each tenant, one line for each identity, appended as they come; the last line
//! of an identity counts. A line of its own is where a scan came to its end: what is before it was read
//! by an earlier one, and what has been added since is not in it. It holds no token.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use wiguard_rules::model::FederatedIdentityCredential;

use crate::collect::{Feed, Proof, Resource};
use crate::live::now;

/// What the first line says; another version is not read.
const HEADER: &str = "{\"schema\":\"wiguard.azure-cache/v2\"}\n";
/// The line where a scan came to its end.
const END: &str = "{\"end\":true}\n";
/// A line longer than this, in bytes, is not one of ours.
const LONGEST: u64 = 8 << 20;

/// The credentials of an identity, all that it had.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    /// Seconds since 1970.
    at: u64,
    credentials: Vec<FederatedIdentityCredential>,
    /// Whether this scan read them, or the one that it goes on with: only then is what is not among
    /// them not there.
    proves: bool,
}

/// One tenant's cache.
#[derive(Debug)]
pub(super) struct Cache {
    /// Held as long as this is used.
    _lock: File,
    journal: Mutex<Journal>,
    /// Seconds after which it is asked for anew.
    max_age: u64,
}

#[derive(Debug)]
struct Journal {
    file: File,
    path: PathBuf,
    /// Where each identity's last line is.
    places: HashMap<String, Place>,
    end: u64,
    /// Why nothing is written any more.
    broken: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    offset: u64,
    length: u64,
    /// Whether a scan that came to its end read it.
    earlier: bool,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// The resource id of a managed identity in lower case, the object id of an app registration.
    identity: String,
    /// Its client id: another identity may have come by the same name.
    client: String,
    /// Seconds since 1970.
    at: u64,
    #[serde(default)]
    credentials: Vec<FederatedIdentityCredential>,
}

// === impl Held ===

impl Held {
    /// What was read just now.
    pub(super) const fn read(at: u64, credentials: Vec<FederatedIdentityCredential>) -> Self {
        Self { at, credentials, proves: true }
    }

    /// Puts it into a feed, as that of this identity.
    pub(super) fn give(self, feed: &mut Feed, identity: &str) {
        feed.at = if feed.at == 0 { self.at } else { feed.at.min(self.at) };
        feed.read += self.credentials.len() as u64;
        feed.proofs.extend(self.proves.then(|| Proof::Credentials { identity: identity.into() }));
        feed.resources.extend(self.credentials.into_iter().map(Resource::Credential));
    }
}

// === impl Cache ===

impl Cache {
    /// Opens the cache of a tenant in one cloud, in this folder.
    ///
    /// # Errors
    /// If it cannot be read or written, or another scan has it.
    pub(super) fn open(folder: &Path, server: &str, tenant: &str, max_age: u64) -> Result<Self, String> {
        let plain = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c.to_ascii_lowercase() } else { '_' })
                .collect()
        };
        let tenant = if tenant.is_empty() { "home" } else { tenant };
        let path = folder.join(format!("azure-{}-{}.ndjson", plain(server), plain(tenant)));
        let wrong = |reason: String| format!("could not use the cache `{}`: {reason}", path.display());
        std::fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
        let lock = open(&path.with_extension("lock")).map_err(|error| wrong(error.to_string()))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => wrong("another scan is using it; give each its own --cache".into()),
            TryLockError::Error(error) => wrong(format!("it cannot be locked there: {error}")),
        })?;
        let file = open(&path).map_err(|error| wrong(error.to_string()))?;
        let mut journal = Journal { file, path: path.clone(), places: HashMap::new(), end: 0, broken: None };
        journal.load(now(), max_age).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { _lock: lock, journal: Mutex::new(journal), max_age })
    }

    /// What was read of an identity with this client id, if it is young enough.
    pub(super) fn get(&self, identity: &str, client: &str) -> Option<Held> {
        let identity = identity.to_ascii_lowercase();
        let mut journal = self.journal();
        let place = *journal.places.get(&identity)?;
        if now().saturating_sub(place.at) > self.max_age {
            return None;
        }
        let is = |entry: &Entry| entry.identity == identity && entry.client.eq_ignore_ascii_case(client);
        let entry = journal.read(place).filter(is)?;
        Some(Held { at: entry.at, credentials: entry.credentials, proves: !place.earlier })
    }

    /// Keeps what was read of an identity.
    pub(super) fn put(&self, identity: &str, client: &str, held: &Held) {
        let entry = Entry {
            identity: identity.to_ascii_lowercase(),
            client: client.into(),
            at: held.at,
            credentials: held.credentials.clone(),
        };
        if let Ok(mut line) = serde_json::to_vec(&entry) {
            line.push(b'\n');
            self.journal().append(&line, Some(entry));
        }
    }

    /// The scan came to its end: the next is another.
    pub(super) fn end(&self) {
        self.journal().append(END.as_bytes(), None);
    }

    /// Writes it to disk; what kept it from being written, if anything did.
    pub(super) fn flush(&self) -> Option<String> {
        let journal = self.journal();
        let failed = journal.file.sync_all().err().map(|error| error.to_string());
        let reason = journal.broken.clone().or(failed)?;
        Some(format!("could not write the cache `{}`: {reason}", journal.path.display()))
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Finds the lines; whatever is torn, old or of another version is passed over. When more than
    /// half of it is of no use, it is written anew.
    fn load(&mut self, now: u64, max_age: u64) -> std::io::Result<()> {
        let length = self.file.seek(SeekFrom::End(0))?;
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(self.file.try_clone()?);
        let mut line = Vec::new();
        let (mut offset, mut known) = (0, false);
        loop {
            line.clear();
            let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
            if read == 0 {
                break;
            }
            if offset == 0 {
                known = line == HEADER.as_bytes();
            } else if known && line == END.as_bytes() {
                self.places.values_mut().for_each(|place| place.earlier = true);
            } else if known && let Ok(entry) = serde_json::from_slice::<Entry>(&line) {
                self.places.insert(entry.identity, Place { at: entry.at, offset, length: read, earlier: false });
            }
            offset += read;
        }
        self.places.retain(|_, place| place.at <= now && now - place.at <= max_age);
        let used: u64 = self.places.values().map(|place| place.length).sum();
        let torn = line_is_torn(&mut self.file, length)?;
        if !known || torn || used + (1 << 16) < length / 2 {
            return self.rewrite();
        }
        self.end = length;
        Ok(())
    }

    /// Keeps what is of use alone: written beside it, and put in its place when it is whole.
    fn rewrite(&mut self) -> std::io::Result<()> {
        let mut places: Vec<(String, Place)> = self.places.drain().collect();
        places.sort_by_key(|(_, place)| (!place.earlier, place.offset));
        let beside = self.path.with_extension("new");
        let mut writer = BufWriter::new(open(&beside)?);
        writer.get_mut().set_len(0)?;
        writer.write_all(HEADER.as_bytes())?;
        let mut end = HEADER.len() as u64;
        let mut due = true;
        for (identity, place) in places {
            if !place.earlier && std::mem::take(&mut due) {
                writer.write_all(END.as_bytes())?;
                end += END.len() as u64;
            }
            let mut line = vec![0; usize::try_from(place.length).unwrap_or_default()];
            self.file.seek(SeekFrom::Start(place.offset))?;
            self.file.read_exact(&mut line)?;
            writer.write_all(&line)?;
            self.places.insert(identity, Place { offset: end, ..place });
            end += place.length;
        }
        if due {
            writer.write_all(END.as_bytes())?;
            end += END.len() as u64;
        }
        let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        self.file = file;
        self.end = end;
        Ok(())
    }

    fn read(&mut self, place: Place) -> Option<Entry> {
        let mut line = vec![0; usize::try_from(place.length).ok()?];
        self.file.seek(SeekFrom::Start(place.offset)).ok()?;
        self.file.read_exact(&mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }

    fn append(&mut self, line: &[u8], entry: Option<Entry>) {
        if self.broken.is_some() {
            return;
        }
        match self.file.write_all(line) {
            Ok(()) => {
                let length = line.len() as u64;
                if let Some(entry) = entry {
                    let place = Place { at: entry.at, offset: self.end, length, earlier: false };
                    self.places.insert(entry.identity, place);
                }
                self.end += length;
            }
            Err(error) => self.broken = Some(error.to_string()),
        }
    }
}

/// A file that its owner alone reads, and that is written at its end.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Whether the file ends in the middle of a line.
fn line_is_torn(file: &mut File, length: u64) -> std::io::Result<bool> {
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use wiguard_rules::model::{Origin, Parent};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("wiguard-cache-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    fn credential(name: &str) -> FederatedIdentityCredential {
        FederatedIdentityCredential {
            name: name.into(),
            id: String::new(),
            parent: Parent::Unknown,
            issuer: "https://issuer.example/".into(),
            subject: None,
            audiences: Vec::new(),
            expression: None,
            declared: None,
            origin: Origin::default(),
        }
    }

    fn open(folder: &Path) -> Cache {
        Cache::open(folder, "management.azure.com", "tenant", 3600).unwrap()
    }

    fn file(folder: &Path) -> PathBuf {
        folder.join("azure-management.azure.com-tenant.ndjson")
    }

    #[test]
    fn what_was_read_is_there_after_a_kill() {
        let folder = folder("kill");
        let cache = open(&folder);
        cache.put("/Subscriptions/A", "c", &Held::read(now(), vec![credential("one")]));
        cache.put("/subscriptions/b", "c", &Held::read(now(), vec![]));
        cache.put("/subscriptions/a", "c", &Held::read(now(), vec![credential("two")]));
        drop(cache);
        // The line that was being written when it was killed.
        let mut torn = OpenOptions::new().append(true).open(file(&folder)).unwrap();
        torn.write_all(b"{\"identity\":\"/subscriptions/c\",\"at\":1").unwrap();
        drop(torn);
        let cache = open(&folder);
        assert_eq!(
            cache.get("/SUBSCRIPTIONS/a", "c").unwrap().credentials,
            [credential("two")],
            "the last line counts"
        );
        assert_eq!(cache.get("/subscriptions/b", "c").unwrap().credentials, []);
        assert_eq!(cache.get("/subscriptions/c", "c"), None);
        cache.put("/subscriptions/c", "c", &Held::read(now(), vec![credential("three")]));
        assert_eq!(cache.get("/subscriptions/c", "c").unwrap().credentials, [credential("three")]);
        drop(cache);
        assert_eq!(
            open(&folder).get("/subscriptions/c", "c").unwrap().credentials,
            [credential("three")],
            "what follows a torn line is whole"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_an_earlier_scan_read_is_shown_and_proves_nothing() {
        let folder = folder("earlier");
        let cache = open(&folder);
        cache.put("first", "c", &Held::read(now(), vec![credential("one")]));
        cache.put("again", "c", &Held::read(now(), vec![credential("one")]));
        cache.end();
        drop(cache);
        let cache = open(&folder);
        cache.put("again", "c", &Held::read(now(), vec![credential("two")]));
        for _ in 0..200 {
            cache.put("other", "c", &Held::read(now(), vec![credential(&"long".repeat(200))]));
        }
        drop(cache);
        // Most of it is of no use by now, so that it is written anew.
        let length = std::fs::metadata(file(&folder)).unwrap().len();
        let cache = open(&folder);
        assert!(std::fs::metadata(file(&folder)).unwrap().len() < length / 2);
        drop(cache);
        let cache = open(&folder);
        let proves = |name: &str| cache.get(name, "c").unwrap().proves;
        assert_eq!((proves("first"), proves("again"), proves("other")), (false, true, true));
        assert_eq!(cache.get("first", "C").unwrap().credentials, [credential("one")]);
        assert_eq!(cache.get("first", "another"), None, "it was made anew under the same name");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_old_or_of_another_version_is_asked_for_anew() {
        let folder = folder("old");
        let cache = open(&folder);
        cache.put("old", "c", &Held::read(now() - 3700, vec![]));
        cache.put("ahead", "c", &Held::read(now() + 3700, vec![]));
        cache.put("young", "c", &Held::read(now() - 3500, vec![]));
        drop(cache);
        let cache = open(&folder);
        assert!(cache.get("old", "c").is_none() && cache.get("ahead", "c").is_none());
        assert!(cache.get("young", "c").is_some());
        drop(cache);
        let text = std::fs::read_to_string(file(&folder)).unwrap();
        std::fs::write(file(&folder), text.replace("cache/v2", "cache/v1")).unwrap();
        assert!(open(&folder).get("young", "c").is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn two_scans_do_not_share_a_cache_and_nobody_else_reads_it() {
        let folder = folder("lock");
        let _cache = open(&folder);
        let error = Cache::open(&folder, "management.azure.com", "tenant", 3600).unwrap_err();
        assert!(error.contains("another scan"), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(file(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn noise_in_the_file_is_passed_over() {
        let folder = folder("noise");
        drop(open(&folder));
        let mut noisy = OpenOptions::new().append(true).open(file(&folder)).unwrap();
        noisy.write_all(b"\n\xff\xfe\n{}\n[1,2]\n{\"identity\":\"it\",\"at\":\"soon\"}\n").unwrap();
        drop(noisy);
        let cache = open(&folder);
        cache.put("it", "c", &Held::read(now(), vec![credential("one")]));
        assert_eq!(cache.get("it", "c").unwrap().credentials, [credential("one")]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
