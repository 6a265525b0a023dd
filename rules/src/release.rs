//! Versions of packages: numbers, and what comes before a release. The schemes of NuGet, Go, Maven,
//! npm and PyPI differ in how they write that; in what bears on a minimum version they agree.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// A version, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `1.13.0`, without zeros at its end.
    numbers: Vec<u64>,
    /// What it comes before the release with, if it does.
    before: Option<Early>,
}

/// What comes before a release: how far along it is, and its numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Early {
    stage: u8,
    numbers: Vec<u64>,
}

/// What versions before a release are called, from the first to the last. Other words, such as
/// `Final`, `post1` or a distributor's name, tell a release that was made once more.
const STAGES: [&[&str]; 4] = [
    &["dev", "snapshot", "nightly", "canary"],
    &["a", "alpha"],
    &["b", "beta", "m", "milestone"],
    &["c", "cr", "rc", "pre", "preview"],
];

// === impl Release ===

impl Release {
    /// Reads a version; `None` if it does not begin with a number, as a range or a branch does not.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['=', 'v', 'V']);
        // Build metadata of SemVer, local versions of PyPI, ports of vcpkg.
        let text = text.split(['+', '#']).next().unwrap_or_default();
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (digits, rest) = text.split_at_checked(end)?;
        if rest.contains([' ', ',', '*', '<', '>', '|']) {
            return None;
        }
        let mut numbers: Vec<u64> = Vec::new();
        for number in digits.trim_end_matches('.').split('.') {
            numbers.push(number.parse().ok()?);
        }
        without_zeros(&mut numbers);
        Some(Self { numbers, before: Early::of(rest) })
    }

    /// Whether a version is below another; `None` if either is none.
    pub fn is_below(version: &str, least: &str) -> Option<bool> {
        Some(Self::of(version)? < Self::of(least)?)
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (&self.before, &other.before) {
            (Some(own), Some(other)) => own.cmp(other),
            // Nothing comes before the release: it is the last.
            (own, other) => own.is_none().cmp(&other.is_none()),
        })
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

// === impl Early ===

impl Early {
    fn of(rest: &str) -> Option<Self> {
        // A pseudo-version of Go, such as `v1.3.1-0.20230607144825-…`, comes before all.
        if rest.starts_with("-0.") {
            return Some(Self { stage: 0, numbers: Vec::new() });
        }
        let rest = rest.trim_start_matches(['.', '-', '_', '~']);
        let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        let stage =
            STAGES.iter().zip(0_u8..).find(|(words, _)| words.iter().any(|it| word.eq_ignore_ascii_case(it)))?.1;
        let parts = rest.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
        let mut numbers: Vec<u64> = parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect();
        without_zeros(&mut numbers);
        Some(Self { stage, numbers })
    }
}

fn without_zeros(numbers: &mut Vec<u64>) {
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::indexing_slicing, reason = "a test may")]
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn release(text: &str) -> Release {
        Release::of(text).unwrap_or_else(|| panic!("`{text}` is a version"))
    }

    #[test]
    fn versions_are_ordered_as_their_ecosystems_do() {
        let ordered = [
            "v0.0.0-20200101000000-abcdef012345",
            "0.9.19",
            "1.3.0-0.20230101000000-abcdef012345",
            "1.3.0a1",
            "1.3.0-beta.2",
            "1.3.0-beta.3",
            "1.3.0-beta.10",
            "1.3.0rc1",
            "v1.3.0",
            "1.3.1-preview.1",
            "1.3.1",
            "1.10.0b1",
            "1.10",
            "2",
        ];
        for (index, one) in ordered.iter().enumerate() {
            for (further, other) in ordered.iter().enumerate() {
                assert_eq!(release(one).cmp(&release(other)), index.cmp(&further), "{one} and {other}");
            }
        }
    }

    #[test]
    fn what_is_written_otherwise_is_the_same() {
        for (one, other) in [
            ("1.9.0", "v1.9"),
            ("1.9.0", "1.9.0.0"),
            ("1.9.0", "1.9.0+build.5"),
            ("1.9.0", "=1.9.0"),
            ("1.9.0", "1.9.0.Final"),
            ("1.9.0", "1.9.0-redhat-00001"),
            ("1.9.0", "1.9.0.post1"),
            ("1.5.1", "1.5.1#2"),
            ("1.26.0b2", "1.26.0-beta.2"),
            ("0.9.0+incompatible", "v0.9.0"),
        ] {
            assert_eq!(release(one), release(other), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_version_is_unknown() {
        for text in [
            "",
            "latest",
            "^1.9.0",
            ">=1.0",
            "1.0 - 2.0",
            "1.*",
            "1 || 2",
            "${azure.version}",
            ".",
            "1..2",
            "99999999999999999999",
        ] {
            assert_eq!(Release::of(text), None, "{text}");
            assert_eq!(Release::is_below(text, "1.9.0"), None, "{text}");
        }
    }

    /// The numbers of a version, the stage before it, and how it is written.
    type Written = (Vec<u64>, Option<(u8, u64)>, String);

    /// Every version of a small world: numbers, and what comes before.
    fn world() -> Vec<Written> {
        let mut all = Vec::new();
        for number in 0..27_u64 {
            let numbers = [number / 9, number / 3 % 3, number % 3];
            let text = format!("{}.{}.{}", numbers[0], numbers[1], numbers[2]);
            let mut kept = numbers.to_vec();
            without_zeros(&mut kept);
            all.push((kept.clone(), None, text.clone()));
            for (stage, word) in [(1, "-alpha."), (2, "b"), (3, "-rc")] {
                for further in [1, 2, 11] {
                    all.push((kept.clone(), Some((stage, further)), format!("{text}{word}{further}")));
                }
            }
        }
        all
    }

    #[test]
    fn the_order_is_that_of_numbers_and_then_of_stages() {
        let world = world();
        for (numbers, before, text) in &world {
            for (other_numbers, other_before, other) in &world {
                let stage = |before: &Option<(u8, u64)>| before.unwrap_or((u8::MAX, 0));
                let expected = (numbers, stage(before)).cmp(&(other_numbers, stage(other_before)));
                assert_eq!(release(text).cmp(&release(other)), expected, "{text} and {other}");
                assert_eq!(Release::is_below(text, other), Some(expected.is_lt()), "{text} and {other}");
            }
        }
    }
}
