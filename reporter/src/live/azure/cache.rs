//! The cache: what credentials were read when, so that a scan that was killed asks only for what it
//! has not. A file for each tenant, one line for each identity, appended as they come; the last line
//! of an identity counts. It holds no token.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use wiguard_rules::model::FederatedIdentityCredential;

use crate::live::now;

/// What the first line says; another version is not read.
const HEADER: &str = "{\"schema\":\"wiguard.azure-cache/v1\"}\n";
/// A line longer than this, in bytes, is not one of ours.
const LONGEST: u64 = 8 << 20;

/// One tenant's cache.
#[derive(Debug)]
pub(super) struct Cache {
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
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// The resource id of a managed identity in lower case, the object id of an app registration.
    identity: String,
    /// Seconds since 1970.
    at: u64,
    #[serde(default)]
    credentials: Vec<FederatedIdentityCredential>,
}

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
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(|error| wrong(error.to_string()))?;
        file.try_lock().map_err(|_| wrong("another scan is using it; give each its own --cache".into()))?;
        let mut journal = Journal { file, path: path.clone(), places: HashMap::new(), end: 0, broken: None };
        journal.load(now(), max_age).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { journal: Mutex::new(journal), max_age })
    }

    /// What was read of an identity, and when, if it is young enough.
    pub(super) fn get(&self, identity: &str) -> Option<(u64, Vec<FederatedIdentityCredential>)> {
        let identity = identity.to_ascii_lowercase();
        let mut journal = self.journal();
        let place = *journal.places.get(&identity)?;
        if now().saturating_sub(place.at) > self.max_age {
            return None;
        }
        let entry = journal.read(place).filter(|entry| entry.identity == identity)?;
        Some((entry.at, entry.credentials))
    }

    /// Keeps what was read of an identity.
    pub(super) fn put(&self, identity: &str, at: u64, credentials: &[FederatedIdentityCredential]) {
        let entry = Entry { identity: identity.to_ascii_lowercase(), at, credentials: credentials.to_vec() };
        if let Ok(mut line) = serde_json::to_vec(&entry) {
            line.push(b'\n');
            self.journal().append(entry, &line);
        }
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
            } else if known && let Ok(entry) = serde_json::from_slice::<Entry>(&line) {
                self.places.insert(entry.identity, Place { at: entry.at, offset, length: read });
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

    /// Keeps what is of use alone, in place: the lock is on this file.
    fn rewrite(&mut self) -> std::io::Result<()> {
        let mut places: Vec<(String, Place)> = self.places.drain().collect();
        places.sort_by_key(|(_, place)| place.offset);
        let mut kept = Vec::from(HEADER);
        let mut moved = HashMap::new();
        for (identity, place) in places {
            let mut line = vec![0; usize::try_from(place.length).unwrap_or_default()];
            self.file.seek(SeekFrom::Start(place.offset))?;
            self.file.read_exact(&mut line)?;
            moved.insert(identity, Place { offset: kept.len() as u64, ..place });
            kept.extend_from_slice(&line);
        }
        self.file.set_len(0)?;
        self.file.write_all(&kept)?;
        self.places = moved;
        self.end = kept.len() as u64;
        Ok(())
    }

    fn read(&mut self, place: Place) -> Option<Entry> {
        let mut line = vec![0; usize::try_from(place.length).ok()?];
        self.file.seek(SeekFrom::Start(place.offset)).ok()?;
        self.file.read_exact(&mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }

    fn append(&mut self, entry: Entry, line: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        match self.file.write_all(line) {
            Ok(()) => {
                let length = line.len() as u64;
                self.places.insert(entry.identity, Place { at: entry.at, offset: self.end, length });
                self.end += length;
            }
            Err(error) => self.broken = Some(error.to_string()),
        }
    }
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
        cache.put("/Subscriptions/A", now(), &[credential("one")]);
        cache.put("/subscriptions/b", now(), &[]);
        cache.put("/subscriptions/a", now(), &[credential("two")]);
        drop(cache);
        // The line that was being written when it was killed.
        let mut torn = OpenOptions::new().append(true).open(file(&folder)).unwrap();
        torn.write_all(b"{\"identity\":\"/subscriptions/c\",\"at\":1").unwrap();
        drop(torn);
        let cache = open(&folder);
        assert_eq!(cache.get("/SUBSCRIPTIONS/a").unwrap().1, [credential("two")], "the last line counts");
        assert_eq!(cache.get("/subscriptions/b").unwrap().1, []);
        assert_eq!(cache.get("/subscriptions/c"), None);
        cache.put("/subscriptions/c", now(), &[credential("three")]);
        assert_eq!(cache.get("/subscriptions/c").unwrap().1, [credential("three")]);
        drop(cache);
        assert_eq!(
            open(&folder).get("/subscriptions/c").unwrap().1,
            [credential("three")],
            "what follows a torn line is whole"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_old_or_of_another_version_is_asked_for_anew() {
        let folder = folder("old");
        let cache = open(&folder);
        cache.put("old", now() - 3700, &[]);
        cache.put("ahead", now() + 3700, &[]);
        cache.put("young", now() - 3500, &[]);
        drop(cache);
        let cache = open(&folder);
        assert!(cache.get("old").is_none() && cache.get("ahead").is_none());
        assert!(cache.get("young").is_some());
        drop(cache);
        let text = std::fs::read_to_string(file(&folder)).unwrap();
        std::fs::write(file(&folder), text.replace("cache/v1", "cache/v2")).unwrap();
        assert!(open(&folder).get("young").is_none());
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
        cache.put("it", now(), &[credential("one")]);
        assert_eq!(cache.get("it").unwrap().1, [credential("one")]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
