//! HTTPS from the other side: authorities and certificates made on the spot, and a client that
//! speaks TLS 1.3 on one connection, as an API server does.

#![allow(clippy::panic, reason = "a test without its certificates has nothing to go on with")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, in PEM.
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

/// One connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    /// The certificate that the server presented.
    pub presented: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

fn good<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn other<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> io::Error {
    io::Error::other(error)
}

// === impl Authority ===

impl Authority {
    /// A new one.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = good(CertificateParams::new([]));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = good(KeyPair::generate());
        let pem = good(params.self_signed(&key)).pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a server at 127.0.0.1.
    #[must_use]
    pub fn server(&self) -> Pair {
        self.server_of(&["127.0.0.1", "localhost"])
    }

    /// A certificate for a server of these names and addresses.
    #[must_use]
    pub fn server_of(&self, names: &[&str]) -> Pair {
        let mut params = good(CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for a client.
    #[must_use]
    pub fn client(&self) -> Pair {
        self.client_of("client", "")
    }

    /// A certificate for a client: in Kubernetes a user, in a group if it is not empty.
    #[must_use]
    pub fn client_of(&self, user: &str, group: &str) -> Pair {
        let mut params = good(CertificateParams::new([]));
        params.distinguished_name.push(DnType::CommonName, user);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = good(KeyPair::generate());
        Pair { cert: good(params.signed_by(&key, &self.issuer)).pem(), key: key.serialize_pem() }
    }
}

// === impl Client ===

impl Client {
    /// A TLS connection, without HTTP.
    ///
    /// # Errors
    /// If there is nobody, or nobody who is trusted.
    pub async fn secure(at: SocketAddr, authority: &str, own: Option<&Pair>) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
            roots.add(good(certificate)).map_err(other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(other)?
            .with_root_certificates(roots);
        let mut config = match own {
            Some(Pair { cert, key }) => {
                let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).map(good).collect();
                let key = good(PrivateKeyDer::from_pem_slice(key.as_bytes()));
                builder.with_client_auth_cert(chain, key).map_err(other)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").map_err(other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Connects.
    ///
    /// # Errors
    /// If there is nobody, or nobody who is trusted.
    pub async fn connect(at: SocketAddr, authority: &str, own: Option<&Pair>) -> io::Result<Self> {
        let stream = Self::secure(at, authority, own).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let presented = chain.first().map_or_else(Vec::new, |leaf| leaf.to_vec());
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(other)?;
        // How a connection ends shows in the requests on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, presented })
    }

    /// Whether another request may be sent.
    ///
    /// # Errors
    /// If the server has closed the connection.
    pub async fn ready(&mut self) -> io::Result<()> {
        self.sender.ready().await.map_err(other)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the connection breaks before the answer is there.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> io::Result<Reply> {
        self.ready().await?;
        let response = self.sender.send_request(request).await.map_err(other)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(other)?.to_bytes().to_vec();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// If the connection breaks before the answer is there.
    pub async fn post(&mut self, path: &str, json: impl Into<Bytes>) -> io::Result<Reply> {
        self.send(post(path, json)).await
    }
}

/// A POST of JSON.
///
/// # Panics
/// If the path cannot be in a request.
#[must_use]
pub fn post(path: &str, json: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri(path).header("host", "localhost");
    good(request.header("content-type", "application/json").body(Full::new(json.into())))
}

/// A GET in plain HTTP, on a connection of its own.
///
/// # Errors
/// If there is nobody, or the connection breaks.
pub async fn get(at: SocketAddr, path: &str) -> io::Result<Reply> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(other)?;
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder().uri(path).header("host", "localhost").body(Full::<Bytes>::default());
    let response = sender.send_request(good(request)).await.map_err(other)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(other)?.to_bytes().to_vec();
    Ok(Reply { status: head.status, headers: head.headers, body })
}

// === impl Reply ===

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
