//! The key of pseudonyms: from a file, or drawn for one run.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use ring::hmac;
use ring::rand::SystemRandom;

use super::Redactor;
use crate::cli::Failure;

/// Whether and how names are replaced.
#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// Replace names, ids and issuers by pseudonyms that are the same throughout the snapshot
    #[arg(long)]
    redact: bool,
    /// Make pseudonyms with the key in FILE, at least 16 bytes, so that they are the same in other runs
    #[arg(long, value_name = "FILE", requires = "redact")]
    redact_key: Option<PathBuf>,
}

impl Redact {
    /// What replaces names, if that is wanted.
    pub(crate) fn redactor(&self) -> Result<Option<Redactor>, Failure> {
        if !self.redact {
            return Ok(None);
        }
        let key = match &self.redact_key {
            Some(path) => {
                let bytes = std::fs::read(path).with_context(|| format!("could not read the key `{}`", path.display()));
                let bytes = bytes.map_err(Failure::Usage)?;
                let secret = bytes.trim_ascii();
                if secret.len() < 16 {
                    return Err(Failure::Usage(anyhow!(
                        "the key `{}` is shorter than 16 bytes; make one with `openssl rand -hex 32`",
                        path.display()
                    )));
                }
                hmac::Key::new(hmac::HMAC_SHA256, secret)
            }
            None => hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .map_err(|_| Failure::Internal(anyhow!("the system gives no random bytes")))?,
        };
        Ok(Some(Redactor::new(key)))
    }
}
