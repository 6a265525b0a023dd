//! HTTP to Azure: one client, whom it believes, how much it reads, and how long it is told to wait.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, ClientBuilder, Request, Url, redirect};

/// An answer larger than this, in bytes, is not one of Azure.
pub const LARGEST: usize = 64 << 20;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: bytes::Bytes,
}

/// The client.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    /// For this machine and its metadata service, which no proxy can reach.
    direct: Client,
}

impl Http {
    /// Makes the client: it follows no redirects, for they would take tokens along, and believes
    /// the authorities of the system, of `SSL_CERT_FILE` and those in `ca_file`.
    ///
    /// # Errors
    /// If the file cannot be read or holds no certificates.
    pub fn new(ca_file: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        // Whoever installed one before has the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = ca_file.map(authorities).transpose()?.unwrap_or_default();
        let build = |builder: ClientBuilder, connect: Duration| {
            let builder = builder
                .redirect(redirect::Policy::none())
                .connect_timeout(connect.min(timeout))
                .timeout(timeout)
                .pool_max_idle_per_host(256)
                .user_agent(concat!("wiguard/", env!("CARGO_PKG_VERSION")))
                .tls_certs_merge(authorities.clone());
            builder.build().map_err(|error| format!("could not start the HTTP client: {}", reason(&error)))
        };
        Ok(Self {
            client: build(Client::builder(), Duration::from_secs(10))?,
            direct: build(Client::builder().no_proxy(), Duration::from_secs(2))?,
        })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// Says why there is none, without the address.
    pub async fn send(&self, request: Request) -> Result<Reply, String> {
        self.send_within(request, LARGEST).await
    }

    /// The same, of an answer that may have so many bytes.
    ///
    /// # Errors
    /// Says what failed, without what was sent.
    pub async fn send_within(&self, request: Request, largest: usize) -> Result<Reply, String> {
        let near = is_loopback(request.url()) || request.url().host_str() == Some("169.254.169.254");
        let client = if near { &self.direct } else { &self.client };
        let mut response = client.execute(request).await.map_err(|error| reason(&error))?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
            if body.len() + chunk.len() > largest {
                return Err(format!("the answer is larger than {} MiB", largest >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: body.freeze() })
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, String> {
    let wrong = |reason: String| format!("could not use the authorities `{}`: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|_| wrong("it is not PEM throughout".into()))?;
    if found.is_empty() { Err(wrong("it holds no certificate in PEM".into())) } else { Ok(found) }
}

/// Why something failed: the innermost reasons, without the address that reqwest adds.
pub fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut said: Vec<String> = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
        source = inner.source();
    }
    if said.is_empty() { "the connection failed".into() } else { said.join(": ") }
}

/// Whether requests may go there: over TLS, or to this machine itself.
pub fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host_str().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether it is this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether two addresses are of one server, so that the token of one may be shown to the other.
pub fn is_same_server(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
        && other.username().is_empty()
        && other.password().is_none()
}

/// How long the server asks to wait: `retry-after-ms`, `x-ms-retry-after-ms`, or `Retry-After` in
/// seconds or as a date (RFC 9110, section 10.2.3).
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().filter_map(text);
    if let Some(wait) = milliseconds.filter_map(|it| it.parse().ok()).next() {
        return Some(Duration::from_millis(wait));
    }
    let said = text("retry-after")?;
    if let Ok(seconds) = said.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    Some(httpdate::parse_http_date(said).ok()?.duration_since(now).unwrap_or_default())
}

/// The span `hh:mm:ss`, as Resource Graph writes it, with a fraction perhaps.
pub fn span(text: &str) -> Option<Duration> {
    let mut parts = text.trim().splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    Duration::try_from_secs_f64(f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + seconds).ok()
}

/// How long to wait before the try that follows `tries` that failed: twice as long each time, and
/// at random between a half and all of it, so that many do not come back at once.
pub fn backoff(tries: u32, first: Duration) -> Duration {
    let all = first.saturating_mul(1 << tries.saturating_sub(1).min(6)).min(Duration::from_secs(30));
    let random = RandomState::new().build_hasher().finish() % 1024;
    all / 2 + all / 2 * u32::try_from(random).unwrap_or_default() / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_wait_is_read_in_all_its_spellings() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs), now);
        assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", " 0.5 ")]), Some(Duration::from_millis(500)));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]), Some(Duration::from_secs(3)));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")]), Some(Duration::ZERO), "it has passed");
        assert_eq!(wait(&[("retry-after", "7"), ("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
        assert_eq!(wait(&[("x-ms-retry-after-ms", "1500")]), Some(Duration::from_millis(1500)));
        for nonsense in ["", "soon", "-1", "NaN", "1e999", "Sun, 99 Foo 1994", "Sun, 06 Nov 1994 08:49 GMT"] {
            assert_eq!(wait(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn a_quota_is_reset_after_a_span() {
        assert_eq!(span("00:00:05"), Some(Duration::from_secs(5)));
        assert_eq!(span("01:02:03.5"), Some(Duration::from_millis(3_723_500)));
        assert!(span("5").is_none() && span("::").is_none() && span("0:0:-9").is_none());
    }

    #[test]
    fn tokens_go_over_tls_or_stay_on_the_machine() {
        for safe in ["https://management.azure.com", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"] {
            assert!(is_safe(&url(safe)), "{safe}");
        }
        for unsafe_ in
            ["http://management.azure.com", "http://127.0.0.1.evil.example", "http://10.0.0.1", "ftp://localhost"]
        {
            assert!(!is_safe(&url(unsafe_)), "{unsafe_}");
        }
    }

    #[test]
    fn another_server_is_told_by_scheme_host_and_port() {
        let arm = url("https://management.azure.com/subscriptions?api-version=1");
        assert!(is_same_server(&arm, &url("https://MANAGEMENT.azure.com:443/subscriptions?$skiptoken=2")));
        for other in [
            "https://management.azure.com.evil.example/",
            "https://management.azure.com:8443/",
            "http://management.azure.com/",
            "https://user@management.azure.com/",
            "https://:secret@management.azure.com/",
            "https://evil.example/management.azure.com",
        ] {
            assert!(!is_same_server(&arm, &url(other)), "{other}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        for tries in 1..40 {
            let wait = backoff(tries, Duration::from_millis(200));
            assert!(wait <= Duration::from_secs(30));
            assert!(wait >= Duration::from_millis(100));
        }
        assert!(backoff(6, Duration::from_millis(200)) > backoff(1, Duration::from_millis(200)));
    }
}
