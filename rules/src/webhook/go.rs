//! Numbers and texts as Go reads and prints them: the webhook's refusals repeat Go's own words.

use alloc::string::String;
use core::fmt::{self, Write as _};

/// A text that Go's `strconv.ParseInt` does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotANumber {
    text: String,
    out_of_range: bool,
}

/// Reads a number in base 10, as `strconv.ParseInt` (Go, `strconv/atoi.go`): a sign, then digits,
/// and it stops at the first digit that is too many.
///
/// # Errors
/// If it is no number, or none of so many bits.
pub(super) fn parse_int(text: &str, bits: u32) -> Result<i64, NotANumber> {
    let fault = |out_of_range| NotANumber { text: text.into(), out_of_range };
    let (negative, digits) = match text.as_bytes() {
        [b'+', digits @ ..] => (false, digits),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(fault(false));
    }
    let largest = if bits < 64 { (1_u64 << bits) - 1 } else { u64::MAX };
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(fault(false));
        }
        let next = number.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
        number = next.filter(|next| *next <= largest).ok_or_else(|| fault(true))?;
    }
    let limit = 1_u64 << (bits - 1);
    if number > limit || (number == limit && !negative) {
        return Err(fault(true));
    }
    let signed = if negative { 0_u64.wrapping_sub(number) } else { number };
    Ok(i64::from_ne_bytes(signed.to_ne_bytes()))
}

/// A text in quotes, as `strconv.Quote` (Go, `strconv/quote.go`).
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            _ if is_printable(character) => out.push(character),
            _ => escape(&mut out, u32::from(character)),
        }
    }
    out.push('"');
    out
}

/// Whether a text equals one of ASCII letters as `strings.EqualFold` compares: the Kelvin sign and the
/// long s of Unicode fold to letters of ASCII too.
pub(super) fn equal_fold_ascii(text: &str, letters: &str) -> bool {
    let folded = text.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(letters.chars().map(|letter| letter.to_ascii_lowercase()))
}

fn escape(out: &mut String, code: u32) {
    // Writing to a String cannot fail.
    let _ = match code {
        0..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
        0x20..0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Whether Go prints it as it is. Rust escapes the same categories of Unicode, and of a text's
/// first character more.
fn is_printable(character: char) -> bool {
    let text: String = ['x', character].iter().collect();
    character.is_ascii_graphic() || character == ' ' || !text.escape_debug().any(|escaped| escaped == '{')
}

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.out_of_range { "value out of range" } else { "invalid syntax" };
        write!(f, "strconv.ParseInt: parsing {}: {why}", quote(&self.text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn numbers_are_what_go_takes() {
        for (text, number) in [("3600", 3600), ("+3600", 3600), ("003600", 3600), ("-1", -1), ("-0", 0)] {
            assert_eq!(parse_int(text, 64), Ok(number), "{text}");
        }
        assert_eq!(parse_int("9223372036854775807", 64), Ok(i64::MAX));
        assert_eq!(parse_int("-9223372036854775808", 64), Ok(i64::MIN));
        assert_eq!(parse_int("-2147483648", 32), Ok(-2_147_483_648));
        for text in ["", "+", "-", "1h", " 3600", "3600 ", "3600.0", "0x10", "3_600", "--1", "٣٦٠٠"] {
            let error = parse_int(text, 64).unwrap_err();
            assert!(error.to_string().ends_with(": invalid syntax"), "{error}");
        }
        for (text, bits) in [("9223372036854775808", 64), ("2147483648", 32), ("-2147483649", 32)] {
            let error = parse_int(text, bits).unwrap_err();
            assert!(error.to_string().ends_with(": value out of range"), "{error}");
        }
    }

    #[test]
    fn a_number_that_overflows_is_read_no_further() {
        assert!(parse_int("99999999999999999999x", 64).unwrap_err().out_of_range);
        assert!(!parse_int("9999999999999999999x", 64).unwrap_err().out_of_range);
        assert!(parse_int("4294967296x", 32).unwrap_err().out_of_range);
        assert!(!parse_int("4294967295x", 32).unwrap_err().out_of_range);
    }

    #[test]
    fn quotes_are_what_go_prints() {
        for (text, quoted) in [
            ("1h", "\"1h\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("\u{7}\t\n\u{1}\u{7f}", "\"\\a\\t\\n\\x01\\x7f\""),
            ("é日\u{301}🙂", "\"é日\u{301}🙂\""),
            ("\u{a0}\u{200b}\u{feff}", "\"\\u00a0\\u200b\\ufeff\""),
            ("\u{e0001}", "\"\\U000e0001\""),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}
