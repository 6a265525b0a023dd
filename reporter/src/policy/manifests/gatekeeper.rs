//! Gatekeeper by itself: a ConstraintTemplate in CEL for each rule that one object decides, laid
//! out like the Gatekeeper library, with a suite for `gator verify` made of the rule's own examples.

use super::cel::{Expressed, expressed, variables};
use super::reach::{STAYS, groups};
use super::samples::samples;
use super::yaml::{Node, list, map};
use super::{File, named, object};

/// The version of the templates, for `metadata.gatekeeper.sh/version`.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files of all rules.
pub(super) fn files() -> Vec<File> {
    expressed().flat_map(|rule| rule_files(&rule)).collect()
}

fn rule_files(rule: &Expressed) -> Vec<File> {
    let folder = format!("cel/{}", rule.entry.name());
    let mut files = vec![
        File::objects(format!("{folder}/template.yaml"), &[template(rule)]),
        File::objects(format!("{folder}/constraint.yaml"), &constraints(rule)),
        File::beside(
            format!("{folder}/kustomization.yaml"),
            &map([
                ("apiVersion", "kustomize.config.k8s.io/v1beta1".into()),
                ("kind", "Kustomization".into()),
                ("resources", list(["template.yaml"])),
            ]),
        ),
        File::beside(
            format!("{folder}/samples/constraint.yaml"),
            &constraint(rule, &rule.entry.name(), "deny", map([])),
        ),
    ];
    let samples = samples(rule.entry);
    let cases = samples.iter().map(|sample| {
        map([
            ("name", sample.name.as_str().into()),
            ("object", format!("samples/{}.yaml", sample.name).into()),
            ("assertions", list([map([("violations", if sample.broken { "yes" } else { "no" }.into())])])),
        ])
    });
    let test = map([
        ("name", rule.entry.name().into()),
        ("template", "template.yaml".into()),
        ("constraint", "samples/constraint.yaml".into()),
        ("cases", list(cases)),
    ]);
    let suite = object("test.gatekeeper.sh/v1alpha1", "Suite", named(&rule.entry.name())).with("tests", list([test]));
    files.push(File::beside(format!("{folder}/suite.yaml"), &suite));
    files.extend(samples.into_iter().map(|sample| File {
        path: format!("{folder}/samples/{}.yaml", sample.name),
        text: sample.text,
        applied: false,
    }));
    files
}

fn template(rule: &Expressed) -> Node {
    let kind = kind(rule);
    let about = annotations(&format!("{} {}", rule.entry.id, rule.entry.name()), &description(rule));
    let metadata = map([("name", kind.to_lowercase().into()), ("annotations", about)]);
    let mut properties = Vec::new();
    if rule.mild.is_some() {
        let level = map([
            ("type", "string".into()),
            (
                "description",
                "Which findings: those that deny, or those that deserve a warning; all if it is absent".into(),
            ),
            ("enum", list(["deny", "warn"])),
        ]);
        properties.push(("level".to_owned(), level));
    }
    if let Some(parameter) = rule.parameter {
        let about = ("description", parameter.purpose().into());
        let schema = match parameter {
            super::cel::Parameter::Templated => map([("type", "boolean".into()), about]),
            _ => map([("type", "array".into()), about, ("items", map([("type", "string".into())]))]),
        };
        properties.push((parameter.name().to_owned(), schema));
    }
    let schema = map([("type", "object".into()), ("properties", Node::Map(properties))]);
    let names = map([("names", map([("kind", kind.into())])), ("validation", map([("openAPIV3Schema", schema)]))]);
    let code = map([("engine", "K8sNativeValidation".into()), ("source", source(rule))]);
    let target = map([("target", "admission.k8s.gatekeeper.sh".into()), ("code", list([code]))]);
    object("templates.gatekeeper.sh/v1", "ConstraintTemplate", metadata)
        .with("spec", map([("crd", map([("spec", names)])), ("targets", list([target]))]))
}

fn source(rule: &Expressed) -> Node {
    let expressions: Vec<&str> = [Some(rule.broken.as_str()), rule.mild.as_deref()].into_iter().flatten().collect();
    let defined = variables(&expressions, Some("variables.params"));
    let mut defined: Vec<Node> =
        defined.into_iter().map(|(name, expression)| named_expression(name, &expression)).collect();
    defined.push(named_expression("broken", &rule.broken));
    defined.extend(rule.mild.as_deref().map(|mild| named_expression("mild", mild)));
    // A constraint that asks for one level passes over the findings of the other.
    let passes = match rule.mild {
        Some(_) => {
            "!variables.broken || variables.params.?level.orValue(\"\") == (variables.mild ? \"deny\" : \"warn\")"
        }
        None => "!variables.broken",
    };
    let subresource = "(!has(request.subResource) || request.subResource == \"\")";
    map([
        ("matchCondition", list([named_expression("stays", &format!("{STAYS}\n  && {subresource}"))])),
        ("variables", Node::List(defined)),
        ("validations", list([map([("expression", passes.into()), ("message", rule.message().into())])])),
    ])
}

/// A named expression, as Gatekeeper and the API server want them.
pub(super) fn named_expression(name: &str, expression: &str) -> Node {
    map([("name", name.into()), ("expression", expression.into())])
}

/// What there is to read about a template.
pub(super) fn annotations(title: &str, description: &str) -> Node {
    map([
        ("metadata.gatekeeper.sh/title", title.into()),
        ("metadata.gatekeeper.sh/version", VERSION.into()),
        ("description", description.into()),
    ])
}

/// The manual page up to its examples.
fn description(rule: &Expressed) -> String {
    let manual = rule.entry.manual();
    manual.split("\n# ").next().unwrap_or_default().trim().to_owned()
}

fn kind(rule: &Expressed) -> String {
    let name = rule.entry.name();
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    format!("Wiguard{}", words.collect::<String>())
}

/// One for what denies, one for what deserves a warning.
fn constraints(rule: &Expressed) -> Vec<Node> {
    let name = rule.entry.name();
    let level = |level: &str| map([("level", level.into())]);
    match (rule.denies(), &rule.mild) {
        (true, Some(_)) => vec![
            constraint(rule, &name, "deny", level("deny")),
            constraint(rule, &format!("{name}-mild"), "warn", level("warn")),
        ],
        (true, None) => vec![constraint(rule, &name, "deny", map([]))],
        (false, _) => vec![constraint(rule, &name, "warn", map([]))],
    }
}

fn constraint(rule: &Expressed, name: &str, action: &str, parameters: Node) -> Node {
    let (pods, accounts) = rule.judges();
    let spec = map([("enforcementAction", action.into()), ("match", map([("kinds", kinds(pods, accounts))]))]);
    let spec = match &parameters {
        Node::Map(members) if members.is_empty() => spec,
        _ => spec.with("parameters", parameters),
    };
    object("constraints.gatekeeper.sh/v1beta1", &kind(rule), named(name)).with("spec", spec)
}

/// `match.kinds` of a constraint.
pub(super) fn kinds(pods: bool, accounts: bool) -> Node {
    list(
        groups(pods, accounts)
            .into_iter()
            .map(|group| map([("apiGroups", list([group.name])), ("kinds", list(group.kinds))])),
    )
}
