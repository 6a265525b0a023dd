//! The published trust inventory: what Azure trusts, as `wiguard policy trust` wrote it into the
//! cluster, for a policy that cannot ask Azure. It is read where a rule asks for it, and it ages.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Serialize, Serializer};
use wiguard_rules::inventory::{Inventory, Tokens};
use wiguard_rules::json::{Fault, Json};
use wiguard_rules::model::{Identity, Issuer};

use crate::host::{Host, get_resource};
use crate::slice::{Clients, Slice, known_by, text};

/// By this many seconds the clocks of who wrote it and who reads it may differ.
const SKEW: u64 = 300;

/// Where it is published, and for how long it is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// The namespace of its ConfigMaps.
    pub namespace: String,
    /// The age, in seconds, from which its findings no longer reject.
    #[serde(serialize_with = "as_seconds")]
    pub max_age: u64,
}

/// What of it was read in one review.
pub(crate) struct Published<'s> {
    from: &'s Publication,
    /// The issuer of this cluster, if the settings name it.
    issuer: Option<&'s Issuer>,
    /// The namespace whose piece is read.
    namespace: String,
    asked: bool,
    /// When the oldest piece in use was collected.
    collected: Option<u64>,
    /// What is wrong with pieces of it.
    problems: Vec<String>,
}

// === impl Publication ===

impl Default for Publication {
    fn default() -> Self {
        Self { namespace: "wiguard-system".into(), max_age: 26 * 60 * 60 }
    }
}

impl Publication {
    /// Reads the setting `trust`; `None` if it is not there.
    pub(crate) fn read(json: &mut dyn Json<'_>) -> Result<Option<Self>, Fault> {
        let mut read = Self::default();
        let is_there = json.exact_object_if_any(&mut [
            ("namespace", &mut |json| {
                read.namespace = json.text()?.map_or_else(|| read.namespace.clone(), Into::into);
                Ok(())
            }),
            ("maxAge", &mut |json| {
                if let Some(text) = json.text()? {
                    read.max_age = duration(&text).ok_or_else(|| {
                        Fault::Said(format!("maxAge `{text}` is not a number of s, m, h or d, such as 26h"))
                    })?;
                }
                Ok(())
            }),
        ])?;
        Ok(is_there.then_some(read))
    }

    /// Whether it makes sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !self.namespace.is_empty() && self.namespace.bytes().all(plain) {
            return Ok(());
        }
        Err(format!("trust.namespace: `{}` is not the name of a namespace", self.namespace))
    }
}

fn duration(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.parse::<u32>().ok().filter(|_| !number.starts_with('+')).map(|number| u64::from(number) * unit)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn as_seconds<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{seconds}s"))
}

// === impl Published ===

impl<'s> Published<'s> {
    /// Nothing is read yet.
    pub(crate) fn of(from: &'s Publication, issuer: Option<&'s Issuer>, namespace: &str) -> Self {
        Self { from, issuer, namespace: namespace.into(), asked: false, collected: None, problems: Vec::new() }
    }

    /// Whether the namespace's piece was not asked for yet.
    pub(crate) const fn is_unread(&self) -> bool {
        !self.asked
    }

    /// Has the inventory say what the namespace's piece does.
    pub(crate) fn fetch(&mut self, host: &mut dyn Host, inventory: &mut Inventory) {
        if core::mem::replace(&mut self.asked, true) {
            return;
        }
        let name = format!("trust.{}", self.namespace);
        match self.slice(host, &name) {
            Ok(slice) => self.take(&name, slice, inventory),
            Err(problem) => self.refuse(&name, &problem),
        }
    }

    /// Has it say whether any identity has this client id.
    pub(crate) fn fetch_client(&mut self, client_id: &str, host: &mut dyn Host, inventory: &mut Inventory) {
        self.fetch(host, inventory);
        let here = |identity: &Identity| identity.client_id.as_str().eq_ignore_ascii_case(client_id);
        let Some(digit) = client_id.chars().next().filter(char::is_ascii_hexdigit) else { return };
        if inventory.identities.iter().any(here) {
            return;
        }
        let name = format!("clients.{}", digit.to_ascii_lowercase());
        let read = self.text(host, &name, "clients.json").and_then(|text| Clients::read(&text, client_id));
        match read {
            Ok(clients) => self.take_clients(&name, clients, client_id, inventory),
            Err(problem) => self.refuse(&name, &problem),
        }
    }

    fn slice(&self, host: &mut dyn Host, name: &str) -> Result<Slice, String> {
        let slice = Slice::read(&self.text(host, name, "trust.json")?)?;
        if slice.namespace != self.namespace {
            return Err(format!("it is for namespace `{}`", slice.namespace));
        }
        match (self.issuer, &slice.issuer) {
            (Some(own), Some(other)) if own != other => {
                Err(format!("it is for the cluster of issuer `{other}`, and this one's is `{own}`"))
            }
            _ => Ok(slice),
        }
    }

    fn text(&self, host: &mut dyn Host, name: &str, key: &str) -> Result<String, String> {
        let namespace = &self.from.namespace;
        text(&get_resource(host, "ConfigMap", namespace, name)?, namespace, name, key)
    }

    fn take(&mut self, name: &str, slice: Slice, inventory: &mut Inventory) {
        self.is_in_use(slice.collected);
        if !slice.complete {
            self.refuse(name, "it does not list every credential");
        }
        let Some(issuer) = slice.issuer else { return };
        if let Some(cluster) = inventory.clusters.first_mut() {
            cluster.issuer.get_or_insert_with(|| issuer.clone());
        }
        if slice.complete {
            inventory.coverage.trust_of.insert(Tokens { issuer, namespace: Some(slice.namespace) });
        }
        inventory.identities.extend(slice.identities);
        inventory.credentials.extend(slice.credentials);
    }

    fn take_clients(&mut self, name: &str, clients: Clients, client_id: &str, inventory: &mut Inventory) {
        if clients.mistaken.is_some() {
            self.is_in_use(clients.collected);
        }
        inventory.identities.extend(clients.mistaken);
        if clients.found {
            // It is there, and that is all that is known of it.
            inventory.identities.push(known_by(client_id.into()));
        } else if clients.complete {
            inventory.coverage.no_identity.insert(client_id.to_ascii_lowercase());
            inventory.coverage.tenants.extend(clients.tenants.iter().map(|tenant| tenant.to_ascii_lowercase()));
        } else {
            return self.refuse(name, "it does not list every client id");
        }
        self.is_in_use(clients.collected);
    }

    fn is_in_use(&mut self, collected: u64) {
        self.collected = Some(self.collected.map_or(collected, |oldest| oldest.min(collected)));
    }

    fn refuse(&mut self, name: &str, problem: &str) {
        self.problems.push(format!("ConfigMap {}/{name}: {problem}", self.from.namespace));
    }

    /// What is wrong with it, so that a rule may have stayed undecided.
    pub(crate) fn problems(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| self.problems.join("; "))
    }

    /// If it is too old to reject by, or nobody can tell: how old it is, and from when.
    pub(crate) fn stale(&self, host: &dyn Host) -> Option<String> {
        let collected = self.collected?;
        // One from the future has no age either.
        let age =
            host.now().filter(|now| collected <= now.saturating_add(SKEW)).map(|now| now.saturating_sub(collected));
        if age.is_some_and(|age| age <= self.from.max_age) {
            return None;
        }
        let age = age.map_or_else(|| "of unknown age".into(), |age| format!("{} old", span(age)));
        Some(format!("the trust inventory of {}, {age}", date(collected)))
    }
}

/// A span of time, in its largest unit.
fn span(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time of day, UTC, to the minute. The days of the Gregorian calendar repeat every 400 years,
/// counted from 1 March so that a leap day is a year's last.
fn date(seconds: u64) -> String {
    // The last second of 9999, so that no sum overflows.
    let seconds = seconds.min(253_402_300_799);
    let days = seconds / 86_400 + 719_468;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + year_of_era + days / 146_097 * 400;
    let minutes = seconds % 86_400 / 60;
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}Z", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00Z"),
            (951_782_399, "2000-02-28T23:59Z"),
            (951_782_400, "2000-02-29T00:00Z"),
            (1_709_251_200, "2024-03-01T00:00Z"),
            (1_795_478_400, "2026-11-24T00:00Z"),
            (1_798_761_599, "2026-12-31T23:59Z"),
            (4_107_542_400, "2100-03-01T00:00Z"),
            (u64::MAX, "9999-12-31T23:59Z"),
        ] {
            assert_eq!(date(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn spans_have_one_unit() {
        for (text, seconds) in [("59s", 59), ("59m", 3_599), ("47h", 172_799), ("2d", 172_800)] {
            assert_eq!(span(seconds), text);
        }
        for (text, seconds) in [("26h", Some(93_600)), ("0s", Some(0)), ("7d", Some(604_800)), ("90m", Some(5_400))] {
            assert_eq!(duration(text), seconds, "{text}");
        }
        for text in ["", "h", "26", "26 h", "-1h", "+1h", "1.5h", "1h30m", "é", "99999999999d", "26H"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
