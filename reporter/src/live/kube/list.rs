//! Lists: all objects of a kind, page by page.
//!
//! No resource version is asked for: the first page is of this moment, and the others of the same one.
//! Servers since Kubernetes 1.31 answer that from memory; older ones ask etcd, 500 objects at a time.
//! `resourceVersion=0` would spare it, and have a server ignore the limit and answer from any time past.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use wiguard_rules::manifest::Manifest;

use super::kinds::{Kind, Part};
use super::page::{self, Page, SHOWN};
use super::reading::{Ended, Reading};
use super::seen::Name;
use super::server::{LIST_OF_METADATA, METADATA, WHOLE};
use super::trouble::Trouble;
use crate::collect::{Feed, Gap, Missing};

/// Objects on a page, as kubectl asks for them.
const LIMIT: u32 = 500;
/// Below it pages are not made smaller.
const LEAST: u32 = 20;
/// How often a list that expired is begun anew.
const RESTARTS: u32 = 3;
/// Tokens in a row that have expired, each given for the one before, after which a list begins anew.
const STALE: u32 = 3;
/// Pages without an object after which a list is given up.
const BARREN: u32 = 100;

impl Reading {
    /// Reads a kind: all of it, or what there is of it in the one namespace.
    pub(super) async fn kind(&self, kind: &Kind) -> Ended {
        if let (Some(namespace), "Namespace") = (&self.namespace, kind.kind) {
            return match self.object(kind, "", namespace).await {
                Ok(object) => {
                    self.keep(kind, object.into_iter().collect(), 1).await;
                    Ended::Wholly
                }
                Err(trouble) => Ended::Not(trouble),
            };
        }
        self.list(kind, self.namespace.as_deref()).await
    }

    /// Reads the objects of a kind in a namespace, or in all, and hands them on.
    pub(super) async fn list(&self, kind: &Kind, namespace: Option<&str>) -> Ended {
        let mut ended = Ended::Not(Trouble::NotServed);
        for version in self.versions(kind) {
            ended = self.pages(kind, &version, namespace).await;
            if !matches!(ended, Ended::Not(Trouble::NotServed)) {
                break;
            }
        }
        match ended {
            // A kind that is not served has no objects.
            Ended::Not(Trouble::NotServed) if !kind.built_in => Ended::Wholly,
            ended => ended,
        }
    }

    /// The versions in which a kind may be served, the likeliest first.
    fn versions(&self, kind: &Kind) -> Vec<String> {
        let known = || kind.versions.iter().map(ToString::to_string);
        match &self.groups {
            Ok(groups) if !kind.built_in => {
                let served = groups.get(kind.group).map(Vec::as_slice).unwrap_or_default();
                let others = served.iter().filter(|version| !kind.versions.contains(&version.as_str())).cloned();
                known().filter(|version| served.contains(version)).chain(others).collect()
            }
            _ => known().collect(),
        }
    }

    async fn pages(&self, kind: &Kind, version: &str, namespace: Option<&str>) -> Ended {
        let path = kind.path(version, namespace.map(quoted).as_deref());
        let accept = if kind.part == Part::Metadata { LIST_OF_METADATA } else { WHOLE };
        let (mut token, mut limit, mut restarts, mut stale, mut barren) = (String::new(), LIMIT, 0, 0, 0);
        // Objects counted, and those of them that a list begun anew gives again.
        let (mut counted, mut again) = (0, 0);
        // What was given before a list began anew, and was not given again yet.
        let mut earlier = BTreeSet::new();
        let (mut broken, mut defects) = (0, Vec::new());
        let ended = loop {
            let ask = match token.as_str() {
                "" => format!("{path}?limit={limit}"),
                token => format!("{path}?limit={limit}&continue={}", quoted(token)),
            };
            let page = match self.server.ask(&ask, accept, |json| page::read(kind, version, json)).await {
                Ok(page) => page,
                Err(Trouble::Expired(Some(next))) if next != token && stale < STALE => {
                    (token, stale) = (next, stale + 1);
                    continue;
                }
                Err(Trouble::Expired(_)) if restarts < RESTARTS => {
                    (restarts, again, token) = (restarts + 1, counted, String::new());
                    earlier = self.seen(|seen| seen.of(kind.which(), namespace));
                    (broken, defects) = (0, Vec::new());
                    continue;
                }
                Err(trouble) if trouble.is_of_size() && limit > LEAST => {
                    limit = (limit / 5).max(LEAST);
                    continue;
                }
                // Half of a kind was read; that the rest is not served any more does not make it whole.
                Err(Trouble::NotServed | Trouble::Absent) if restarts > 0 || !token.is_empty() => {
                    break Ended::Not(Trouble::Withdrawn);
                }
                Err(trouble) => break Ended::Not(trouble),
            };
            stale = 0;
            let known = again.min(page.read);
            again -= known;
            counted += page.read - known;
            barren = if page.read == 0 { barren + 1 } else { 0 };
            let Page { objects, read, left, token: next, broken: more, defects: first } = page;
            if token.is_empty() && restarts == 0 {
                self.expect(read + left.unwrap_or_default());
            }
            broken += more;
            defects.extend(first.into_iter().take(SHOWN - SHOWN.min(defects.len())));
            self.replace(kind, &mut earlier, &objects).await;
            self.keep(kind, objects, read - known).await;
            if next.is_empty() {
                let gone: Vec<&Name> = earlier.iter().collect();
                if !gone.is_empty() {
                    self.take_back(kind, &gone).await;
                }
                break if broken == 0 { Ended::Wholly } else { Ended::Partly };
            }
            if next == token || barren == BARREN {
                break Ended::Not(Trouble::Strange("its pages have no end".into()));
            }
            token = next;
        };
        self.broken(kind, broken, &defects).await;
        ended
    }

    /// Takes back what was said of objects before their list began anew: they come again.
    async fn replace(&self, kind: &Kind, earlier: &mut BTreeSet<Name>, objects: &[Manifest]) {
        if earlier.is_empty() {
            return;
        }
        let ids = objects.iter().filter_map(Manifest::id);
        let again: Vec<Name> = ids.filter_map(|id| earlier.take(&key(kind, id))).collect();
        if !again.is_empty() {
            self.take_back(kind, &again.iter().collect::<Vec<_>>()).await;
        }
    }

    /// Hands objects on.
    pub(super) async fn keep(&self, kind: &Kind, objects: Vec<Manifest>, read: u64) {
        self.seen(|seen| objects.iter().for_each(|object| seen.add(object)));
        self.task.add(read);
        self.feed(Feed { read, manifests: objects, ..self.empty(kind) }).await;
    }

    /// One object, if it is there.
    pub(super) async fn object(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Manifest>, Trouble> {
        let accept = if kind.part == Part::Metadata { METADATA } else { WHOLE };
        for version in self.versions(kind) {
            let path = format!("{}/{}", kind.path(&version, Some(&quoted(namespace))), quoted(name));
            match self.server.ask(&path, accept, |json| page::object(kind, &version, json)).await {
                Ok(object) => return Ok(object),
                Err(Trouble::Absent) => return Ok(None),
                Err(Trouble::NotServed) if !kind.built_in => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(None)
    }

    fn expect(&self, more: u64) {
        self.task.total(self.total.fetch_add(more, Ordering::Relaxed) + more);
    }

    /// Says which objects could not be read.
    async fn broken(&self, kind: &Kind, count: u64, defects: &[String]) {
        let shown = defects.join("; ");
        let reason = match count.saturating_sub(defects.len() as u64) {
            _ if count == 0 => return,
            more @ 1.. => format!("could not read {shown}, and {more} more"),
            _ => format!("could not read {shown}"),
        };
        let gap = Gap { path: self.source(kind), line: None, reason, extent: Missing::Part };
        self.feed(Feed { gaps: vec![gap], ..self.empty(kind) }).await;
    }
}

/// The name of an object by which it was seen.
fn key(kind: &Kind, (_, namespace, name): (&str, &str, &str)) -> Name {
    (kind.which(), if kind.namespaced { namespace.into() } else { String::new() }, name.into())
}

/// A token or a name as it stands in a URL: it may be whatever a server or an object says.
fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            quoted.push(char::from(byte));
        } else {
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_part_of_a_url_is_quoted() {
        assert_eq!(quoted("a-b_C9"), "a-b_C9");
        assert_eq!(quoted("a+b/c=&d"), "a%2Bb%2Fc%3D%26d");
        assert_eq!(quoted("../secrets?x"), "..%2Fsecrets%3Fx");
    }
}
