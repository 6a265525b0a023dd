//! A shard: the part of a fleet that this run reads. Clusters and subscriptions are dealt out by
//! name, each to the shard that draws the highest lot for it (rendezvous hashing): a new one moves
//! no other, and another number of shards moves few.

use std::env;
use std::ffi::OsString;

use anyhow::anyhow;
use clap::Args;

use crate::cli::Failure;

/// Which part, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Parts of a fleet")]
#[group(id = "shard-flags")]
pub(super) struct Flags {
    /// Read the I-th of N parts of the clusters and subscriptions named, I from 1
    #[arg(long, value_name = "I/N", value_parser = Shard::parse, conflicts_with = "shards")]
    shard: Option<Shard>,
    /// Read one of N parts, which one says JOB_COMPLETION_INDEX [default: WIGUARD_SHARDS, if it is set]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shards: Option<u32>,
}

/// One part of a fleet; all of it by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Flags {
    /// What is meant. A Job with `completionMode: Indexed` says from 0 on which of its pods this is.
    ///
    /// # Errors
    /// If there is no such part, or the environment does not say which.
    pub(super) fn shard(&self) -> Result<Option<Shard>, Failure> {
        self.resolve(|name| env::var_os(name)).map_err(|why| Failure::Usage(anyhow!(why)))
    }

    fn resolve(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Shard>, String> {
        if let Some(shard) = self.shard {
            return Ok(Some(shard));
        }
        let number = |name: &str| -> Result<Option<u32>, String> {
            let Some(text) = variable(name).filter(|text| !text.is_empty()) else { return Ok(None) };
            let number = text.to_str().and_then(|text| text.parse().ok());
            number.map(Some).ok_or_else(|| format!("the environment variable {name} is not a whole number"))
        };
        let of = match self.shards {
            Some(of) => of,
            None => match number("WIGUARD_SHARDS")? {
                Some(of) => of,
                None => return Ok(None),
            },
        };
        let Some(index) = number("JOB_COMPLETION_INDEX")? else {
            return Err(format!(
                "{of} shards, and nothing says which of them this is: run it in a Job with `completionMode: Indexed`, or say --shard I/{of}"
            ));
        };
        Shard::new(index.saturating_add(1), of).map(Some).ok_or_else(|| {
            format!("JOB_COMPLETION_INDEX is {index}, and there are {of} shards: set the Job's `completions` to {of}")
        })
    }
}

/// More than a Job can have; each name is drawn once for every shard.
const LARGEST: u32 = 10_000;

// === impl Shard ===

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// The `number`-th of `of`, from 1; `None` if there is none.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (of <= LARGEST && (1..=of).contains(&number)).then_some(Self { number, of })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let shard = parts.and_then(|(number, of)| Self::new(number, of));
        shard.ok_or_else(|| "expected I/N, a part and how many there are, such as 1/8".into())
    }

    /// Which, from 1, and of how many.
    pub const fn parts(self) -> (u32, u32) {
        (self.number, self.of)
    }

    /// Whether what goes by this name is in it: it is in exactly one of all.
    pub fn takes(self, name: &str) -> bool {
        (1..=self.of).max_by_key(|number| lot(name, *number)) == Some(self.number)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// What a shard draws for a name: FNV-1a, then mixed as SplitMix64 does, for its low bits are poor.
fn lot(name: &str, number: u32) -> u64 {
    let bytes = name.bytes().chain(number.to_be_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn each_name_is_in_one_shard_and_all_get_their_share() {
        let of = 8;
        let mut counts = [0_u32; 8];
        for name in (0..800).map(|n| format!("cluster-{n}")) {
            let takers: Vec<u32> =
                (1..=of).filter(|number| Shard::new(*number, of).is_some_and(|it| it.takes(&name))).collect();
            assert_eq!(takers.len(), 1, "{name}: {takers:?}");
            for taker in takers {
                counts[taker as usize - 1] += 1;
            }
        }
        assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
    }

    #[test]
    fn one_shard_more_moves_its_share_and_no_other() {
        let home = |name: &str, of| (1..=of).find(|number| Shard::new(*number, of).is_some_and(|it| it.takes(name)));
        let names: Vec<String> = (0..900).map(|n| format!("subscription-{n}")).collect();
        let moved = names.iter().filter(|name| home(name, 8) != home(name, 9));
        assert!(moved.clone().all(|name| home(name, 9) == Some(9)), "what moves goes to the new one");
        assert!((60..=140).contains(&moved.count()));
    }

    #[test]
    fn the_environment_says_which() {
        let flags = |shards| Flags { shard: None, shards };
        let with = |flags: Flags, index: Option<&str>, of: Option<&str>| {
            flags.resolve(|name| match name {
                "JOB_COMPLETION_INDEX" => index.map(OsString::from),
                _ => of.map(OsString::from),
            })
        };
        assert_eq!(with(flags(None), Some("3"), None), Ok(None), "a Job that is not sharded has an index too");
        assert_eq!(with(flags(Some(4)), Some("3"), None), Ok(Shard::new(4, 4)));
        assert_eq!(with(flags(None), Some("0"), Some("2")), Ok(Shard::new(1, 2)));
        assert!(with(flags(Some(4)), Some("4"), None).is_err_and(|why| why.contains("completions")));
        assert!(with(flags(Some(4)), None, None).is_err_and(|why| why.contains("Indexed")));
        assert!(with(flags(None), Some("0"), Some("two")).is_err_and(|why| why.contains("WIGUARD_SHARDS")));
        for wrong in ["0/4", "5/4", "1", "1/0", "a/b", "1/99999"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
    }
}
