//! `wiguard explain`: a rule's manual page, or what an error of the chain means, which link it points
//! to, and, with sources, what of an estate causes it.

mod causes;
mod errors;
mod show;
mod text;

use std::borrow::Cow;
use std::io::{self, Read as _, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wiguard_rules::catalogue::Entry;

use crate::cli::Failure;
use crate::collect::{Collected, Tie};
use crate::config::Config;
use crate::read::Stdin;
use crate::report::is_complete;
use crate::sources::{How, Sources};
use crate::tokens;
use causes::Causes;
use text::Text;

/// How much of standard input is looked through, in bytes.
const LONGEST: u64 = 64 << 20;
/// How much of a text an error message quotes, in letters.
const QUOTED: usize = 120;

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A rule's id or name, an AADSTS code, a pasted log of any length, or `-` for one on standard input
    #[arg(value_name = "RULE|CODE|TEXT", required = true)]
    what: Vec<String>,
    /// Name what in this file or folder causes it, read as `scan` reads it; repeatable
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Tie the dump at PATH to the cluster NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    cluster: Vec<Tie>,
    /// Read the configuration from FILE [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print it
    #[arg(short, long = "output", value_enum, default_value_t = As::Text, value_name = "FORMAT")]
    output: As,
    /// How sources are read.
    #[command(flatten)]
    how: How,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum As {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Explain {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If nothing is known of what was asked, or what else was typed makes no sense.
    pub fn run(self) -> Result<u8, Failure> {
        let asked = self.asked()?;
        let said = |pages: String| match io::stdout().lock().write_all(pages.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Internal(anyhow!(error).context("could not write to standard output")))
            }
            _ => Ok(()),
        };
        let output = self.output;
        let (entries, rest) = rules_in(&asked);
        let text = Text::read(&rest);
        let strange = rest.split_whitespace().find(|word| is_id(word));
        if text.known().is_empty() && (entries.is_empty() || strange.is_some()) {
            let is_piped = self.what == ["-"] && strange.is_none();
            // What was piped may hold anything.
            let of = if is_piped { "the text on standard input".into() } else { quoted(strange.unwrap_or(&rest)) };
            return Err(Failure::Usage(unknown(&of, &text)));
        }
        let text = Some(text).filter(Text::says);
        let look = |collected: &Collected, config: &Config| {
            let of_rules = entries.iter().map(|entry| causes::of_rule(entry, collected, config)).collect();
            (of_rules, text.as_ref().map(|text| causes::of(text, collected, config)))
        };
        let (found, status) = self.causes(look)?;
        let (of_rules, of_text): (Vec<Causes>, Option<Causes>) = found.unwrap_or_default();
        let rules: Vec<_> = entries.iter().zip(of_rules.iter().map(Some).chain(std::iter::repeat(None))).collect();
        let text = text.as_ref().map(|text| (text, of_text.as_ref()));
        let pages = match output {
            As::Text => {
                let mut pages: Vec<String> = rules
                    .iter()
                    .map(|(entry, causes)| page(entry) + &causes.map(show::of_rule).unwrap_or_default())
                    .collect();
                pages.extend(text.map(|(text, causes)| show::text(text, causes)));
                pages.join("\n")
            }
            As::Json => show::json(&rules, text),
        };
        said(pages).map(|()| status)
    }

    /// What was typed, or what standard input holds.
    fn asked(&self) -> Result<String, Failure> {
        if self.what != ["-"] {
            return Ok(self.what.join(" "));
        }
        if self.from.iter().any(|path| path.as_os_str() == "-") {
            return Err(Failure::Usage(anyhow!("standard input is either the text or a source, not both")));
        }
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(LONGEST).read_to_end(&mut bytes);
        let length = read.context("could not read standard input").map_err(Failure::Usage)?;
        if length as u64 == LONGEST {
            eprintln!("only the first {} MiB of standard input are looked through", LONGEST >> 20);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What of the sources causes it, if there are any, and the exit status.
    fn causes<T>(self, look: impl FnOnce(&Collected, &Config) -> T) -> Result<(Option<T>, u8), Failure> {
        let sources = Sources { paths: self.from, how: self.how };
        if sources.check().is_err() {
            return Ok((None, 0));
        }
        let config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        let progress = sources.how.progress.show();
        let stdin = || -> Stdin { Box::new(io::stdin()) };
        let collected = sources.gather(self.cluster, None, &config, &progress, stdin)?;
        progress.say("judging");
        let causes = look(&collected, &config);
        progress.say("");
        let status = if is_complete(&collected.gaps) { 0 } else { 3 };
        Ok((Some(causes), status))
    }
}

/// The rules a text names, and what else it says: any word of it that is a rule's id, and a name of
/// a rule where there is nothing but rules and codes, since the names are made of common words.
fn rules_in(asked: &str) -> (Vec<&'static Entry>, Cow<'_, str>) {
    let bare = |word| str::trim_matches(word, |end: char| !end.is_ascii_alphanumeric());
    let is_code = |word: &str| {
        let digits =
            word.get(..6).filter(|start| start.eq_ignore_ascii_case("AADSTS")).and(word.get(6..)).unwrap_or(word);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let short = asked.len() <= QUOTED
        && asked.split_whitespace().map(bare).all(|word| Entry::find(word).is_some() || is_code(word));
    let rule = |word| Some(bare(word)).filter(|word| short || is_id(word)).and_then(Entry::find);
    let mut entries: Vec<&'static Entry> = Vec::new();
    for entry in asked.split_whitespace().filter_map(rule) {
        if entries.iter().all(|known| known.id != entry.id) {
            entries.push(entry);
        }
    }
    if entries.is_empty() {
        return (entries, asked.into());
    }
    let rest: Vec<&str> = asked.split_whitespace().filter(|word| rule(word).is_none()).collect();
    (entries, rest.join(" ").into())
}

/// Whether a word has the form of a rule's id.
fn is_id(word: &str) -> bool {
    let digits = word.get(..3).filter(|start| start.eq_ignore_ascii_case("AWI")).and(word.get(3..));
    digits.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The beginning of what was typed.
fn quoted(asked: &str) -> String {
    let asked = tokens::hide(asked.trim());
    let shown: String = asked.chars().take(QUOTED).collect();
    let more = if shown.len() < asked.len() { "…" } else { "" };
    format!("`{shown}{more}`")
}

/// What is said of a text in which nothing is known.
fn unknown(of: &str, text: &Text) -> anyhow::Error {
    let codes = text.unknown_codes();
    let elsewhere = codes
        .first()
        .map(|code| format!(" (Microsoft may say more at https://login.microsoftonline.com/error?code={code})"))
        .unwrap_or_default();
    anyhow!(
        "nothing is known of {of}; give a rule (`wiguard rules` lists them), a code such as AADSTS700213, or a log line that holds one{elsewhere}"
    )
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
