//! Triage: the user's opinions on findings. The rules know nothing of it, and nothing disappears
//! uncounted.

use wiguard_rules::catalogue::Entry;
use wiguard_rules::judge::Object;
use wiguard_rules::parameters::glob;

use crate::config::Suppression;
use crate::report::Reported;

/// The user's opinions.
#[derive(Debug)]
pub struct Triage<'a> {
    suppressions: &'a [Suppression],
    used: Vec<bool>,
    ignored: Vec<&'static Entry>,
    namespace: Option<&'a str>,
    today: (i64, u32, u32),
}

/// A waiver that did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The rule as written.
    pub rule: String,
    /// The object as written.
    pub object: String,
    /// Why it did nothing.
    pub why: &'static str,
}

impl<'a> Triage<'a> {
    /// Triage by these suppressions, without these rules, and of one namespace if one is asked for.
    pub fn new(
        suppressions: &'a [Suppression],
        ignore: &[String],
        namespace: Option<&'a str>,
        today: (i64, u32, u32),
    ) -> Self {
        let mut ignored: Vec<&'static Entry> = ignore.iter().filter_map(|name| Entry::find(name)).collect();
        ignored.sort_by_key(|entry| entry.id);
        ignored.dedup_by_key(|entry| entry.id);
        Self { suppressions, used: vec![false; suppressions.len()], ignored, namespace, today }
    }

    /// The rules that are not evaluated, by id.
    pub(crate) fn ignored(&self) -> Vec<&'static str> {
        self.ignored.iter().map(|entry| entry.id).collect()
    }

    /// The namespace whose objects alone are reported, if one was asked for.
    pub(crate) const fn namespace(&self) -> Option<&'a str> {
        self.namespace
    }

    /// Whether something of an object is not reported, whatever there is: a rule about it, or all of it.
    pub(crate) fn leaves_out(&self, object: Object<'_>) -> bool {
        self.namespace.is_some_and(|asked| object.namespace() != asked)
            || self.ignored.iter().any(|entry| object.is_judged_by(entry.rule))
    }

    /// Takes out what is not to be shown; returns the objects of the findings that a waiver covers.
    pub(crate) fn apply(&mut self, findings: &mut Vec<(u32, Reported)>) -> Vec<u32> {
        findings.retain(|(_, found)| self.namespace.is_none_or(|asked| found.namespace == asked));
        let said: Vec<(u32, &'static str)> = findings.iter().map(|(index, found)| (*index, found.rule.id)).collect();
        let covered = |index: u32, found: &Reported| {
            found.rule.rule.yields_to.iter().any(|more| said.binary_search(&(index, more)).is_ok())
        };
        findings.retain(|(index, found)| !covered(*index, found));
        let mut suppressed = Vec::new();
        findings.retain(|(index, found)| {
            let suppresses = self.suppresses(found);
            if suppresses {
                suppressed.push(*index);
            }
            !suppresses
        });
        suppressed
    }

    fn suppresses(&mut self, found: &Reported) -> bool {
        let mut suppressed = false;
        for (suppression, used) in self.suppressions.iter().zip(&mut self.used) {
            if names(&suppression.rule, found.rule) && matches(&suppression.object, found) {
                *used = true;
                suppressed |= !suppression.is_expired(self.today);
            }
        }
        suppressed
    }

    /// Waivers that match nothing, or hold no longer.
    pub(crate) fn idle(&self) -> Vec<Waiver> {
        let why = |suppression: &Suppression, used: bool| match (suppression.is_expired(self.today), used) {
            (true, true) => Some("has expired, and its findings are back"),
            (true, false) => Some("has expired and matches nothing; delete it"),
            (false, false) => Some("matches nothing; delete it"),
            (false, true) => None,
        };
        let idle = self.suppressions.iter().zip(&self.used);
        idle.filter_map(|(suppression, used)| {
            let why = why(suppression, *used)?;
            Some(Waiver { rule: suppression.rule.clone(), object: suppression.object.clone(), why })
        })
        .collect()
    }
}

fn names(written: &str, rule: &Entry) -> bool {
    rule.id.eq_ignore_ascii_case(written) || rule.name().eq_ignore_ascii_case(written)
}

/// Whether `[CLUSTER:][NAMESPACE/]KIND/NAME` covers the object of a finding.
fn matches(pattern: &str, found: &Reported) -> bool {
    let short = format!("{}/{}", found.kind, found.name);
    let long = if found.namespace.is_empty() { short.clone() } else { format!("{}/{short}", found.namespace) };
    let full = format!("{}:{long}", found.cluster);
    [&short, &long, &full].iter().any(|address| glob(pattern, address))
}
