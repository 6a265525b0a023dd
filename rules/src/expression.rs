//! Expressions: the `claimsMatchingExpression` of a flexible federated credential, evaluated for a
//! token (Microsoft Graph, `federatedIdentityExpression`, language version 1).
//!
//! ```text
//! claims['sub'] matches 'system:serviceaccount:shop:*' and claims['iss'] eq 'https://…'
//! ```
//!
//! `matches` knows `?` for one character and `*` for any number of them, `eq` compares, `and`
//! joins, and there is no more. Azure Resource Manager's own examples leave the quotes out.

use crate::parameters::glob;

/// How a clause compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// With wildcards.
    Matches,
    /// Byte for byte.
    Eq,
}

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause<'a> {
    /// The claim that is asked about.
    pub claim: &'a str,
    /// How.
    pub operator: Operator,
    /// What it must be.
    pub value: &'a str,
}

/// Whether it holds for a token of which `claim` gives what is known. `None` if it hangs on a claim
/// that is not known, or is nothing that we understand.
pub fn holds<'t>(expression: &str, claim: impl Fn(&str) -> Option<&'t str>) -> Option<bool> {
    let mut holds = Some(true);
    for clause in clauses(expression) {
        let truth = clause.and_then(|clause| claim(clause.claim).map(|said| clause.holds_for(said)));
        match truth {
            Some(false) => return Some(false),
            None => holds = None,
            Some(true) => {}
        }
    }
    holds
}

/// Its conditions, all of which must hold; `None` in place of what is not understood.
pub fn clauses(expression: &str) -> impl Iterator<Item = Option<Clause<'_>>> {
    let mut rest = Some(expression.trim());
    core::iter::from_fn(move || {
        let text = rest.take()?;
        match clause(text) {
            Some((clause, after)) => {
                let further = after.trim_start();
                if further.is_empty() {
                    return Some(Some(clause));
                }
                // What follows has to be another condition, else nothing is what it looks like.
                rest = word(further, "and").filter(|_| further.len() < after.len());
                Some(rest.is_some().then_some(clause))
            }
            None => Some(None),
        }
    })
}

fn clause(text: &str) -> Option<(Clause<'_>, &str)> {
    let text = text.strip_prefix("claims")?.trim_start().strip_prefix('[')?.trim_start();
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let (claim, text) = text.get(1..)?.split_once(quote)?;
    let text = text.trim_start().strip_prefix(']')?.trim_start();
    let (operator, text) = match (word(text, "matches"), word(text, "eq")) {
        (Some(text), _) => (Operator::Matches, text),
        (None, Some(text)) => (Operator::Eq, text),
        (None, None) => return None,
    };
    // Within other quotes nobody knows where it ends.
    if text.starts_with('"') {
        return None;
    }
    let (value, rest) = match text.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'')?,
        None => text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())),
    };
    Some((Clause { claim, operator, value }, rest))
}

/// What comes after a word, if it stands there.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(word)?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim_start())
}

// === impl Clause ===

impl Clause<'_> {
    /// Whether it holds for what the claim says.
    pub fn holds_for(&self, said: &str) -> bool {
        match self.operator {
            Operator::Matches => glob(self.value, said),
            Operator::Eq => self.value == said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: &str = "system:serviceaccount:shop:cart";

    fn of_cart(expression: &str) -> Option<bool> {
        holds(expression, |claim| match claim {
            "sub" => Some(CART),
            "iss" => Some("https://issuer.example/"),
            _ => None,
        })
    }

    #[test]
    fn an_expression_is_evaluated() {
        for (expression, holds) in [
            ("claims['sub'] matches 'system:serviceaccount:shop:*'", Some(true)),
            ("claims['sub'] matches system:serviceaccount:shop:*", Some(true)),
            ("  claims[ 'sub' ]  matches  'system:serviceaccount:*:cart' ", Some(true)),
            ("claims[\"sub\"] matches 'system:serviceaccount:shop:c??t'", Some(true)),
            ("claims['sub'] matches 'system:serviceaccount:shop:ca?'", Some(false)),
            ("claims['sub'] eq \"system:serviceaccount:shop:cart\"", None),
            ("claims['sub'] matches 'system:serviceaccount:Shop:*'", Some(false)),
            ("claims['sub'] eq 'system:serviceaccount:shop:cart'", Some(true)),
            ("claims['sub'] eq 'system:serviceaccount:shop:*'", Some(false)),
            ("claims['sub'] matches '*' and claims['iss'] eq 'https://issuer.example/'", Some(true)),
            ("claims['sub'] matches '*' and claims['iss'] eq 'https://issuer.example'", Some(false)),
            ("claims['sub'] matches * and claims['iss'] matches https://*", Some(true)),
            ("claims['sub'] eq 'x' and claims['kubernetes.io'] eq 'y'", Some(false)),
        ] {
            assert_eq!(of_cart(expression), holds, "{expression}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_known() {
        for expression in [
            "",
            "claims['sub'] matches",
            "claims['sub'] matches 'system:serviceaccount:shop:*",
            "claims['sub'] like 'system:*'",
            "claims['job'] eq 'x'",
            "claims['sub'] matches '*' and claims['job'] eq 'x'",
            "claims['sub'] matches '*' or claims['iss'] eq 'x'",
            "claims['sub'] matches '*' and",
            "claims['sub'] matches '*'x",
            "claims['sub'] matches '*'and claims['iss'] matches '*'",
            "claims.sub matches '*'",
            "claims[xsubx] matches '*'",
            "claimsmatches '*'",
        ] {
            assert_eq!(of_cart(expression), None, "{expression}");
        }
    }
}
