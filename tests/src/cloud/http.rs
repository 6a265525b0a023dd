//! Requests and answers as the services see them, and lists in pages.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use serde_json::{Value, json};

use super::tokens::random;

/// A request, read.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query as they came.
    pub(super) raw: String,
    path: String,
    query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Scheme and host by which it came.
    pub(super) base: String,
}

/// An answer, before faults befall it.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
}

// === impl Asked ===

impl Asked {
    pub(super) fn new(method: Method, raw: &str, headers: HeaderMap, body: Bytes, base: String) -> Self {
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        };
        let query = query.split('&').filter(|it| !it.is_empty()).map(pair).collect();
        Self { method, raw: raw.into(), path: decoded(path), query, headers, body, base }
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|it| !it.is_empty()).collect()
    }

    /// A parameter of the query; names count without regard to case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// This page's link with another token for where to go on.
    pub(super) fn link(&self, name: &str, token: &str) -> String {
        let mut link = format!("{}{}?", self.base, encoded(&self.path, b"/$()'"));
        for (own, value) in self.query.iter().filter(|(own, _)| !own.eq_ignore_ascii_case(name)) {
            link += &format!("{}={}&", encoded(own, b"$"), encoded(value, b""));
        }
        link + &format!("{}={token}", encoded(name, b"$"))
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self::status(200, body)
    }

    pub(super) fn status(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// An error as Azure Resource Manager writes it.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::status(status, json!({"error": {"code": code, "message": message}}))
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// The page that was asked for of a list, and where the next begins.
pub(super) struct Page {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) next: Option<String>,
}

impl Page {
    /// `token` is the one that was given with an earlier page.
    ///
    /// # Errors
    /// If nobody gave it.
    pub(super) fn of(length: usize, size: usize, token: Option<&str>) -> Result<Self, ()> {
        let from = match token {
            None => 0,
            Some(token) => {
                let hex = token.strip_prefix("cGFnZTo").ok_or(())?;
                usize::from_str_radix(hex, 16).map_err(|_| ())?
            }
        };
        let to = length.min(from + size.max(1));
        Ok(Self { from: from.min(length), to, next: (to < length).then(|| format!("cGFnZTo{to:x}")) })
    }
}

/// An id of a request.
pub(super) fn id() -> String {
    let hex = random(2);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Text without its percent signs.
pub(super) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default();
        out.push((digit() * 16 + digit()) as u8);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encoded(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}
