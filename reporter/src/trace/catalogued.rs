//! A link that a rule of the catalogue finds broken, on whatever object of the chain.

use wiguard_rules::chain::Broken;
use wiguard_rules::finding::Hop;
use wiguard_rules::trust::Trust;

use super::walk::{State, Step};

/// The link, as the rule tells of it.
pub(super) fn step(broken: &Broken<'_>, trust: &Trust<'_>) -> Step {
    let Broken { hop, rule, object, finding } = broken;
    let (namespace, name) = (object.namespace(), object.name(trust));
    let whose = if namespace.is_empty() { name } else { format!("{namespace}/{name}") };
    let field = format!("{} {whose} {}", object.kind(), finding.field);
    let step = Step::new(link(*hop), State::Broken, finding.message.as_str());
    let step = match &finding.expected {
        Some((expected, actual)) => step.compare(&field, expected, actual.as_deref()),
        None => step.detail(field),
    };
    let step = step.detail(format!("{} {}: wiguard explain {}", rule.id, rule.name(), rule.id));
    Step { rule: Some(rule.id), ..step.fix(finding.fix.as_str()) }
}

/// What a link is called.
const fn link(hop: Hop) -> &'static str {
    match hop {
        Hop::Cluster => "cluster",
        Hop::Label => "pod label",
        Hop::Webhook => "webhook",
        Hop::Token => "token",
        Hop::ClientId => "client id",
        Hop::Tenant => "tenant",
        Hop::Authority => "authority",
        Hop::Binding => "binding",
        Hop::Credential => "credential",
        Hop::Program => "program",
    }
}
