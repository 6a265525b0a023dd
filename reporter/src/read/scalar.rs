//! What a plain YAML scalar means, as Kubernetes reads it.
//!
//! Kubernetes reads YAML 1.1 (sigs.k8s.io/yaml, over go-yaml 2): `yes`, `on` and `0755` are not
//! strings. Read otherwise, a manifest would be judged by other values than the cluster has.

/// The value of a scalar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// A number in the notation of JSON.
    Number(String),
    /// A string: the scalar as it was written.
    Text,
}

/// Resolves a scalar that is neither quoted nor tagged.
pub(super) fn resolve(plain: &str) -> Scalar {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Scalar::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Scalar::Bool(false),
        _ => number(plain).map_or(Scalar::Text, Scalar::Number),
    }
}

fn number(plain: &str) -> Option<String> {
    if !plain.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain = plain.replace('_', "");
    let (negative, digits) = match plain.strip_prefix(['+', '-']) {
        Some(digits) => (plain.starts_with('-'), digits),
        None => (false, plain.as_str()),
    };
    integer(digits).map(|digits| if negative { format!("-{digits}") } else { digits }).or_else(|| float(&plain))
}

/// Whole numbers of any base; only decimal ones may be longer than 64 bits.
fn integer(digits: &str) -> Option<String> {
    let (base, rest) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if rest.is_empty() || !rest.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    if base == 10 {
        return Some(rest.to_owned());
    }
    u64::from_str_radix(rest, base).ok().map(|value| value.to_string())
}

fn float(plain: &str) -> Option<String> {
    let float = plain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = float.then(|| plain.parse().ok())??;
    value.is_finite().then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubernetes_reads() {
        for (plain, number) in [
            ("0", "0"),
            ("-12", "-12"),
            ("+7", "7"),
            ("0755", "493"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("08", "8"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1.0", "1"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(resolve(plain), Scalar::Number(number.into()), "{plain}");
        }
        for text in [
            "1.2.3",
            "-",
            "+",
            ".",
            "0x",
            "0xg",
            "10Mi",
            "1e",
            "2024-01-02",
            "2024-01-02T03:04:05Z",
            ".inf",
            ".nan",
            "+inf",
            "1:30",
            "nul",
            "yEs",
            "--1",
            "1e999",
        ] {
            assert_eq!(resolve(text), Scalar::Text, "{text}");
        }
        assert_eq!(resolve("on"), Scalar::Bool(true));
        assert_eq!(resolve("No"), Scalar::Bool(false));
        assert_eq!(resolve("~"), Scalar::Null);
    }
}
