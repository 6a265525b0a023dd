//! An admission webhook of a test's own, in this process: it keeps what it is sent, and answers
//! what the test wants. With it a test sees what a webhook sees at its place in the order.

#![allow(clippy::panic, reason = "a test without its webhook has nothing to go on with")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::base64::encode;
use crate::https::Authority;

/// From an admission request to what its response has besides the uid.
pub type Answer = fn(&Value) -> Value;

/// The running webhook. It ends when it is dropped.
pub struct Hook {
    /// For the `clientConfig` of a registration.
    pub client_config: Value,
    seen: Arc<Mutex<Vec<Value>>>,
    server: JoinHandle<()>,
}

/// Lets everything pass.
#[must_use]
pub fn allow(_: &Value) -> Value {
    json!({"allowed": true})
}

/// Adds a container to every pod that has it not.
#[must_use]
pub fn add_sidecar(request: &Value) -> Value {
    let containers = request["object"]["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.iter().any(|container| container["name"] == "sidecar") {
        return json!({"allowed": true});
    }
    let patch = json!([{"op": "add", "path": "/spec/containers/-", "value": {"name": "sidecar", "image": "sidecar"}}]);
    json!({"allowed": true, "patchType": "JSONPatch", "patch": encode(patch.to_string().as_bytes())})
}

impl Hook {
    /// Starts one.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub async fn start(answer: Answer) -> Self {
        let authority = Authority::new("hook");
        let pair = authority.server();
        let certificate = CertificateDer::from_pem_slice(pair.cert.as_bytes());
        let certificate = certificate.unwrap_or_else(|error| panic!("{error}"));
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let config = config.unwrap_or_else(|error| panic!("{error}")).with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).unwrap_or_else(|error| panic!("{error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, acceptor.clone(), answer, Arc::clone(&keep)));
            }
        });
        let client_config = json!({
            "url": format!("https://{address}/"),
            "caBundle": encode(authority.pem.as_bytes()),
        });
        Self { client_config, seen, server }
    }

    /// The admission requests so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, answer: Answer, keep: Arc<Mutex<Vec<Value>>>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let serve = service_fn(|request: Request<Incoming>| async {
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let review: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut response = answer(&review["request"]);
        response["uid"] = review["request"]["uid"].clone();
        keep.lock().unwrap_or_else(PoisonError::into_inner).push(review["request"].clone());
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        let response = Response::builder().header("content-type", "application/json");
        let response = response.body(Full::new(Bytes::from(review.to_string())));
        Ok::<_, Infallible>(response.unwrap_or_default())
    });
    // A connection that breaks is the API server's to open again.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
}
