//! The API server by itself: a ValidatingAdmissionPolicy with its binding for each rule that one
//! object decides. A binding has the same actions for all that a policy finds, so that a rule whose
//! findings deny or merely warn makes two.

use super::cel::{Expressed, expressed, variables};
use super::gatekeeper::named_expression;
use super::reach::{STAYS, resource_rules};
use super::yaml::{Node, list, map};
use super::{File, named, object};

/// The files of all rules.
pub(super) fn files() -> Vec<File> {
    expressed().map(|rule| File::objects(format!("{}.yaml", rule.entry.name()), &objects(&rule))).collect()
}

fn objects(rule: &Expressed) -> Vec<Node> {
    let name = format!("wiguard-{}", rule.entry.name());
    match (rule.denies(), &rule.mild) {
        (true, Some(mild)) => [
            policy(rule, &name, "!variables.broken || variables.mild", Some(mild), &["Deny"]),
            policy(
                rule,
                &format!("{name}-mild"),
                "!variables.broken || !variables.mild",
                Some(mild),
                &["Warn", "Audit"],
            ),
        ]
        .concat(),
        (true, None) => policy(rule, &name, "!variables.broken", None, &["Deny"]),
        (false, _) => policy(rule, &name, "!variables.broken", None, &["Warn", "Audit"]),
    }
}

fn policy(rule: &Expressed, name: &str, passes: &str, mild: Option<&str>, actions: &[&str]) -> Vec<Node> {
    let (pods, accounts) = rule.judges();
    let expressions: Vec<&str> = [Some(rule.broken.as_str()), mild].into_iter().flatten().collect();
    let defined = variables(&expressions, None);
    let mut defined: Vec<Node> =
        defined.into_iter().map(|(name, expression)| named_expression(name, &expression)).collect();
    defined.push(named_expression("broken", &rule.broken));
    defined.extend(mild.map(|mild| named_expression("mild", mild)));
    let reason = if actions == ["Deny"] { vec![("reason".to_owned(), "Forbidden".into())] } else { Vec::new() };
    let mut validation = vec![("expression".to_owned(), passes.into()), ("message".to_owned(), rule.message().into())];
    validation.extend(reason);
    let spec = map([
        ("failurePolicy", "Fail".into()),
        ("matchConstraints", map([("resourceRules", resource_rules(pods, accounts))])),
        ("matchConditions", list([named_expression("stays", STAYS)])),
        ("variables", Node::List(defined)),
        ("validations", list([Node::Map(validation)])),
    ]);
    let binding = map([("policyName", name.into()), ("validationActions", list(actions.iter().copied()))]);
    let api = "admissionregistration.k8s.io/v1";
    vec![
        object(api, "ValidatingAdmissionPolicy", named(name)).with("spec", spec),
        object(api, "ValidatingAdmissionPolicyBinding", named(name)).with("spec", binding),
    ]
}
