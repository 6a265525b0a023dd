//! When the sources were true: an inventory is as old as the oldest file it rests on.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::collect::Collected;

/// Unix seconds of the oldest source that describes Azure: what Azure trusts is what ages. Objects
/// of Kubernetes only say which identities are of interest. A pipe is as old as now.
pub(super) fn oldest(collected: &Collected) -> u64 {
    let inventory = &collected.inventory;
    let azure = inventory.identities.iter().map(|it| it.origin).chain(inventory.credentials.iter().map(|it| it.origin));
    let kubernetes = inventory.workloads.iter().map(|it| it.origin);
    let kubernetes = kubernetes.chain(inventory.service_accounts.iter().map(|it| it.origin));
    let kubernetes = kubernetes.chain(inventory.namespaces.iter().map(|it| it.origin));
    // An identity without credentials is an empty list, of which nothing has an origin.
    let described = inventory.clusters.iter().map(|it| it.origin).filter(|origin| origin.line > 0);
    let azure: BTreeSet<u32> = azure.map(|origin| origin.source).collect();
    let others: BTreeSet<u32> = kubernetes.chain(described).map(|origin| origin.source).collect();
    let path = |source: &u32| collected.paths.get(*source as usize).map(String::as_str);
    let others: BTreeSet<&str> = others.difference(&azure).filter_map(path).collect();
    let sources = collected.sources.iter().map(|(source, _)| source.as_str());
    // What was read live, and a snapshot, say themselves when.
    let said = |source: &str| {
        let mut said = collected.moments.iter().filter(|(index, _)| path(index) == Some(source));
        said.next().map(|(_, at)| *at)
    };
    let written =
        sources.filter(|source| !others.contains(source)).filter_map(|source| said(source).or_else(|| written(source)));
    written.min().unwrap_or_else(now)
}

fn written(path: &str) -> Option<u64> {
    let file = std::fs::metadata(Path::new(path)).ok().filter(std::fs::Metadata::is_file)?;
    Some(seconds(file.modified().ok()?))
}

/// Unix seconds of now.
pub(super) fn now() -> u64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Reads a moment such as `2026-11-24T03:00:00Z` (RFC 3339, section 5.6), as Unix seconds.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    read(text).ok_or_else(|| "expected a moment after 1970 such as 2026-11-24T03:00:00Z".into())
}

fn read(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let days_of = [31, if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 29 } else { 28 }, 31, 30, 31, 30, 31];
    let days_of = days_of.into_iter().chain([31, 30, 31, 30, 31]);
    let days_of_month = days_of.clone().nth(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let valid = (1..=days_of_month).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !valid || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (sign, zone) = zone.split_at_checked(1)?;
            let [hours, minutes] = numbers(zone, ':', [2, 2])?;
            (hours < 24 && minutes < 60).then_some(())?;
            (hours * 60 + minutes) * if sign == "-" { -60 } else { 60 }
        }
    };
    let before = year - 1;
    let leap = |years: i64| years / 4 - years / 100 + years / 400;
    let years = (year - 1970) * 365 + leap(before) - leap(1969);
    let months: i64 = days_of.take(usize::try_from(month - 1).ok()?).sum();
    let moment = (years + months + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    u64::try_from(moment).ok()
}

/// Numbers of so many digits each, and nothing else.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn moments_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-24T03:00:00Z", 1_795_489_200),
            ("2026-11-24t03:00:00.25z", 1_795_489_200),
            ("2026-11-24T05:30:00+02:30", 1_795_489_200),
            ("2026-11-23T23:00:00-04:00", 1_795_489_200),
            ("2024-12-31T23:59:60Z", 1_735_689_600),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-11-24T03:00:00",
            "2026-11-24T03:00Z",
            "2026-13-24T03:00:00Z",
            "2026-00-24T03:00:00Z",
            "2025-02-29T03:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T03:00:00.Z",
            "2026-11-24T03:00:00+1:00",
            "1969-12-31T23:59:59Z",
            "+026-11-24T03:00:00Z",
            "2026-11-24T03:00:00Zé",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
