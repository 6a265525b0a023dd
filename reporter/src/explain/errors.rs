//! The table of errors: what Entra, the webhook, the libraries and the operators say, and what it
//! means. One row for each; a new message is a new row, and its sample is its test.

mod cluster;
mod declared;
mod entra;
mod operators;
mod sdk;

/// An error that is known.
#[derive(Debug)]
pub(super) struct Known {
    /// Its codes at Entra, digits only; none if it is told by its words.
    pub(super) codes: &'static [&'static str],
    /// Words by which it is told, in lower case: any of the lists, all of a list.
    pub(super) said: &'static [&'static [&'static str]],
    /// What it is called where it has no code.
    pub(super) name: &'static str,
    /// The link of the chain it points to.
    pub(super) link: Link,
    /// What it means.
    pub(super) meaning: &'static str,
    /// What to check, first things first.
    pub(super) check: &'static [&'static str],
    /// Rules that find its causes, likely ones first.
    pub(super) rules: &'static [&'static str],
    /// What it looks like in a log.
    pub(super) sample: &'static str,
}

/// A link of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The pod: its label, its containers, what it presets.
    Pod,
    /// The mutating webhook.
    Webhook,
    /// The ServiceAccount and its annotations.
    ServiceAccount,
    /// The projected token and its file.
    Token,
    /// The cluster's issuer and its public keys.
    Issuer,
    /// The federated credential.
    Credential,
    /// The managed identity or app registration.
    Identity,
    /// The tenant and the cloud.
    Tenant,
    /// The library, and the program that uses it.
    Library,
    /// An operator and its custom resource.
    Operator,
    /// What comes after the exchange: permissions, policies.
    Access,
    /// Another way to authenticate, left over.
    Elsewhere,
    /// What declares the chain: a template, Terraform.
    Declaration,
}

/// Every row: the gravest confusions last, since the first of a text comes first.
pub(super) fn all() -> impl Iterator<Item = &'static Known> {
    entra::ROWS.iter().chain(cluster::ROWS).chain(declared::ROWS).chain(sdk::ROWS).chain(operators::ROWS)
}

/// The code at Entra of what a text, in lower case and with single spaces, says without one.
pub(super) fn spoken(text: &str) -> Option<&'static str> {
    let said = |(words, _): &&(&[&str], &str)| words.iter().all(|word| text.contains(word));
    entra::SPOKEN.iter().find(said).map(|(_, code)| *code)
}

impl Link {
    /// For people.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "the pod",
            Self::Webhook => "the mutating webhook",
            Self::ServiceAccount => "the ServiceAccount",
            Self::Token => "the projected token",
            Self::Issuer => "the cluster's issuer",
            Self::Credential => "the federated credential",
            Self::Identity => "the identity",
            Self::Tenant => "the tenant",
            Self::Library => "the library or the program",
            Self::Operator => "an operator",
            Self::Access => "permissions, after the exchange",
            Self::Elsewhere => "none: this is not workload identity",
            Self::Declaration => "what declares the chain",
        }
    }
}

impl Known {
    /// What it is called.
    pub(super) fn title(&self) -> String {
        self.codes.first().map_or_else(|| self.name.into(), |code| format!("AADSTS{code}"))
    }

    /// Whether a text, in lower case and with single spaces, says it in words.
    pub(super) fn is_said_in(&self, text: &str) -> bool {
        self.said.iter().any(|words| words.iter().all(|word| text.contains(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::Text;
    use super::*;
    use std::collections::BTreeSet;
    use wiguard_rules::catalogue::CATALOGUE;
    use wiguard_rules::rule::Breaks;

    #[test]
    fn every_row_is_told_by_its_sample() {
        for row in all() {
            let text = Text::read(row.sample);
            let told = text.known().iter().any(|(known, _)| std::ptr::eq(*known, row));
            assert!(told, "{}: `{}` is not told as it", row.title(), row.sample);
            let first = text.known().first().map(|(known, _)| known.title());
            assert_eq!(first, Some(row.title()), "another row comes first for `{}`", row.sample);
        }
    }

    #[test]
    fn every_row_is_whole_and_unlike_others() {
        let mut names = BTreeSet::new();
        for row in all() {
            let title = row.title();
            assert!(!row.meaning.is_empty() && !row.check.is_empty() && !row.sample.is_empty(), "{title}");
            assert!(row.codes.is_empty() != row.said.is_empty(), "{title}: by code or by words");
            assert!(row.name.is_empty() != row.codes.is_empty(), "{title}: a name where there is no code");
            assert!(!row.meaning.ends_with('.') && !row.check.iter().any(|it| it.ends_with('.')), "{title}");
            for code in row.codes {
                assert!(names.insert((*code).to_string()), "AADSTS{code} has two rows");
            }
            assert!(row.codes.iter().all(|code| row.sample.contains(code)) || row.codes.len() > 1, "{title}");
            assert!(row.name.is_empty() || names.insert(row.name.into()), "{title} stands twice");
            for words in row.said.iter().flat_map(|words| words.iter()) {
                assert_eq!(*words, words.to_lowercase(), "{title}");
            }
            for rule in row.rules {
                assert!(CATALOGUE.iter().any(|entry| entry.id == *rule), "{title}: there is no rule {rule}");
            }
        }
    }

    #[test]
    fn what_is_said_without_a_code_has_one() {
        for (words, code) in entra::SPOKEN {
            assert!(all().any(|row| row.codes.contains(code)), "AADSTS{code}");
            assert_eq!(spoken(&words.join(" ")), Some(*code));
            assert!(words.iter().all(|word| *word == word.to_lowercase()), "AADSTS{code}");
        }
        for row in entra::ROWS {
            let words = Text::read(row.sample).said_without_codes();
            let general = |code: &str| row.codes.iter().any(|own| own.starts_with(code));
            assert!(words.is_none_or(general), "{} is told as {words:?}", row.sample);
        }
        assert_eq!(Text::read("No matching federated identity record found for x").codes, ["70021"]);
        assert_eq!(Text::read("AADSTS700213: No matching federated identity record found").codes, ["700213"]);
    }

    #[test]
    fn every_rule_that_breaks_the_chain_is_the_cause_of_an_error() {
        for entry in CATALOGUE.iter().filter(|entry| entry.rule.breaks != Breaks::Nothing) {
            let leads = all().any(|row| row.rules.contains(&entry.id));
            assert!(leads || !entry.rule.aadsts.is_empty(), "{} {}", entry.id, entry.name());
        }
    }

    #[test]
    fn every_code_of_a_rule_has_a_row() {
        for entry in CATALOGUE {
            for code in entry.rule.aadsts {
                assert!(all().any(|row| row.codes.contains(code)), "{}: AADSTS{code}", entry.id);
            }
        }
    }
}
