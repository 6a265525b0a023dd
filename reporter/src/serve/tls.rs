//! What the server proves itself with, and whom it believes: TLS 1.3 alone, HTTP/1.1 alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};

use super::expiry::not_after;

/// A certificate with its key, and the authorities of clients.
pub(super) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    /// Whether clients of the provider must prove themselves.
    pub(super) asks_clients: bool,
    /// Which of the identities this process has had.
    pub(super) generation: u64,
    /// When certificates end, in unix seconds.
    pub(super) expiry: Vec<(&'static str, i64)>,
}

/// The files an identity is read from.
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

/// What was in them.
#[derive(PartialEq)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

static GENERATION: AtomicU64 = AtomicU64::new(0);

impl Files {
    pub(super) fn read(&self) -> Result<Contents, String> {
        let client_ca = self.client_ca.as_deref().map(|path| read("the client authorities", path)).transpose()?;
        Ok(Contents {
            certificate: read("the certificate", &self.certificate)?,
            key: read("the private key", &self.key)?,
            client_ca,
        })
    }
}

impl Contents {
    /// Everything, for comparison.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).map(Vec::as_slice)
    }
}

impl Identity {
    /// Makes an identity of what the files hold.
    ///
    /// # Errors
    /// Names the file that cannot be used, and what to do.
    pub(super) fn new(files: &Files, contents: &Contents) -> Result<Self, String> {
        let (cert, key) = (files.certificate.display(), files.key.display());
        let chain = certificates(&contents.certificate)
            .map_err(|reason| format!("could not use the certificate `{cert}`: {reason}"))?;
        let secret = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| {
            format!("could not use the private key `{key}`: it holds no key in PEM; give an unencrypted key")
        })?;
        let mut expiry = Vec::new();
        let ends = |chain: &[CertificateDer<'_>]| chain.iter().filter_map(|one| not_after(one)).min();
        expiry.extend(ends(&chain).map(|time| ("server", time)));
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&[&TLS13]).map_err(|error| error.to_string())?;
        let builder = match (&files.client_ca, &contents.client_ca) {
            (Some(path), Some(pem)) => {
                let wrong =
                    |reason: String| format!("could not use the client authorities `{}`: {reason}", path.display());
                let mut roots = RootCertStore::empty();
                let authorities = certificates(pem).map_err(wrong)?;
                expiry.extend(ends(&authorities).map(|time| ("client-ca", time)));
                for authority in authorities {
                    roots.add(authority).map_err(|error| wrong(error.to_string()))?;
                }
                // The API server calls the webhook without a certificate: who must have one is
                // decided by path.
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.allow_unauthenticated().build().map_err(|error| wrong(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, secret).map_err(|error| {
            format!("could not use the certificate `{cert}` with the key `{key}`: {error}; do they belong together?")
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Clients keep their connections; a session that outlives one would outlive its authority.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        Ok(Self { config: Arc::new(config), asks_clients: contents.client_ca.is_some(), generation, expiry })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() => Err("it holds no certificate in PEM".into()),
        Ok(found) => Ok(found),
        Err(_) => Err("it is not PEM throughout".into()),
    }
}

/// Reads a file of a size that such files have.
pub(super) fn read(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    const LARGEST: u64 = 32 << 20;
    let wrong = |reason: String| format!("could not read {what} `{}`: {reason}", path.display());
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut content = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
    if content.len() as u64 > LARGEST {
        return Err(wrong(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(content)
}
