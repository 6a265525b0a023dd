//! When a certificate ends: the one field that is read of X.509 (RFC 5280, 4.1) here, as nothing
//! that checks certificates tells it.

/// The end of validity, in unix seconds; `None` if the bytes are not a certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut body, _) = element(certificate)?;
    // A version, which is tagged 0, may come before serial number, algorithm, issuer and validity.
    if let (0xa0, _, rest) = element(body)? {
        body = rest;
    }
    for _ in 0..3 {
        (_, _, body) = element(body)?;
    }
    let (_, validity, _) = element(body)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    seconds(tag, str::from_utf8(time).ok()?)
}

/// Tag, content and what follows of the DER element at the start.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// A time: `YYMMDDhhmmssZ` in this and the last century, or `YYYYMMDDhhmmssZ`.
fn seconds(tag: u8, text: &str) -> Option<i64> {
    let (year, rest) = match tag {
        0x17 => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let field = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day, hour, minute, second) = (field(0)?, field(2)?, field(4)?, field(6)?, field(8)?);
    if rest.get(10..)? != "Z" || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 by the civil calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{not_after, seconds};

    #[test]
    fn times_of_both_forms() {
        assert_eq!(seconds(0x17, "700101000000Z"), Some(0));
        assert_eq!(seconds(0x17, "261123120000Z"), Some(1_795_435_200));
        assert_eq!(seconds(0x18, "20000229235959Z"), Some(951_868_799));
        assert_eq!(seconds(0x18, "99991231235959Z"), Some(253_402_300_799));
        for text in ["", "2611231200Z", "261323120000Z", "26112312000Z", "261123120000+0100"] {
            assert_eq!(seconds(0x17, text), None, "{text}");
        }
    }

    #[test]
    fn nonsense_has_no_end() {
        for bytes in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00", &[0x30; 100]] {
            assert_eq!(not_after(bytes), None);
        }
    }
}
