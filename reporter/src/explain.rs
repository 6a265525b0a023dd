//! `wiguard explain`: a rule's manual page, or the rules behind an error of Microsoft Entra.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anyhow::anyhow;
use clap::Args;
use regex::Regex;
use wiguard_rules::catalogue::{CATALOGUE, Entry};

use crate::cli::Failure;

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A rule's id or name, an AADSTS code, or a pasted log line that holds one
    #[arg(value_name = "RULE|CODE|TEXT", required = true)]
    what: Vec<String>,
}

impl Explain {
    /// Runs it.
    ///
    /// # Errors
    /// If nothing is known of what was asked.
    pub fn run(self) -> Result<u8, Failure> {
        let text = self.what.join(" ");
        let pages = match pages(&text) {
            Some(pages) => pages,
            None => {
                return Err(Failure::Usage(anyhow!(
                    "nothing is known of `{text}`; give a rule (`wiguard rules` lists them), a code such as AADSTS700213, or a log line that holds one"
                )));
            }
        };
        match io::stdout().lock().write_all(pages.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Internal(anyhow!(error).context("could not write to standard output")))
            }
            _ => Ok(0),
        }
    }
}

/// What is known of a text; `None` if nothing is.
pub fn pages(text: &str) -> Option<String> {
    if let Some(entry) = Entry::find(text) {
        return Some(page(entry));
    }
    let codes = codes(text);
    if codes.is_empty() {
        return None;
    }
    let mut out = String::new();
    let (mut known, mut ruled) = (false, false);
    for code in codes {
        let behind: Vec<&Entry> = CATALOGUE.iter().filter(|entry| entry.rule.aadsts.contains(&code.as_str())).collect();
        let meaning = meaning(&code);
        known |= meaning.is_some() || !behind.is_empty();
        ruled |= !behind.is_empty();
        out.push_str(&format!(
            "AADSTS{code}: {}\n",
            meaning.unwrap_or("not an error of the token exchange that is known here")
        ));
        for entry in behind {
            out.push_str(&format!("  {}  {:<30}  {}\n", entry.id, entry.name(), entry.rule.summary));
        }
        out.push('\n');
    }
    out.push_str(if ruled {
        "`wiguard explain RULE` says more of each; `wiguard scan` finds which of them it is here.\n"
    } else {
        "no rule finds its cause in manifests or in Azure; look at the token and at the request themselves\n"
    });
    known.then_some(out)
}

/// A rule's manual page with its facts on top.
pub fn page(entry: &Entry) -> String {
    let rule = entry.rule;
    let judges: Vec<&str> = rule.checks.iter().map(|check| check.subject()).collect();
    let mut out = format!(
        "# {} {}\n\nSeverity {}, confidence {}; judges {}; {}.\n",
        entry.id,
        entry.name(),
        rule.severity.as_str(),
        rule.confidence.as_str(),
        judges.join(", "),
        if entry.at_admission() { "at admission and in the audit" } else { "in the audit" },
    );
    if !rule.aadsts.is_empty() {
        let codes: Vec<String> = rule.aadsts.iter().map(|code| format!("AADSTS{code}")).collect();
        out.push_str(&format!("Leads to {}.\n", codes.join(", ")));
    }
    if !rule.frameworks.is_empty() {
        out.push_str(&format!("Asked for by {}.\n", rule.frameworks.join(", ")));
    }
    out.push('\n');
    let headings = ["Fails", "Passes", "As CEL"];
    let deeper = |page: String, heading| page.replace(&format!("\n# {heading}\n"), &format!("\n## {heading}\n"));
    out.push_str(&headings.into_iter().fold(entry.manual(), deeper));
    out.push('\n');
    out
}

/// The digits of the codes in a text, in order and once each.
fn codes(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let Ok(pattern) = Regex::new(r"(?-u)(?i:AADSTS)\s?([0-9]{5,7})") else { return Vec::new() };
    let found =
        pattern.captures_iter(text).filter_map(|captures| captures.get(1)).map(|code| code.as_str().to_string());
    found.filter(|code| seen.insert(code.clone())).collect()
}

/// What Entra says by a code (Microsoft Entra, AADSTS error code reference), in our words.
fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "70021" => {
            "no federated credential matches the token that was presented; it may also have been created minutes ago"
        }
        "700211" => "no federated credential of this client trusts the token's issuer",
        "700212" => "no federated credential of this client accepts the token's audience",
        "700213" => "no federated credential of this client trusts the token's subject",
        "7002138" => "a federated credential matches the token only without regard to case",
        "70025" => "this client has no federated credential at all",
        "700016" => "the tenant has no application of this client id",
        "7000229" => "the application has no service principal in the tenant",
        "700024" => "the token that was presented is not valid at this time",
        "700027" | "50013" => "the signature of the token could not be verified with the issuer's keys",
        "90061" => "the issuer's discovery document or keys could not be fetched",
        "900612" => "the issuer's keys could not be understood",
        "700222" => "a token issued by Entra itself cannot be exchanged here",
        "90002" => "there is no such tenant",
        "7000215" | "7000222" => "a client secret is wrong or has expired: a secret was used, not workload identity",
        "50020" => "a user account is not of this tenant: a person signed in, not a workload",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{codes, pages};

    #[test]
    fn codes_are_found_in_log_lines() {
        let line = "ClientAssertionCredential failed: AADSTS700213: No matching federated identity record; aadsts70021, AADSTS700213";
        assert_eq!(codes(line), ["700213", "70021"]);
        assert_eq!(codes("AADSTS"), [""; 0]);
    }

    #[test]
    fn what_is_unknown_has_no_page() {
        assert!(pages("AWI101").is_some_and(|page| page.contains("# Fails")));
        assert!(pages("label-on-workload-metadata").is_some());
        assert!(pages("hello").is_none());
        assert!(pages("AADSTS999999").is_none());
        assert!(pages("AADSTS999999 AADSTS700213").is_some_and(|page| page.contains("AADSTS999999: not an error")));
    }
}
