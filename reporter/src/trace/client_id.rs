//! The link of the client id: what the pods are told, what the custom resources of an operator name, and
//! what only the program itself can know.

use wiguard_rules::exchange::client_ids;
use wiguard_rules::model::{ClientId, Container, Custom, Value, Workload, annotation, is_guid, is_placeholder};
use wiguard_rules::near::{annotate, shell};
use wiguard_rules::on_behalf::as_itself;
use wiguard_rules::parameters::any_glob;
use wiguard_rules::spelling::misspelt;
use wiguard_rules::trust::{Link, Trust};
use wiguard_rules::webhook::TOKEN_FILE;

use super::walk::{State, Step, Walker};

const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const LINK: &str = "client id";

/// A program that takes its client id from elsewhere than the webhook.
struct Program {
    /// The last segment of its image's repository.
    image: &'static str,
    /// What people call it.
    name: &'static str,
    /// Where it looks.
    place: &'static str,
    /// The API group of its custom resources that are read; empty if there is none.
    group: &'static str,
}

/// As their manuals have it.
const PROGRAMS: [Program; 8] = [
    Program {
        image: "cert-manager-controller",
        name: "cert-manager",
        place: "`azureDNS.managedIdentity.clientID` of an Issuer or ClusterIssuer",
        group: "cert-manager.io",
    },
    Program {
        image: "keda",
        name: "KEDA",
        place: "`podIdentity.identityId` of a TriggerAuthentication",
        group: "keda.sh",
    },
    Program {
        image: "azureserviceoperator",
        name: "Azure Service Operator",
        place: "Secret `aso-controller-settings`, and `aso-credential` of a namespace",
        group: "",
    },
    Program {
        image: "cluster-api-azure-controller",
        name: "Cluster API's provider for Azure",
        place: "`spec.clientID` of an AzureClusterIdentity",
        group: "",
    },
    Program {
        image: "external-secrets",
        name: "External Secrets",
        place: "the ServiceAccount that a store names",
        group: "",
    },
    Program { image: "external-dns", name: "external-dns", place: "its azure.json", group: "" },
    Program {
        image: "velero-plugin-for-microsoft-azure",
        name: "Velero",
        place: "`AZURE_CLIENT_ID` of its credentials file",
        group: "",
    },
    Program { image: "prometheus", name: "Prometheus", place: "`azuread` of its `remote_write`", group: "" },
];

impl Walker<'_, '_> {
    /// The client ids that are asked for; `None` if the link is broken.
    pub(super) fn client_ids(&mut self) -> Option<Vec<ClientId>> {
        let mut asked = Vec::new();
        if self.was_annotated_later() {
            let message =
                "these pods were told no client id: their ServiceAccount was annotated after they had started";
            let step = Step::new(LINK, State::Broken, message);
            let of_job = self.workload.controller.as_ref().is_some_and(|by| by.kind == "Job");
            let (name, namespace) = (shell(&self.workload.name), shell(&self.workload.namespace));
            self.add(step.fix(match of_job {
                true => format!("make them anew: kubectl delete pod {name} --namespace {namespace}"),
                false => "make them anew: kubectl rollout restart what makes them".to_owned(),
            }))?;
        }
        let all = client_ids(self.workload, self.trust);
        let any = all.iter().any(|asks| *asks != Ok(None));
        for asks in all {
            match asks {
                Ok(Some(client_id)) => {
                    self.add(step(&client_id))?;
                    asked.push(client_id);
                }
                Ok(None) => asked.extend(self.untold(any)?),
                Err(unknown) => self.add(Step::unknown(LINK, &unknown))?,
            }
        }
        Some(asked)
    }

    /// What containers that are told no client id ask for; `None` if the link is broken. Beside one that is
    /// told, they are taken to ask for nothing.
    fn untold(&mut self, beside: bool) -> Option<Vec<ClientId>> {
        if let Some(step) = self.is_to_be_told() {
            self.add(step)?;
        }
        if beside {
            return Some(Vec::new());
        }
        let named = named(self.workload, self.trust);
        if named.is_empty() {
            self.add(self.elsewhere())?;
        }
        let mut asked = Vec::new();
        for (client_id, by) in named {
            self.add(step(&client_id).detail(format!("named by {by}")))?;
            asked.push(client_id);
        }
        Some(asked)
    }

    /// The broken link of pods that were meant to be told a client id.
    fn is_to_be_told(&self) -> Option<Step> {
        let mut containers = self.workload.injected_containers();
        if let Some((container, place)) = containers.find(|(container, _)| sets_nothing(container)) {
            let message =
                format!("container `{}` sets {CLIENT_ID} to nothing, and the webhook leaves it so", container.name);
            let step = Step::new(LINK, State::Broken, message)
                .compare(&format!("{place}.env[{CLIENT_ID}]"), "the client id of an identity", Some(""))
                .fix("delete the variable: the webhook puts what the ServiceAccount's annotation says");
            return Some(step);
        }
        let account = self.trust.service_account(self.workload).known().ok().flatten();
        let meant = self.workload.uses_identity_binding()
            || self.workload.template.annotations.get(annotation::CLIENT_ID).is_some()
            || account.is_some_and(|account| {
                account.annotations.get(annotation::CLIENT_ID).is_some()
                    || misspelt(&account.annotations).next().is_some()
            });
        meant.then(|| self.unnamed())
    }

    fn unnamed(&self) -> Step {
        self.annotation_of_account(Step::new(LINK, State::Broken, "nothing says which identity is meant"))
            .fix(self.annotate())
    }

    /// The link where nothing says the client id but perhaps what the program reads itself: that of an operator, or
    /// of pods that the webhook tells nothing.
    fn elsewhere(&self) -> Step {
        let workload = self.workload;
        let subject = format!("{}:{}", workload.namespace, workload.service_account());
        let message = match program(workload) {
            Some(program) if program.group.is_empty() => {
                format!("the ServiceAccount names none; {} looks for it in {}", program.name, program.place)
            }
            Some(program) => format!(
                "the ServiceAccount names none; {} looks for it in {}, and none that was read names one",
                program.name, program.place
            ),
            None if any_glob(&self.trust.parameters().operators, &subject) => {
                "the ServiceAccount names none; it is an operator's, which custom resources tell".into()
            }
            None if !workload.opts_in() => {
                "no container is told one; a program may have one of its own, and the SDKs find none".into()
            }
            None => return self.unnamed(),
        };
        self.annotation_of_account(Step::new(LINK, State::Unknown, message))
            .fix(format!("look there, or in the program's configuration; if nothing says it: {}", self.annotate()))
    }

    fn annotation_of_account(&self, step: Step) -> Step {
        let (namespace, name) = (&self.workload.namespace, self.workload.service_account());
        let field = format!("ServiceAccount {namespace}/{name} metadata.annotations[{}]", annotation::CLIENT_ID);
        step.compare(&field, "the client id of an identity", None)
    }

    fn annotate(&self) -> String {
        annotate(&self.workload.namespace, self.workload.service_account(), annotation::CLIENT_ID, "CLIENT_ID")
    }

    /// Whether the webhook had no client id to tell a pod that runs, and the annotation has one now, which tells
    /// that pod nothing any more.
    fn was_annotated_later(&self) -> bool {
        let workload = self.workload;
        let injected = workload.template.live && workload.opts_in() && !workload.brings_azure_token();
        let has_one =
            matches!(self.trust.service_account(workload), Link::Found(account) if account.client_id().is_some());
        injected && has_one && workload.injected_containers().any(|(container, _)| was_told_none(container))
    }
}

/// The link of a client id that is asked for.
pub(super) fn step(client_id: &ClientId) -> Step {
    if is_guid(client_id.as_str()) {
        return Step::new(LINK, State::Holds, client_id.as_str());
    }
    Step::new(LINK, State::Broken, "this is no client id")
        .compare(LINK, "a GUID such as 5a1e2c3d-0001-4000-8000-000000000001", Some(client_id.as_str()))
        .fix("write the identity's client id, and nothing else: az identity show --query clientId")
}

fn program(workload: &Workload) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| workload.running(program.image).is_some())
}

/// The client ids that custom resources tell an operator to ask for as itself, each with the first that does.
fn named(workload: &Workload, trust: &Trust<'_>) -> Vec<(ClientId, String)> {
    let Some(program) = program(workload).filter(|program| !program.group.is_empty()) else { return Vec::new() };
    let mut all: Vec<(ClientId, String)> = Vec::new();
    for custom in trust.customs(workload.cluster).filter(|custom| custom.kind.group == program.group) {
        for client_id in as_itself(custom) {
            let is_new = all.iter().all(|(known, _)| !known.as_str().eq_ignore_ascii_case(client_id));
            if is_new && !client_id.is_empty() && !is_placeholder(client_id) {
                all.push((client_id.into(), reference(custom)));
            }
        }
    }
    all
}

/// Kind, namespace and name.
pub(super) fn reference(custom: &Custom) -> String {
    let Custom { kind, namespace, name, .. } = custom;
    if namespace.is_empty() { format!("{} {name}", kind.kind) } else { format!("{} {namespace}/{name}", kind.kind) }
}

/// Whether a container has a token, and no client id from anywhere.
fn was_told_none(container: &Container) -> bool {
    container.variable(TOKEN_FILE).is_some() && container.variable(CLIENT_ID).is_none() && container.env_from.is_empty()
}

fn sets_nothing(container: &Container) -> bool {
    let variable = container.variable(CLIENT_ID).map(|variable| &variable.value);
    matches!(variable, Some(Value::Literal(Some(text))) if text.is_empty())
}

#[cfg(test)]
mod tests {
    use wiguard_rules::model::OPERATORS;

    use super::PROGRAMS;

    #[test]
    fn redaction_keeps_the_images_of_all_programs() {
        assert!(PROGRAMS.iter().all(|program| OPERATORS.contains(&program.image)));
    }
}
