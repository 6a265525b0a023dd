//! Object storage: where snapshots and reports go and come from, by URL: `az://`, `s3://`. A URL
//! of a file is a path like any other. Who may do so is said by the environment, as the stores'
//! own tools have it; no message ever names a URL's query, for that may be a signature.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, WriteMultipart,
};
use reqwest::Url;

use crate::cli::Failure;
use crate::read::Root;

/// The schemes, as object_store reads them.
const AZURE: [&str; 5] = ["az", "adl", "azure", "abfs", "abfss"];
const AMAZON: [&str; 2] = ["s3", "s3a"];
/// Larger objects are written in parts.
const PART: usize = 16 << 20;
/// Objects that are fetched at once.
const AT_ONCE: usize = 8;
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
        let shown = format!("{scheme}://{}", rest.split(['?', '#']).next().unwrap_or_default());
        let Ok(url) = Url::parse(&format!("{scheme}://{rest}")) else {
            return Err(usage(format!("`{shown}` is no URL")));
        };
        if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
            return Err(usage(format!(
                "`{shown}` is given with a query or password, which others can see; put a signature into AZURE_STORAGE_SAS_TOKEN and leave it out of the URL"
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

    /// Fetches the object of this name, or else all below it.
    fn fetch(&self) -> Result<Vec<Root>, StoreError> {
        let key = self.key()?;
        self.run(async |store| {
            if !key.as_ref().is_empty() && !self.0.path().ends_with('/') {
                match store.head(&key).await {
                    Ok(meta) => {
                        let content = self.get(&store, &key, meta.size).await;
                        return Ok(vec![Root::Fetched { path: self.to_string(), found: false, content }]);
                    }
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
            let mut listed: Vec<_> = store.list(Some(&key)).try_collect().await?;
            listed.retain(|meta| !meta.location.filename().is_some_and(|name| name.starts_with('.')));
            listed.sort_by(|a, b| a.location.cmp(&b.location));
            let store = &store;
            let fetch = listed.into_iter().map(|meta| async move {
                let content = self.get(store, &meta.location, meta.size).await;
                let mut url = self.0.clone();
                url.set_path(meta.location.as_ref());
                Root::Fetched { path: url.to_string(), found: true, content }
            });
            let fetched: Vec<Root> = futures_util::stream::iter(fetch).buffered(AT_ONCE).collect().await;
            if fetched.is_empty() {
                let content =
                    Err("holds nothing: no object has this name or begins with it as a folder; check the URL".into());
                return Ok(vec![Root::Fetched { path: self.to_string(), found: false, content }]);
            }
            Ok(fetched)
        })
    }

    async fn get(&self, store: &Arc<dyn ObjectStore>, key: &Key, size: u64) -> Result<Arc<[u8]>, String> {
        if size > LARGEST {
            return Err(format!("is larger than the {} MiB that are fetched; download it", LARGEST >> 20));
        }
        let bytes = async { store.get(key).await?.bytes().await }.await;
        bytes.map(|bytes| Arc::from(&*bytes)).map_err(|error| self.explain(&error))
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
        // Whoever installed one before has the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError(format!("could not start the runtime: {error}")))?;
        let done = runtime.block_on(async { work(self.open()?).await });
        done.map_err(|error| StoreError(self.explain(&error)))
    }

    fn open(&self) -> object_store::Result<Arc<dyn ObjectStore>> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() },
            max_retries: 4,
            retry_timeout: Duration::from_mins(2),
        };
        let options = ClientOptions::new()
            .with_timeout(Duration::from_mins(2))
            .with_connect_timeout(Duration::from_secs(10))
            .with_user_agent(reqwest::header::HeaderValue::from_static(concat!("wiguard/", env!("CARGO_PKG_VERSION"))));
        // A store on this machine is an emulator; any other is spoken to over TLS unless the environment says otherwise.
        Ok(if self.is_azure() {
            let builder = MicrosoftAzureBuilder::from_env().with_url(self.0.as_str()).with_retry(retry);
            Arc::new(with(builder, options, "AZURE_ALLOW_HTTP", MicrosoftAzureBuilder::with_client_options).build()?)
        } else {
            let builder = AmazonS3Builder::from_env().with_url(self.0.as_str()).with_retry(retry);
            Arc::new(with(builder, options, "AWS_ALLOW_HTTP", AmazonS3Builder::with_client_options).build()?)
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
            other => format!("could not be reached: {}; set {credentials}", scrub(&chain(other))),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// A builder with options of ours that keep what the environment says of plain HTTP.
fn with<B>(builder: B, options: ClientOptions, variable: &str, set: impl FnOnce(B, ClientOptions) -> B) -> B {
    let allowed = std::env::var(variable).is_ok_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
    set(builder, options.with_allow_http(allowed || std::env::var_os("AZURE_STORAGE_USE_EMULATOR").is_some()))
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
fn scrub(text: &str) -> String {
    let mut clean: Vec<String> = text
        .split_whitespace()
        .map(|word| match word.split_once('?') {
            Some((before, _)) if before.contains("://") => before.trim_end_matches(['(', '"']).to_owned(),
            _ => word.to_owned(),
        })
        .collect();
    for (name, value) in std::env::vars() {
        let secret = ["KEY", "SAS", "TOKEN", "SECRET"].iter().any(|word| name.contains(word));
        if secret && (name.starts_with("AZURE_") || name.starts_with("AWS_")) && value.len() > 7 {
            clean.iter_mut().for_each(|word| *word = word.replace(&value, "…"));
        }
    }
    let clean = clean.join(" ");
    clean.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_is_ever_told() {
        let told =
            scrub("Error performing PUT https://a.example/c/x?sv=2026&sig=c2VjcmV0 in 1s, after 3 (http://b?sig=x)");
        assert_eq!(told, "Error performing PUT https://a.example/c/x in 1s, after 3 (http://b");
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
        let Err(Failure::Usage(told)) = parse("az://c/x?sig=c2VjcmV0") else { return assert_eq!("an error", "none") };
        assert!(!told.to_string().contains("c2VjcmV0") && told.to_string().contains("SAS_TOKEN"), "{told}");
    }
}
