//! The walk: every link of one workload's chain in its order, each with what holds of it.

use serde::Serialize;
use wiguard_rules::chain::{Broken, broken};
use wiguard_rules::exchange::tenant;
use wiguard_rules::finding::Hop;
use wiguard_rules::judge::Object as Judged;
use wiguard_rules::model::{
    ClientId, Container, IdentityKind, Life, Origin, ServiceAccount, Shape, Workload, annotation, label,
};
use wiguard_rules::near::{self, annotate};
use wiguard_rules::repair;
use wiguard_rules::trust::{Key, Link, Trust, Unknown};
use wiguard_rules::webhook::TOKEN_FILE;

use super::{catalogued, webhook};
use crate::remedy::remedy;

/// What is said first of a workload that rests.
pub(super) const PODS: &str = "pods";

/// One workload's chain, as far as it was walked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Walk {
    /// The name and version of this form.
    pub schema: &'static str,
    /// Its cluster, empty if no source says.
    pub cluster: String,
    /// The workload.
    pub object: Object,
    /// Whether all links hold, one is broken, or one could not be seen.
    pub state: State,
    /// The links, up to the first that is broken.
    pub links: Vec<Step>,
}

/// Which workload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its API version.
    pub api_version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It holds.
    Holds,
    /// It could not be seen.
    Unknown,
    /// It is broken.
    Broken,
}

/// A link.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which.
    pub link: &'static str,
    /// How it is.
    pub state: State,
    /// What there is to say of it.
    pub message: String,
    /// What else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What was expected, and what is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// The rule that finds it broken, where one of the catalogue does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
}

/// A value beside the one it should be.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// Of what.
    pub field: String,
    /// What the chain needs.
    pub expected: String,
    /// What is there; `None` if nothing is.
    pub actual: Option<String>,
}

/// Walks.
pub(super) struct Walker<'w, 'a> {
    pub(super) workload: &'w Workload,
    pub(super) trust: &'w Trust<'a>,
    paths: &'w [String],
    broken: Vec<Broken<'w>>,
    links: Vec<Step>,
}

// === impl Walk ===

impl Walk {
    /// Walks the chain of a workload. `paths` are where objects were read.
    pub fn of<'a>(workload: &'a Workload, trust: &Trust<'a>, paths: &[String]) -> Self {
        let broken = broken(workload, trust);
        let mut walker = Walker { workload, trust, paths, broken, links: Vec::new() };
        walker.walk();
        let links = walker.links;
        Self {
            schema: "wiguard.trace/v1",
            cluster: trust.cluster(workload.cluster).map(|cluster| cluster.name.clone()).unwrap_or_default(),
            object: Object {
                api_version: workload.kind.api_version,
                kind: workload.kind.kind,
                namespace: workload.namespace.clone(),
                name: workload.name.clone(),
            },
            state: links.iter().map(|step| step.state).max().unwrap_or(State::Unknown),
            links,
        }
    }

    /// The exit status.
    pub const fn status(&self) -> u8 {
        match self.state {
            State::Holds => 0,
            State::Broken => 1,
            State::Unknown => 3,
        }
    }
}

// === impl Step ===

impl Step {
    pub(super) fn new(link: &'static str, state: State, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { link, state, message, details: Vec::new(), compared: Vec::new(), fix: String::new(), rule: None }
    }

    pub(super) fn unknown(link: &'static str, Unknown(key): &Unknown) -> Self {
        Self::new(link, State::Unknown, format!("not known: no source gave {key}")).fix(remedy(key.kind()))
    }

    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    pub(super) fn compare(mut self, field: &str, expected: &str, actual: Option<&str>) -> Self {
        self.compared.push(Compared { field: field.into(), expected: expected.into(), actual: actual.map(Into::into) });
        self
    }
}

// === impl Walker ===

impl<'a> Walker<'_, 'a> {
    /// Adds a link; `None` if it is broken. What hangs on the unknown of a link before it is not told twice.
    pub(super) fn add(&mut self, step: Step) -> Option<()> {
        let goes_on = step.state != State::Broken;
        let told = self.links.iter().any(|link| link.state == State::Unknown && link.message == step.message);
        if !told {
            self.links.push(step);
        }
        goes_on.then_some(())
    }

    /// Adds the links one after the other; `None` at the first that is broken.
    fn walk(&mut self) -> Option<()> {
        if let Some(step) = self.life() {
            self.add(step)?;
        }
        if self.workload.has_ended() && self.workload.kind.shape == Shape::Pod {
            return Some(());
        }
        self.unbroken(Hop::Cluster)?;
        let others = self.others();
        if self.is_left_to(&others) {
            return self.by_others(&others);
        }
        self.add(self.named(self.label(), Hop::Label))?;
        self.unbroken(Hop::Label)?;
        if let Some(step) = self.annotation() {
            self.add(step)?;
        }
        let account = self.trust.service_account(self.workload);
        let webhook = self.workload.opts_in().then(|| webhook::step(self.workload, &account, self.trust));
        match webhook.filter(|step| step.state == State::Broken || self.is_unbroken(Hop::Webhook)) {
            Some(step) => self.add(self.named(step, Hop::Webhook))?,
            None => self.unbroken(Hop::Webhook)?,
        }
        self.unbroken(Hop::Token)?;
        self.told_elsewhere("token", token_file)?;
        self.add(self.account(&account))?;
        self.unbroken(Hop::ClientId)?;
        let asked = self.client_ids()?;
        let out_of_sight = self.asks_out_of_sight();
        for client_id in &asked {
            self.add(self.identity(client_id, out_of_sight))?;
        }
        self.unbroken(Hop::Tenant)?;
        self.told_elsewhere("tenant", |workload, container, trust| tenant(workload, container, trust).map(drop))?;
        self.unbroken(Hop::Authority)?;
        if self.workload.uses_identity_binding() {
            self.bindings(&asked, &account)?;
            self.unbroken(Hop::Binding)?;
        } else {
            self.credentials(&asked)?;
        }
        self.unbroken(Hop::Credential)?;
        self.beside(&others, &asked)?;
        self.unbroken(Hop::Program)
    }

    /// Adds a link for each container whose own variable comes from where nobody looked.
    fn told_elsewhere(
        &mut self,
        link: &'static str,
        told: fn(&Workload, &Container, &Trust<'_>) -> Result<(), Unknown>,
    ) -> Option<()> {
        let workload = self.workload;
        for (container, _) in workload.injected_containers().filter(|(container, _)| workload.presents_in(container)) {
            if let Err(unknown) = told(workload, container, self.trust) {
                self.add(Step::unknown(link, &unknown))?;
            }
        }
        Some(())
    }

    /// The link, with the rule of the catalogue that finds the workload itself broken there, or an operator where a
    /// resource tells it to ask.
    fn named(&self, step: Step, hop: Hop) -> Step {
        let own = |it: &&Broken<'_>| match it.object {
            Judged::Workload(own) => std::ptr::eq(own, self.workload),
            Judged::Custom(_) => true,
            _ => false,
        };
        let broken = self.broken.iter().filter(|it| it.hop == hop && step.state == State::Broken).find(own);
        match broken.map(|broken| broken.rule) {
            Some(rule) => step.detail(format!("{} {}: wiguard explain {}", rule.id, rule.name(), rule.id)),
            None => step,
        }
    }

    /// What there is to say of pods that do not run. A pod that has ended is as it was made, and its chain is
    /// nobody's any more; whatever else rests is walked as it will be when pods are made of it.
    fn life(&self) -> Option<Step> {
        let workload = self.workload;
        let kind = workload.kind.kind;
        let said = |message: String| Some(Step::new(PODS, State::Holds, message));
        match (self.trust.life(workload), workload.kind.shape) {
            (Life::Active, _) => None,
            (Life::Ended, Shape::Pod) => {
                let step = said("it has ended: it runs no more, and asks for no token".to_owned())?;
                let by = workload.controller.as_ref();
                Some(match by.map(|by| format!("{} {}/{}", by.kind, workload.namespace, by.name)) {
                    Some(by) => step.detail(format!("what made it is {by}: trace that")),
                    None => step,
                })
            }
            (Life::Ended, _) => {
                said(format!("none: the {kind} has ended; what follows is what pods made anew would meet"))
            }
            (Life::Dormant, _) => {
                let until = if workload.replicas == Some(0) { "scaled up" } else { "resumed" };
                said(format!("none, until it is {until}; what follows is what they will meet then"))
            }
        }
    }

    fn is_unbroken(&self, hop: Hop) -> bool {
        self.broken.iter().all(|broken| broken.hop != hop)
    }

    /// Adds what a rule of the catalogue finds broken at this link; `None` if one does.
    pub(super) fn unbroken(&mut self, hop: Hop) -> Option<()> {
        match self.broken.iter().find(|broken| broken.hop == hop) {
            Some(broken) => self.add(catalogued::step(broken, self.trust)),
            None => Some(()),
        }
    }

    fn label(&self) -> Step {
        let workload = self.workload;
        let value = workload.template.labels.get(label::USE);
        if workload.opts_in() {
            return Step::new("pod label", State::Holds, format!("{}: \"true\"", label::USE));
        }
        if workload.brings_azure_token() {
            return Step::new(
                "pod label",
                State::Holds,
                "none, and none is needed: the pods bring a token of their own",
            );
        }
        let field = workload.label_path(label::USE);
        let mut step = Step::new(
            "pod label",
            State::Broken,
            "the webhook passes these pods over: only the value \"true\" counts, on the pods themselves",
        )
        .compare(&field, "true", value);
        if workload.has_misplaced_label() {
            step = step.detail(format!(
                "the label stands on the {} itself, and its pods do not inherit it",
                workload.kind.kind
            ));
        }
        for pair in workload.template.labels.iter().filter(|pair| pair.key != label::USE) {
            step = step.detail(format!("the pods have `{}: {}`", pair.key, pair.value));
        }
        let then = if workload.template.live {
            "; the webhook sees pods only when they are created: set it on what makes this pod, or make the pod anew"
        } else {
            ""
        };
        step.fix(format!("set {field} to \"true\"{then}"))
    }

    pub(super) fn account(&self, account: &Link<&ServiceAccount>) -> Step {
        let (namespace, name) = (&self.workload.namespace, self.workload.service_account());
        match account {
            Link::Found(account) => {
                Step::new("ServiceAccount", State::Holds, format!("{namespace}/{name}{}", self.read_in(account.origin)))
            }
            Link::Absent => Step::new("ServiceAccount", State::Broken, format!("there is no {namespace}/{name}")).fix(
                format!("kubectl create serviceaccount {} --namespace {}", near::shell(name), near::shell(namespace)),
            ),
            Link::Unknown(key) => Step::unknown("ServiceAccount", &Unknown(key.clone())),
        }
    }

    pub(super) fn identity(&self, client_id: &ClientId, out_of_sight: bool) -> Step {
        let identity = match self.trust.identity(client_id) {
            Link::Found(identity) => identity,
            Link::Absent if out_of_sight => {
                return Step::unknown("identity", &Unknown(Key::Identity(client_id.0.clone())));
            }
            Link::Absent => return self.no_identity(client_id),
            Link::Unknown(_) if self.trust.is_principal(client_id) => return of_another_tenant(client_id),
            Link::Unknown(key) => return Step::unknown("identity", &Unknown(key)),
        };
        if self.asks_in_vain(client_id) {
            let message =
                format!("the service principal of {} is disabled; Entra will answer AADSTS7000112", identity.name);
            let step = Step::new("identity", State::Broken, message).compare("accountEnabled", "true", Some("false"));
            return step.fix(repair::enable(client_id));
        }
        let kind = match identity.kind {
            IdentityKind::UserAssigned => "managed identity",
            IdentityKind::Application => "app registration",
        };
        let tenant =
            if identity.tenant_id.is_empty() { String::new() } else { format!(", tenant {}", identity.tenant_id) };
        let read = self.read_in(identity.origin);
        Step::new("identity", State::Holds, format!("{kind} {}{tenant}{read}", identity.name))
    }

    /// Whether every container asks for an identity whose service principal is disabled in the tenant it asks.
    fn asks_in_vain(&self, client_id: &ClientId) -> bool {
        let asks_there = |(container, _): (&Container, _)| {
            let asked = tenant(self.workload, container, self.trust);
            asked.is_ok_and(|tenant| self.trust.is_disabled(client_id, tenant.as_deref().unwrap_or_default()))
        };
        self.trust.is_disabled(client_id, "") && self.workload.injected_containers().all(asks_there)
    }

    /// Whether a container may ask in a tenant of which no identity was seen.
    fn asks_out_of_sight(&self) -> bool {
        self.workload.injected_containers().any(|(container, _)| {
            let asked = tenant(self.workload, container, self.trust);
            asked.map_or(true, |tenant| tenant.is_some_and(|tenant| !self.trust.sees_tenant(&tenant)))
        })
    }

    fn no_identity(&self, client_id: &ClientId) -> Step {
        let (namespace, name) = (&self.workload.namespace, self.workload.service_account());
        let step =
            Step::new("identity", State::Broken, "no identity has this client id; Entra will answer AADSTS700016");
        let account = self.trust.service_account(self.workload).known().ok().flatten();
        let annotated = account.and_then(ServiceAccount::client_id);
        match self.trust.identity_by_id(client_id.as_str()) {
            Some(identity) => step
                .detail(format!("it is an object id of {}, and what is asked for is its client id", identity.name))
                .compare("client id", identity.client_id.as_str(), Some(client_id.as_str()))
                .fix(if annotated.is_some_and(|annotated| annotated == *client_id) {
                    annotate(namespace, name, annotation::CLIENT_ID, identity.client_id.as_str())
                } else {
                    format!("write {} where it is said", identity.client_id)
                }),
            None => step
                .compare("client id", "that of an identity or app registration", Some(client_id.as_str()))
                .fix("look up the client id: az identity show --query clientId, or az ad app show --query appId"),
        }
    }

    /// Where something was read, in brackets.
    fn read_in(&self, origin: Origin) -> String {
        match self.paths.get(origin.source as usize).filter(|_| origin.line > 0) {
            Some(path) => format!(" ({path}:{})", origin.line),
            None => String::new(),
        }
    }
}

/// Whether the manifest says where a container looks for its token.
fn token_file(workload: &Workload, container: &Container, _: &Trust<'_>) -> Result<(), Unknown> {
    let said = workload.told(container, TOKEN_FILE);
    let lacking = match said.filter(|said| !said.contains("$(")) {
        // Windows writes drives, or backslashes.
        Some(said) if said.starts_with('/') || said.contains([':', '\\']) => return Ok(()),
        Some(said) => format!("the folder in which container {} starts, where it looks for {said}", container.name),
        None if container.variable(TOKEN_FILE).is_none() => return Ok(()),
        None => format!("variable {TOKEN_FILE} of container {}", container.name),
    };
    Err(Unknown(Key::Value(lacking)))
}

/// The identity of which no more than its service principal was read: Entra knows it.
fn of_another_tenant(client_id: &ClientId) -> Step {
    let message = "only its service principal was read: of another tenant's application, or of a managed identity that no list holds";
    Step::new("identity", State::Unknown, message).fix(format!(
        "see in its own tenant what it trusts: az ad app federated-credential list --id {client_id}; of a managed identity, give the output of `az identity list` for its subscription"
    ))
}
