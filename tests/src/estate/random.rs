//! Chance that repeats: a splitmix64 stream started from a seed and the name of the thing it
//! decorates, so that adding one object to the estate leaves all others as they were.

/// The letters Kubernetes builds generated names from: no vowels, no look-alikes.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const HEX: &[u8] = b"0123456789abcdef";

/// A stream of numbers.
pub struct Random(u64);

impl Random {
    /// The stream of a seed and a thing.
    #[must_use]
    pub fn of(seed: u64, thing: &str) -> Self {
        let fnv = thing
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(fnv ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// A random (version 4) UUID in lower case.
    pub fn guid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            8 + ((b >> 62) & 3),
            (b >> 48) & 0xfff,
            b & 0xffff_ffff_ffff
        )
    }

    /// The tail of a generated object name, such as a pod's `x7k2p`.
    pub fn suffix(&mut self, length: usize) -> String {
        self.letters(SAFE, length)
    }

    /// Hexadecimal digits.
    pub fn hex(&mut self, length: usize) -> String {
        self.letters(HEX, length)
    }

    /// A moment of the estate's last year, RFC 3339 in UTC as Kubernetes prints it.
    pub fn time(&mut self) -> String {
        format!(
            "2026-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            1 + self.below(8),
            1 + self.below(28),
            self.below(24),
            self.below(60),
            self.below(60)
        )
    }

    fn letters(&mut self, alphabet: &[u8], length: usize) -> String {
        let limit = alphabet.len() as u64;
        (0..length).filter_map(|_| alphabet.get(self.below(limit) as usize)).map(|byte| char::from(*byte)).collect()
    }
}
