//! Transport: how the credentials of Azure's SDK reach Entra and the metadata service of machines.

use std::sync::Arc;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Request as Ask, Url};

use crate::live::http::Http;

/// The client of the SDK's credentials.
#[derive(Debug)]
pub(super) struct Transport {
    http: Http,
    /// An authority on this machine that speaks HTTP: the SDK insists on TLS, so it is told so.
    plain: Option<Url>,
}

impl Transport {
    /// A transport to this authority, for the SDK.
    pub(super) fn new(http: Http, authority: &Url) -> Arc<Self> {
        let plain = (authority.scheme() == "http").then(|| authority.clone());
        Arc::new(Self { http, plain })
    }

    /// The authority as the SDK takes it.
    pub(super) fn told(authority: &Url) -> String {
        let text = authority.as_str().trim_end_matches('/');
        text.strip_prefix("http://").map_or_else(|| text.to_string(), |rest| format!("https://{rest}"))
    }

    fn address(&self, url: &Url) -> Url {
        match &self.plain {
            Some(plain) if url.host() == plain.host() && url.port() == plain.port() => {
                let mut url = url.clone();
                // It is a scheme of the same kind, which is always taken.
                let _ = url.set_scheme("http");
                url
            }
            _ => url.clone(),
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let wrong = |reason: String| Error::with_message(ErrorKind::Io, reason);
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| wrong(error.to_string()))?;
        let mut ask = Ask::new(method, self.address(request.url()));
        for (name, value) in request.headers().iter() {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|error| wrong(error.to_string()))?;
            let value = HeaderValue::from_str(value.as_str()).map_err(|error| wrong(error.to_string()))?;
            ask.headers_mut().insert(name, value);
        }
        if let Body::Bytes(bytes) = request.body() {
            *ask.body_mut() = Some(bytes.clone().into());
        }
        let reply = self.http.send(ask).await.map_err(wrong)?;
        let mut headers = Headers::new();
        for (name, value) in &reply.headers {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_string(), value.to_string());
            }
        }
        Ok(AsyncRawResponse::from_bytes(reply.status.into(), headers, reply.body))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_authority_on_this_machine_is_reached_without_tls() {
        let authority: Url = "http://127.0.0.1:9000".parse().unwrap();
        let transport = Transport::new(Http::new(None, Duration::from_secs(1)).unwrap(), &authority);
        let told: Url = Transport::told(&authority).parse().unwrap();
        assert_eq!(told.scheme(), "https");
        assert_eq!(
            transport.address(&told.join("/t/oauth2/v2.0/token").unwrap()).as_str(),
            "http://127.0.0.1:9000/t/oauth2/v2.0/token"
        );
        let other: Url = "https://127.0.0.1:9001/".parse().unwrap();
        assert_eq!(transport.address(&other), other);
    }
}
