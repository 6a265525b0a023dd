//! Others that ask: drivers that mount volumes and operators that fetch secrets by the tokens of a
//! ServiceAccount, for which its pods need no label and the webhook is not asked.

use wiguard_rules::exchange::Presented;
use wiguard_rules::finding::Hop;
use wiguard_rules::model::{ClientId, DEFAULT_AUDIENCE, Volume};
use wiguard_rules::trust::{Key, Link, Unknown};

use super::client_id::{self, reference};
use super::walk::{State, Step, Walker};

/// Somebody who asks Azure in the place of the pods.
pub(super) struct Other {
    /// Who, for a sentence.
    who: String,
    /// By what.
    by: By,
}

/// What somebody asks by.
enum By {
    /// The token of the pods' ServiceAccount, for a client id, in a tenant if one is named.
    Token(ClientId, String),
    /// An identity of the node.
    Node,
    /// That is not known, nor whether it is the token.
    Unclear(Unknown),
}

impl<'a> Walker<'_, 'a> {
    /// Who asks in the place of the pods.
    pub(super) fn others(&self) -> Vec<Other> {
        let volumes = self.workload.template.volumes.iter().filter_map(|volume| self.of_volume(volume));
        volumes.chain(self.of_requester()).collect()
    }

    /// Whether nobody but them is to get a token: these pods get none, and were not meant to.
    pub(super) fn is_left_to(&self, others: &[Other]) -> bool {
        let workload = self.workload;
        let unlabelled = workload.opts_out() || workload.template.labels.is_empty();
        if others.is_empty() || !unlabelled || workload.has_misplaced_label() || workload.brings_azure_token() {
            return false;
        }
        let account = self.trust.service_account(workload);
        let annotated = matches!(account, Link::Found(account) if account.client_id().is_some());
        // A ServiceAccount that names an identity is there for more than what the node fetches.
        !annotated || others.iter().any(|other| !matches!(other.by, By::Node))
    }

    fn of_volume(&self, volume: &Volume) -> Option<Other> {
        let (workload, trust) = (self.workload, self.trust);
        let other = |who: String, by| Some(Other { who, by });
        match volume {
            Volume::Token(_) => None,
            Volume::AzureStorage => other(
                "the driver of an inline volume of Azure Files or Blob".into(),
                By::Unclear(Unknown(Key::Value("the client id of the inline volume".into()))),
            ),
            Volume::Claim(name) => {
                if let Some((volume, login)) = trust.volume_of(workload, name) {
                    let by = By::Token(login.client_id.as_str().into(), String::new());
                    other(format!("the driver of {}", reference(volume)), by)
                } else {
                    let key = Key::Claim(workload.cluster, workload.namespace.clone(), name.clone());
                    other(format!("perhaps the driver of PersistentVolumeClaim {name}"), By::Unclear(Unknown(key)))
                }
            }
            Volume::SecretsStore(name) => {
                let who = format!("the Secrets Store driver, by SecretProviderClass {name}");
                let class = match trust.provider_class(workload, name) {
                    Link::Found(class) => class.azure.as_ref()?,
                    Link::Absent => return None,
                    Link::Unknown(key) => return other(who, By::Unclear(Unknown(key))),
                };
                if class.token_proxy {
                    let what = format!("what the identity binding of SecretProviderClass {name} lets in");
                    other(who, By::Unclear(Unknown(Key::Value(what))))
                } else if !class.client_id.is_empty() {
                    other(who, By::Token(class.client_id.as_str().into(), class.tenant_id.clone()))
                } else if class.vm_identity {
                    other(who, By::Node)
                } else {
                    None
                }
            }
        }
    }

    fn of_requester(&self) -> Option<Other> {
        let requester = match self.trust.token_requester(self.workload) {
            Link::Found(requester) => requester,
            Link::Absent => return None,
            Link::Unknown(key) => {
                return Some(Other { who: "perhaps External Secrets".into(), by: By::Unclear(Unknown(key)) });
            }
        };
        let account = self.trust.service_account(self.workload).known().ok().flatten();
        let by = match account.and_then(|account| account.client_id()) {
            Some(client_id) => By::Token(client_id, String::new()),
            None => By::Unclear(Unknown(Key::Value(format!("the client id by which {} asks", requester.by)))),
        };
        Some(Other { who: format!("the operator of {}", requester.by), by })
    }

    /// Walks what others ask for, where these pods get no token.
    pub(super) fn by_others(&mut self, others: &[Other]) -> Option<()> {
        self.add(self.no_label(others))?;
        self.unbroken(Hop::Label)?;
        let account = self.trust.service_account(self.workload);
        self.add(self.account(&account))?;
        for other in others {
            if let By::Unclear(unknown) = &other.by {
                self.add(Step::unknown("client id", unknown))?;
            }
        }
        self.beside(others, &[])
    }

    /// Walks what others ask for by the token, beside what the pods ask for themselves.
    pub(super) fn beside(&mut self, others: &[Other], asked: &[ClientId]) -> Option<()> {
        let mut asked: Vec<String> = asked.iter().map(ClientId::folded).collect();
        for Other { who, by } in others {
            let By::Token(client_id, tenant) = by else { continue };
            if asked.contains(&client_id.folded()) {
                continue;
            }
            asked.push(client_id.folded());
            self.add(client_id::step(client_id).detail(format!("asked for by {who}")))?;
            let out_of_sight = !tenant.is_empty() && !self.trust.sees_tenant(tenant);
            self.add(self.identity(client_id, out_of_sight))?;
            self.by_token(client_id)?;
        }
        Some(())
    }

    fn by_token(&mut self, client_id: &ClientId) -> Option<()> {
        let issuer = match self.trust.issuer(self.workload.cluster) {
            Ok(issuer) => issuer,
            Err(unknown) => return self.add(Step::unknown("credential", &unknown)),
        };
        let mut audiences = self.trust.parameters().audiences.clone();
        if audiences.iter().all(|audience| audience.as_str() != DEFAULT_AUDIENCE) {
            audiences.push(DEFAULT_AUDIENCE.into());
        }
        // A driver or an operator may be told to ask for another, which is not read.
        if let Link::Found(identity) = self.trust.identity(client_id) {
            audiences.extend(self.trust.credentials_seen(identity).iter().flat_map(|it| it.audiences.iter().cloned()));
        }
        let unplaced = self.workload.unplaced.then(|| self.workload.place());
        let presented = Presented { issuer, subject: self.workload.subject(), audiences, unplaced };
        self.answers(&presented, std::slice::from_ref(client_id))
    }

    fn no_label(&self, others: &[Other]) -> Step {
        let asks = others.iter().any(|other| matches!(other.by, By::Token(..)));
        let mut step = if asks {
            Step::new(
                "pod label",
                State::Holds,
                "none, and none is needed by those who ask with the ServiceAccount's token",
            )
        } else {
            Step::new(
                "pod label",
                State::Unknown,
                "none, so that the programs in the pods get no token; others may ask",
            )
        };
        for Other { who, by } in others {
            let how = if matches!(by, By::Node) { ", as an identity of the node" } else { "" };
            step = step.detail(format!("{who}{how}"));
        }
        if asks {
            return step.detail("the programs in the pods get no token of their own");
        }
        let field = self.workload.label_path(wiguard_rules::model::label::USE);
        step.fix(format!("see who is to ask; for the programs themselves, set {field} to \"true\""))
    }
}
