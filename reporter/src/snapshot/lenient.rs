//! Leniency: what a later minor version adds is passed over, and an element that cannot be
//! understood does not sink its line. It may be what another object points to, so that a line
//! with such an element proves no absence.

use serde::Deserialize;
use serde_json::Value;

use super::{Batch, End, Files, Header, Line};
use crate::collect::{Feed, facts::Facts};

/// The members of a line, of which it has one.
#[derive(Deserialize)]
struct Members {
    header: Option<Box<Header>>,
    feed: Option<Box<Feed>>,
    batch: Option<Box<Batch>>,
    files: Option<Files>,
    end: Option<End>,
}

/// Reads a line, and says whether anything was left out of it.
pub(super) fn line(json: &[u8]) -> (Result<Option<Line>, String>, bool) {
    match serde_json::from_slice::<Members>(json) {
        Ok(members) => (Ok(members.line()), false),
        Err(_) => match pruned(json) {
            Ok(members) => (Ok(members.line()), true),
            Err(error) => (Err(format!("holds a line of a snapshot that cannot be read: {}", told(&error))), true),
        },
    }
}

/// The kind and place of an error, without what it quotes.
fn told(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Eof => "it ends early; copy it or collect it again".into(),
        Category::Data => "a member is not what it should be; collect it again".into(),
        Category::Syntax | Category::Io => {
            format!("it is no JSON from column {} on; copy it or collect it again", error.column())
        }
    }
}

/// Reads a line without those elements of its lists that cannot be understood.
fn pruned(json: &[u8]) -> Result<Members, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(json)?;
    for (part, list) in [
        ("/feed", "manifests"),
        ("/feed", "resources"),
        ("/feed", "proofs"),
        ("/feed", "gaps"),
        ("/batch/facts", "manifests"),
        ("/batch/facts", "resources"),
        ("/batch/facts", "software"),
        ("/batch/facts", "lists"),
    ] {
        let Some(Value::Array(elements)) = value.pointer_mut(part).and_then(|part| part.get_mut(list)) else {
            continue;
        };
        elements.retain(|element| {
            let mut alone = serde_json::Map::new();
            alone.insert(list.into(), Value::Array(vec![element.clone()]));
            let alone = Value::Object(alone);
            if part == "/feed" { Feed::deserialize(&alone).is_ok() } else { Facts::deserialize(&alone).is_ok() }
        });
    }
    Members::deserialize(value)
}

impl Members {
    fn line(self) -> Option<Line> {
        let Self { header, feed, batch, files, end } = self;
        header
            .map(Line::Header)
            .or(feed.map(Line::Feed))
            .or(batch.map(Line::Batch))
            .or(files.map(Line::Files))
            .or(end.map(Line::End))
    }
}
