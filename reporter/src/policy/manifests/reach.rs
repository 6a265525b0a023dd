//! What an enforcement point is asked about: the kinds that are judged, and the objects among them
//! that can have to do with workload identity.

use wiguard_rules::model::POD_BEARING;

use super::yaml::{Node, list, map};

/// Where wiguard lives.
pub(super) const NAMESPACE: &str = "wiguard-system";

/// A group of the API with the kinds in it that are judged.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) kinds: Vec<&'static str>,
    pub(super) resources: Vec<&'static str>,
}

/// The judged kinds by group, those with pods, ServiceAccounts, or both.
pub(super) fn groups(pods: bool, accounts: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let account = ("", "ServiceAccount", "serviceaccounts");
    let bearing = POD_BEARING.iter().map(|kind| (kind.group, kind.kind, kind.resource));
    let judged = bearing.filter(|_| pods).chain(Some(account).filter(|_| accounts));
    for (name, kind, resource) in judged {
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => {
                group.kinds.push(kind);
                group.resources.push(resource);
            }
            None => groups.push(Group { name, kinds: vec![kind], resources: vec![resource] }),
        }
    }
    groups
}

/// The rules of a webhook or policy, as the API server has them. A subresource is a resource of
/// its own there, and so is not asked about.
pub(super) fn resource_rules(pods: bool, accounts: bool) -> Node {
    rules(groups(pods, accounts))
}

fn rules(groups: Vec<Group>) -> Node {
    list(groups.into_iter().map(|group| {
        map([
            ("apiGroups", list([group.name])),
            ("apiVersions", list(["v1"])),
            ("operations", list(["CREATE", "UPDATE"])),
            ("resources", list(group.resources)),
        ])
    }))
}

/// The rules of a webhook that is asked about pod templates alone.
pub(super) fn template_rules() -> Node {
    let mut groups = groups(true, false);
    for group in &mut groups {
        group.resources.retain(|resource| *resource != "pods");
    }
    rules(groups)
}

/// The conditions under which a webhook is asked at all. An expression must be true for it to be.
pub(super) fn match_conditions() -> Node {
    let condition = |(name, expression): (&str, &str)| map([("name", name.into()), ("expression", expression.into())]);
    list([("stays", STAYS), ("involved", INVOLVED)].map(condition))
}

/// Nobody mends what is being deleted.
pub(super) const STAYS: &str = "object != null && !has(object.metadata.deletionTimestamp)";

/// Whether anything of workload identity, of what came before it, or of a static credential stands
/// on the object, or a ServiceAccount other than `default` is named, which may stand for an identity.
/// What is left out is a pod under an annotated `default` that does not opt in (AWI104).
pub(super) const INVOLVED: &str = r#"object.kind == "ServiceAccount"
  ? object.metadata.?annotations.orValue({}).exists(key,
    key.lowerAscii().findAll("[0-9a-z]+").join("").startsWith("azureworkloadidentity"))
  : [
    object.kind == "Pod" ? object
      : object.kind == "CronJob" ? object.spec.jobTemplate.spec.template
      : object.spec.template
  ].exists(template,
    !(template.?spec.?serviceAccountName.orValue("") in ["", "default"])
      || !(template.?spec.?serviceAccount.orValue("") in ["", "default"])
      || [object, template].exists(o,
        [o.?metadata.?labels.orValue({}), o.?metadata.?annotations.orValue({})].exists(keys, keys.exists(key,
          key.startsWith("aadpodid")
            || key.lowerAscii().findAll("[0-9a-z]+").join("").startsWith("azureworkloadidentity"))))
      || (template.?spec.?initContainers.orValue([]) + template.?spec.?containers.orValue([])).exists(c,
        c.?env.orValue([]).exists(e, e.name.startsWith("AZURE_") || e.name.startsWith("ARM_"))))"#;
