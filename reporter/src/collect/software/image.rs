//! Which image a bill of materials describes. Each tool says it in a way of its own: as name and
//! version, as a package URL, as hashes, or in properties.

use serde_json::Value;
use wiguard_rules::model::{ImageReference, Software};

use super::purl::Purl;
use super::{shortened, text};

/// What a bill says of what it describes.
#[derive(Debug, Default)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) version: String,
    /// Whether it is said to be a container.
    pub(super) container: bool,
    pub(super) purls: Vec<Purl>,
    /// References and digests that stand elsewhere.
    pub(super) references: Vec<String>,
}

// === impl Subject ===

impl Subject {
    /// Whether it is an image.
    pub(super) fn is_image(&self) -> bool {
        self.container || self.purls.iter().any(|purl| ["oci", "docker"].contains(&purl.kind.as_str()))
    }

    /// Names software after it, and says which images it is.
    pub(super) fn describe(&self, software: &mut Software) {
        if self.is_image() {
            let named = self.name.contains(['@', '/', ':']) || self.purls.is_empty();
            note(software, &self.name, if named { &self.version } else { "" });
            self.purls.iter().for_each(|purl| of_purl(software, purl));
            self.references.iter().for_each(|reference| note(software, reference, ""));
        }
        super::settle(software);
        software.name = match software.images.first() {
            Some(image) => image.clone(),
            None if self.version.is_empty() || self.name.contains(&self.version) => self.name.clone(),
            None => format!("{} {}", self.name, shortened(&self.version)),
        };
    }
}

/// Notes a reference; a version is the tag or the digest of one that has none.
pub(super) fn note(software: &mut Software, reference: &str, version: &str) {
    let is_digest = |text: &str| text.starts_with("sha256:") || text.starts_with("sha512:");
    if is_digest(reference) {
        software.digests.push(reference.into());
        return;
    }
    let it = ImageReference::of(reference);
    software.digests.extend(it.digest.into_iter().chain(Some(version)).filter(|it| is_digest(it)).map(Into::into));
    let tag = it.tag.or(Some(version)).filter(|tag| !tag.is_empty() && !is_digest(tag));
    if let Some(tag) = tag.filter(|_| !it.repository.is_empty()) {
        software.images.push(format!("{}:{tag}", it.repository));
    }
}

fn of_purl(software: &mut Software, purl: &Purl) {
    let url = purl.qualifier("repository_url").trim_end_matches('/');
    let url = url.strip_prefix("https://").unwrap_or(url);
    let reference = match purl.kind.as_str() {
        // The URL of an OCI image is that of its repository, with its name.
        "oci" if !url.is_empty() => url.to_owned(),
        "docker" if !url.is_empty() => format!("{url}/{}", purl.name),
        "docker" => purl.name.clone(),
        "oci" => String::new(),
        _ => return,
    };
    note(software, &reference, &purl.version);
    note(software, &reference, purl.qualifier("tag"));
}

/// A SHA-256 among hashes, as a digest: `{"alg": "SHA-256", "content": …}`, or as SPDX names them.
pub(super) fn digests(hashes: Option<&Value>, algorithm: &str, content: &str) -> Vec<String> {
    let all = hashes.and_then(Value::as_array).into_iter().flatten();
    let sha256 = all.filter(|hash| text(hash, algorithm).replace('-', "").eq_ignore_ascii_case("sha256"));
    sha256.map(|hash| format!("sha256:{}", text(hash, content).to_ascii_lowercase())).collect()
}
