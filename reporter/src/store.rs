//! Object storage: where snapshots and reports go and come from, by URL: `az://`, `s3://`. A URL
//! of a file is a path like any other. Who may do so is said by the environment, as the stores'
//! own tools have it; no message ever names a URL's query, for that may be a signature.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, WriteMultipart,
};
use reqwest::Url;

use crate::cli::Failure;
use crate::read::{Fetch, Root};

/// The schemes, as object_store reads them.
const AZURE: [&str; 5] = ["az", "adl", "azure", "abfs", "abfss"];
const AMAZON: [&str; 2] = ["s3", "s3a"];
/// Larger objects are written in parts.
const PART: usize = 16 << 20;
/// An object larger than this is not fetched: it is held in memory while it is read.
const LARGEST: u64 = 1 << 30;

/// Where a path that was typed leads.
#[derive(Clone, Debug)]
pub enum Place {
    /// To the file system.
    Path(PathBuf),
    /// To object storage.
    Object(Address),
}

/// An object, or what its name is a prefix of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// A store that was opened, and what works with it.
struct Opened {
    runtime: tokio::runtime::Runtime,
    store: Arc<dyn ObjectStore>,
}

/// Why something did not come or go.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(String);

impl Place {
    /// Tells what was typed.
    ///
    /// # Errors
    /// If it is a URL of nothing that is known, or carries a query.
    pub fn parse(typed: &Path) -> Result<Self, Failure> {
        let usage = |why: String| Failure::Usage(anyhow!(why));
        let Some((scheme, rest)) = typed.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(Self::Path(typed.into()));
        };
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self::Path(typed.into()));
        }
        let bare = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
        // Who is named before a host may be a key; of abfs it is the container.
        let holds_user = !scheme.starts_with("abfs") && host.contains('@');
        let shown = match host.rsplit_once('@') {
            Some((user, host)) if holds_user || user.contains(':') => format!("{scheme}://{host}{path}"),
            _ => format!("{scheme}://{bare}"),
        };
        let Ok(url) = Url::parse(&format!("{scheme}://{rest}")) else {
            return Err(usage(format!("`{shown}` is no URL")));
        };
        if url.query().is_some() || url.fragment().is_some() || url.password().is_some() || holds_user {
            return Err(usage(format!(
                "`{shown}` is given with a query, a user or a password, which others can see; put a signature into AZURE_STORAGE_SAS_TOKEN and leave it out of the URL"
            )));
        }
        match scheme {
            "file" => url
                .to_file_path()
                .map(Self::Path)
                .map_err(|()| usage(format!("`{shown}` names no file here; write file:///…"))),
            _ if AZURE.contains(&scheme) || AMAZON.contains(&scheme) => match url.host_str() {
                Some(_) => Ok(Self::Object(Address(url))),
                None => Err(usage(format!("`{shown}` names no container; write {scheme}://CONTAINER/PATH"))),
            },
            _ => Err(usage(format!("`{shown}`: there is no way to `{scheme}`; there are az, s3 and file"))),
        }
    }
}

/// What to read for paths that were typed: object storage is fetched.
///
/// What cannot be fetched is among them, with the reason.
///
/// # Errors
/// If a URL makes no sense.
pub fn roots(typed: &[PathBuf]) -> Result<Vec<Root>, Failure> {
    let mut roots = Vec::new();
    for path in typed {
        if path == Path::new("-") {
            roots.push(Root::Stdin);
            continue;
        }
        match Place::parse(path)? {
            Place::Path(path) => roots.push(Root::Path(path)),
            Place::Object(address) => match address.fetch() {
                Ok(fetched) => roots.extend(fetched),
                Err(StoreError(why)) => {
                    roots.push(Root::Fetched { path: address.to_string(), found: false, content: Err(why) });
                }
            },
        }
    }
    Ok(roots)
}

impl Address {
    /// The same place with a name below it.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{name}", url.path().trim_end_matches('/')));
        Self(url)
    }

    /// Writes an object, at once or not at all.
    ///
    /// # Errors
    /// If the store refuses, or is not there.
    pub fn put(&self, bytes: Vec<u8>) -> Result<(), StoreError> {
        let key = self.key()?;
        if key.as_ref().is_empty() {
            return Err(StoreError("names no object: write a path after the container".into()));
        }
        self.run(async |store| {
            if bytes.len() <= PART {
                store.put(&key, PutPayload::from(bytes)).await?;
            } else {
                let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&key).await?, PART);
                for part in bytes.chunks(PART) {
                    upload.wait_for_capacity(2).await?;
                    upload.write(part);
                }
                upload.finish().await?;
            }
            Ok(())
        })
    }

    /// Finds the object of this name, or else all below it; each is fetched when its turn comes.
    fn fetch(&self) -> Result<Vec<Root>, StoreError> {
        let key = self.key()?;
        let opened = Arc::new(self.opened()?);
        self.run_in(&opened, async |store| {
            if !key.as_ref().is_empty() && !self.0.path().ends_with('/') {
                match store.head(&key).await {
                    Ok(meta) => {
                        let content = self.later(&opened, key.clone(), meta.size);
                        return Ok(vec![Root::Fetched { path: self.to_string(), found: false, content }]);
                    }
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
            let mut listed: Vec<_> = store.list(Some(&key)).try_collect().await?;
            listed.retain(|meta| !meta.location.filename().is_some_and(|name| name.starts_with('.')));
            listed.sort_by(|a, b| a.location.cmp(&b.location));
            let found = listed.into_iter().map(|meta| {
                let mut url = self.0.clone();
                url.set_path(meta.location.as_ref());
                let content = self.later(&opened, meta.location, meta.size);
                Root::Fetched { path: url.to_string(), found: true, content }
            });
            let found: Vec<Root> = found.collect();
            if found.is_empty() {
                let content =
                    Err("holds nothing: no object has this name or begins with it as a folder; check the URL".into());
                return Ok(vec![Root::Fetched { path: self.to_string(), found: false, content }]);
            }
            Ok(found)
        })
    }

    /// How to get an object that is said to have this size, in bytes.
    fn later(&self, opened: &Arc<Opened>, key: Key, size: u64) -> Result<Fetch, String> {
        if size > LARGEST {
            return Err(too_large());
        }
        let (address, opened) = (self.clone(), Arc::clone(opened));
        Ok(Fetch(Arc::new(move || address.get(&opened, &key).map_err(|StoreError(why)| why))))
    }

    /// Gets an object, whatever size it was said to have.
    fn get(&self, opened: &Opened, key: &Key) -> Result<Vec<u8>, StoreError> {
        let whole = self.run_in(opened, async |store| {
            let mut chunks = store.get(key).await?.into_stream();
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.try_next().await? {
                if bytes.len() as u64 + chunk.len() as u64 > LARGEST {
                    return Ok(None);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(bytes))
        })?;
        whole.ok_or_else(|| StoreError(too_large()))
    }

    fn key(&self) -> Result<Key, StoreError> {
        Key::from_url_path(self.0.path())
            .map_err(|_| StoreError(format!("`{self}` has a path that no object can have")))
    }

    fn is_azure(&self) -> bool {
        AZURE.contains(&self.0.scheme())
    }

    /// Opens the store and works with it.
    fn run<T>(&self, work: impl AsyncFnOnce(Arc<dyn ObjectStore>) -> object_store::Result<T>) -> Result<T, StoreError> {
        self.run_in(&self.opened()?, work)
    }

    fn run_in<T>(
        &self,
        opened: &Opened,
        work: impl AsyncFnOnce(Arc<dyn ObjectStore>) -> object_store::Result<T>,
    ) -> Result<T, StoreError> {
        let done = opened.runtime.block_on(work(Arc::clone(&opened.store)));
        done.map_err(|error| StoreError(self.explain(&error)))
    }

    fn opened(&self) -> Result<Opened, StoreError> {
        // Whoever installed one before has the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError(format!("could not start the runtime: {error}")))?;
        let store = {
            let _inside = runtime.enter();
            self.open().map_err(|error| StoreError(self.explain(&error)))?
        };
        Ok(Opened { runtime, store })
    }

    fn open(&self) -> object_store::Result<Arc<dyn ObjectStore>> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() },
            max_retries: 4,
            retry_timeout: Duration::from_mins(2),
        };
        let options = ClientOptions::new()
            // A slow line may take its time for a part, as long as something moves.
            .with_timeout_disabled()
            .with_read_timeout(Duration::from_mins(1))
            .with_connect_timeout(Duration::from_secs(10))
            .with_user_agent(reqwest::header::HeaderValue::from_static(concat!("wiguard/", env!("CARGO_PKG_VERSION"))));
        // A store on this machine is an emulator; any other is spoken to over TLS unless the environment says otherwise.
        Ok(if self.is_azure() {
            let builder = MicrosoftAzureBuilder::from_env().with_url(self.0.as_str()).with_retry(retry);
            Arc::new(
                with(
                    builder,
                    options,
                    &["AZURE_ALLOW_HTTP", "AZURE_STORAGE_USE_EMULATOR"],
                    MicrosoftAzureBuilder::with_client_options,
                )
                .build()?,
            )
        } else {
            let builder = AmazonS3Builder::from_env().with_url(self.0.as_str()).with_retry(retry);
            Arc::new(with(builder, options, &["AWS_ALLOW_HTTP"], AmazonS3Builder::with_client_options).build()?)
        })
    }

    /// What went wrong and what to do, in words of our own: a store's may hold what must not be seen.
    fn explain(&self, error: &object_store::Error) -> String {
        use object_store::Error;
        let credentials = if self.is_azure() {
            "AZURE_STORAGE_ACCOUNT_NAME, and workload identity (AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE), AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN"
        } else {
            "AWS_REGION, and AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or a role of the web identity"
        };
        let role = if self.is_azure() {
            "Storage Blob Data Contributor on the container"
        } else {
            "s3:PutObject, s3:GetObject and s3:ListBucket"
        };
        match error {
            Error::NotFound { .. } => "is not there: check the container and the path".into(),
            Error::PermissionDenied { .. } => format!("is refused: the identity needs {role}"),
            Error::Unauthenticated { .. } => format!("is refused: who asks is not known there; set {credentials}"),
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                "is being written by somebody else; try again".into()
            }
            other => format!(
                "could not be reached: {}; set {credentials}",
                scrub(&chain(other), std::env::vars_os().filter_map(utf8))
            ),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// A builder with options of ours that keep what the environment says of plain HTTP.
fn with<B>(builder: B, options: ClientOptions, variables: &[&str], set: impl FnOnce(B, ClientOptions) -> B) -> B {
    let allowed = variables.iter().any(|name| std::env::var(name).is_ok_and(|value| is_true(&value)));
    set(builder, options.with_allow_http(allowed))
}

/// Whether a variable says yes, as object_store reads it.
fn is_true(value: &str) -> bool {
    ["1", "true", "on", "yes", "y"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

fn utf8((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

fn too_large() -> String {
    format!("is larger than the {} MiB that are fetched; download it", LARGEST >> 20)
}

/// An error and its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = inner.source();
    }
    text
}

/// A text without queries, and without the values that the environment keeps secret.
fn scrub(text: &str, variables: impl Iterator<Item = (String, String)>) -> String {
    let mut clean = text.to_owned();
    for value in variables.filter(|(name, _)| is_secret(name)).flat_map(|(_, value)| forms(&value)) {
        clean = clean.replace(&value, "…");
    }
    let clean: Vec<String> = clean.split_whitespace().map(without_query).collect();
    clean.join(" ").chars().take(400).collect()
}

fn is_secret(name: &str) -> bool {
    (name.starts_with("AZURE_") || name.starts_with("AWS_"))
        && ["KEY", "SAS", "TOKEN", "SECRET", "PASSWORD", "CONNECTION"].iter().any(|word| name.contains(word))
}

/// A secret, and the secrets in it, as they may be told: percent-encoded or not.
fn forms(value: &str) -> Vec<String> {
    let mut secrets = vec![value];
    for piece in value.split(['?', '&', ';']) {
        let secret = |name: &str| ["sig", "accountkey"].contains(&name.to_ascii_lowercase().as_str());
        let pair = piece.split_once('=').map(|(name, rest)| match rest.split_once('=') {
            // SharedAccessSignature=sig=…
            Some((inner, after)) if secret(inner) => (inner, after),
            _ => (name, rest),
        });
        secrets.extend(pair.filter(|(name, _)| secret(name)).map(|(_, value)| value));
    }
    let mut forms: Vec<String> = Vec::new();
    for secret in secrets.into_iter().filter(|secret| secret.len() > 7) {
        let decoded = decoded(secret);
        forms.extend([secret.to_owned(), encoded(&decoded), decoded]);
    }
    // The longest first: a part must not break up the whole.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

fn decoded(text: &str) -> String {
    let url = Url::parse(&format!("x:?{}", text.replace('+', "%2B").replace('&', "%26").replace('#', "%23")));
    let pair =
        url.ok().and_then(|url| url.query_pairs().next().map(|(name, value)| (name.into_owned(), value.into_owned())));
    match pair {
        Some((name, value)) if text.contains('=') => format!("{name}={value}"),
        Some((name, _)) => name,
        None => text.to_owned(),
    }
}

fn encoded(text: &str) -> String {
    let Ok(mut url) = Url::parse("x:") else { return text.to_owned() };
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap_or(text).to_owned()
}

/// A word without the query of a URL, be it relative, and without any signature.
fn without_query(word: &str) -> String {
    let signature = word.to_ascii_lowercase().find("sig=");
    let cut = match word.find('?') {
        Some(at) if signature.is_some() || word.get(..at).is_some_and(|before| before.contains("://")) => Some(at),
        _ => signature,
    };
    match cut.and_then(|at| word.get(..at)) {
        Some(before) => before.trim_end_matches(['(', '"']).to_owned(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_is_ever_told() {
        let told = scrub(
            "Error performing PUT https://a.example/c/x?sv=2026&sig=c2VjcmV0 in 1s, after 3 (http://b?sig=x)",
            std::iter::empty(),
        );
        assert_eq!(told, "Error performing PUT https://a.example/c/x in 1s, after 3 (http://b");
        let told = scrub("PUT /c/x?sv=2026&sig=c2VjcmV0: sig=a/b why?", std::iter::empty());
        assert_eq!(told, "PUT /c/x  why?", "nor that of a relative URL");
    }

    #[test]
    fn no_secret_of_the_environment_is_ever_told_in_whatever_form() {
        let said = |variable: &str, value: &str, text: &str| {
            scrub(text, std::iter::once((variable.to_owned(), value.to_owned())))
        };
        let sas = "sv=2026&sig=aaaa%2Fbbbb%2Bcccc%3D";
        for told in ["of aaaa/bbbb+cccc= here", "of aaaa%2Fbbbb%2Bcccc%3D here"] {
            assert_eq!(said("AZURE_STORAGE_SAS_TOKEN", sas, told), "of … here");
        }
        let account = "AccountName=a;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=x";
        assert_eq!(said("AZURE_STORAGE_CONNECTION_STRING", account, "of c2VjcmV0LWtleQ== here"), "of … here");
        assert_eq!(said("AZURE_CLIENT_CERTIFICATE_PASSWORD", "hunter2-hunter2", "of hunter2-hunter2"), "of …");
        assert_eq!(said("AZURE_CLIENT_ID", "hunter2-hunter2", "of hunter2-hunter2"), "of hunter2-hunter2");
    }

    #[test]
    fn plain_http_is_allowed_by_a_yes_alone() {
        assert!(is_true("true") && is_true("1"));
        assert!(!is_true("") && !is_true("false") && !is_true("0"));
    }

    #[test]
    fn places_are_told_by_their_scheme() {
        let parse = |text: &str| Place::parse(Path::new(text));
        assert!(matches!(parse("a/b.gz"), Ok(Place::Path(path)) if path == Path::new("a/b.gz")));
        assert!(matches!(parse("file:///a/b"), Ok(Place::Path(path)) if path == Path::new("/a/b")));
        assert!(matches!(parse("az://c/a/b"), Ok(Place::Object(it)) if it.join("x").to_string() == "az://c/a/b/x"));
        for wrong in ["gs://b/x", "az:///x", "ftp://x/y", "file://host/x"] {
            assert!(matches!(parse(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
        assert!(matches!(parse("abfss://c@a.dfs.core.windows.net/x"), Ok(Place::Object(_))));
        for keyed in ["az://c2VjcmV0@c/x", "s3://c2VjcmV0@b/x", "abfss://c:c2VjcmV0@a.dfs.core.windows.net/x"] {
            let Err(Failure::Usage(told)) = parse(keyed) else { return assert_eq!(keyed, "an error") };
            assert!(!told.to_string().contains("c2VjcmV0"), "{told}");
        }
        let Err(Failure::Usage(told)) = parse("az://c/x?sig=c2VjcmV0") else { return assert_eq!("an error", "none") };
        assert!(!told.to_string().contains("c2VjcmV0") && told.to_string().contains("SAS_TOKEN"), "{told}");
    }
}
