//! Nesting: where a JSON value ends, found 64 bytes at a time.
//!
//! Apart because it is the one hot loop: it tells brackets from text by bit masks, in the manner
//! of Langdale and Lemire ("Parsing Gigabytes of JSON per Second", 2019), and counts depth.

/// The state of a scan through one value; it may be fed in parts of any size.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    depth: usize,
    /// All ones inside a string.
    string: u64,
    /// The next byte is escaped.
    escape: bool,
}

/// Why a scan stopped. Positions are just behind the bracket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes are used up.
    More,
    /// The outermost bracket closed.
    Closed(usize),
    /// An array opened directly inside the outermost bracket.
    Array(usize),
}

#[derive(Debug, Default, Clone, Copy)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Nesting {
    /// Scans on. The first byte ever fed is the opening bracket. With `arrays`, stops at arrays
    /// that are members of the outermost value.
    pub(super) fn run(&mut self, bytes: &[u8], arrays: bool) -> Stop {
        let (blocks, tail) = bytes.as_chunks::<64>();
        let mut base = 0_usize;
        for block in blocks {
            if let Some(stop) = self.block(block, 64, base, arrays) {
                return stop;
            }
            base = base.wrapping_add(64);
        }
        if !tail.is_empty() {
            let mut block = [b' '; 64];
            for (to, from) in block.iter_mut().zip(tail) {
                *to = *from;
            }
            if let Some(stop) = self.block(&block, tail.len(), base, arrays) {
                return stop;
            }
        }
        Stop::More
    }

    #[inline]
    fn block(&mut self, block: &[u8; 64], len: usize, base: usize, arrays: bool) -> Option<Stop> {
        let masks = masks(block);
        let escaped = self.escaped(masks.backslashes, len);
        let strings = prefix_xor(masks.quotes & !escaped) ^ self.string;
        // All bits take the last one's value: the arithmetic shift of a signed number.
        self.string = (strings.cast_signed() >> 63).cast_unsigned();
        let (opens, closes) = (masks.opens & !strings, masks.closes & !strings);
        let (ups, downs) = (opens.count_ones() as usize, closes.count_ones() as usize);
        let floor = if arrays { 2 } else { 1 };
        if self.depth >= downs.wrapping_add(floor) {
            self.depth = self.depth.wrapping_add(ups).wrapping_sub(downs);
            return None;
        }
        self.brackets(block, opens, closes, base, arrays)
    }

    /// Goes through the brackets of a block one by one, where the end may be among them.
    fn brackets(&mut self, block: &[u8; 64], opens: u64, closes: u64, base: usize, arrays: bool) -> Option<Stop> {
        let mut brackets = opens | closes;
        while brackets != 0 {
            let at = brackets.trailing_zeros() as usize;
            let behind = base.wrapping_add(at).wrapping_add(1);
            if opens >> at & 1 == 1 {
                self.depth = self.depth.saturating_add(1);
                if arrays && self.depth == 2 && block.get(at) == Some(&b'[') {
                    (self.string, self.escape) = (0, false);
                    return Some(Stop::Array(behind));
                }
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    (self.string, self.escape) = (0, false);
                    return Some(Stop::Closed(behind));
                }
            }
            brackets &= brackets.wrapping_sub(1);
        }
        None
    }

    /// The bytes that a backslash before them escapes.
    #[inline]
    fn escaped(&mut self, backslashes: u64, len: usize) -> u64 {
        if backslashes == 0 {
            let first = u64::from(self.escape);
            self.escape = false;
            return first;
        }
        let (mut left, mut escaped) = (backslashes, 0_u64);
        if self.escape {
            escaped = 1;
            left &= !1;
        }
        self.escape = false;
        while left != 0 {
            let next = left.trailing_zeros() as usize + 1;
            if next >= len {
                self.escape = true;
                break;
            }
            escaped |= 1 << next;
            // What is escaped, a backslash too, escapes nothing.
            left &= (!0_u64 << next) & !(1 << next);
        }
        escaped
    }
}

/// Each bit becomes the parity of the bits up to and including it.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// `[` and `{`, as `]` and `}`, differ in one bit alone.
const CASE: u8 = 0x20;

#[inline]
fn masks(block: &[u8; 64]) -> Masks {
    Masks {
        quotes: mask(block, |byte| byte == b'"'),
        backslashes: mask(block, |byte| byte == b'\\'),
        opens: mask(block, |byte| byte | CASE == b'{'),
        closes: mask(block, |byte| byte | CASE == b'}'),
    }
}

/// One bit for each byte, in two steps that the compiler turns into vector code: a byte of ones
/// where it matches, and of each eight bytes one, gathered by a multiplication.
#[inline]
fn mask(block: &[u8; 64], matches: impl Fn(u8) -> bool) -> u64 {
    let mut found = [0_u8; 64];
    for (found, byte) in found.iter_mut().zip(block) {
        *found = if matches(*byte) { 0xff } else { 0 };
    }
    let mut mask = 0;
    for eight in found.as_chunks::<8>().0.iter().rev() {
        let diagonal = u64::from_le_bytes(*eight) & 0x8040_2010_0804_0201;
        mask = mask << 8 | diagonal.wrapping_mul(0x0101_0101_0101_0101) >> 56;
    }
    mask
}
