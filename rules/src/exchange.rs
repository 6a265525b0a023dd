//! The exchange: a workload presents the token of its ServiceAccount, and the identity it asks for
//! takes it or refuses. Apart from the rules, because one of them tells that it fails and another
//! how near it came.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "audit")]
use crate::model::EnvFrom;
use crate::model::{
    Audience, ClientId, ClusterIx, Container, FederatedIdentityCredential, Identity, Issuer, Subject, Value, Workload,
    annotation, is_guid, is_placeholder,
};
use crate::near::{Miss, Token};
use crate::repair;
#[cfg(feature = "audit")]
use crate::trust::may_mean;
use crate::trust::{Key, Trust, Unknown};

#[cfg(test)]
mod tests;

/// What a workload presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented<'a> {
    /// Its cluster's issuer.
    pub issuer: &'a Issuer,
    /// Its ServiceAccount's subject.
    pub subject: Subject,
    /// The audiences it may present, of which any will do; never empty.
    pub audiences: Vec<Audience>,
    /// What would have to be known if its namespace is a guess, and its subject with it.
    #[cfg(feature = "audit")]
    pub unplaced: Option<Key>,
}

/// An exchange that Entra refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The client id asked for.
    pub client_id: ClientId,
    /// Its identity; `None` if all that is known of it is that it does not trust this token.
    pub identity: Option<&'a Identity>,
    /// The identity's credentials: at least all that could trust this token.
    pub credentials: Vec<&'a FederatedIdentityCredential>,
}

/// What a workload presents; `None` if it asks Entra for nothing, or asks through an identity binding.
///
/// # Errors
/// If the cluster's issuer is unknown, or the audience that its webhook asks for.
pub fn presented<'a>(workload: &Workload, trust: &Trust<'a>) -> Result<Option<Presented<'a>>, Unknown> {
    let injected = workload.opts_in() && !skips_every_container(workload);
    if workload.uses_identity_binding() || !(injected || brings_token(workload, trust)?) {
        return Ok(None);
    }
    let mut audiences = Vec::new();
    if injected {
        #[cfg(feature = "audit")]
        audiences.extend(trust.audiences_of(workload)?);
        #[cfg(not(feature = "audit"))]
        audiences.extend(trust.parameters().audiences.iter().cloned());
    }
    #[cfg(feature = "audit")]
    let looked_for = trust.tells_own_tokens(workload).then(|| workload.looked_for(&audiences));
    let exchanges = |audience: &&Audience| audience.as_str().starts_with(crate::model::DEFAULT_AUDIENCE);
    audiences.extend(workload.own_audiences().filter(exchanges).cloned());
    #[cfg(feature = "audit")]
    if let Some(looked_for) = looked_for {
        audiences = looked_for;
    }
    if audiences.is_empty() {
        audiences.extend(workload.own_audiences().cloned());
    }
    if audiences.is_empty() {
        audiences.push(crate::model::DEFAULT_AUDIENCE.into());
    }
    let issuer = trust.issuer(workload.cluster)?;
    Ok(Some(Presented {
        issuer,
        subject: workload.subject(),
        audiences,
        #[cfg(feature = "audit")]
        unplaced: workload.unplaced.then(|| workload.place()),
    }))
}

/// Whether the pods bring their own token for Azure.
#[cfg(feature = "audit")]
fn brings_token(workload: &Workload, trust: &Trust<'_>) -> Result<bool, Unknown> {
    trust.brings_azure_token(workload)
}

#[cfg(not(feature = "audit"))]
fn brings_token(workload: &Workload, _: &Trust<'_>) -> Result<bool, Unknown> {
    Ok(workload.projects_azure_token())
}

/// One answer for each client id that a workload asks for: refused, or not (which is also the
/// answer where the client id is missing or wrong: other rules tell).
pub fn exchanges<'a>(
    workload: &Workload,
    presented: &Presented<'_>,
    trust: &Trust<'a>,
) -> Vec<Result<Option<Refusal<'a>>, Unknown>> {
    let answer = |asked: Result<Option<ClientId>, Unknown>| match asked? {
        Some(client_id) => presented.answer(client_id, trust),
        None => Ok(None),
    };
    client_ids(workload, trust).into_iter().map(answer).collect()
}

/// The client ids that the containers get, each once; `None` where they get none.
pub fn client_ids(workload: &Workload, trust: &Trust<'_>) -> Vec<Result<Option<ClientId>, Unknown>> {
    let mut asked = Vec::new();
    for (container, _) in workload.injected_containers() {
        let one = client_id(workload, container, trust);
        if !asked.contains(&one) {
            asked.push(one);
        }
    }
    if asked.is_empty() { vec![annotated(workload, trust)] } else { asked }
}

/// The client id that a container gets: its own, else the annotation's.
///
/// # Errors
/// If its own is set from elsewhere, or the ServiceAccount is unknown.
pub fn client_id(workload: &Workload, container: &Container, trust: &Trust<'_>) -> Result<Option<ClientId>, Unknown> {
    let unclear = || Err(Unknown(Key::Value(format!("variable AZURE_CLIENT_ID of container {}", container.name))));
    match container.variable("AZURE_CLIENT_ID").map(|variable| &variable.value) {
        None => match annotated(workload, trust)? {
            None if may_come("AZURE_CLIENT_ID", workload, container, trust) => unclear(),
            annotated => Ok(annotated),
        },
        // `$(NAME)` is what the container's variable of that name is.
        Some(Value::Literal(Some(text))) if !text.contains("$(") => {
            Ok(Some(text.as_str()).filter(|text| !text.is_empty()).map(ClientId::from))
        }
        #[cfg(feature = "audit")]
        Some(Value::Annotation(key)) => {
            Ok(workload.template.annotations.get(key).filter(|text| !text.is_empty()).map(ClientId::from))
        }
        Some(_) => unclear(),
    }
}

/// Whether `envFrom` may bring a container a variable. It does not from Secrets that were read and have no such key;
/// what ConfigMaps hold is not read.
#[cfg(feature = "audit")]
pub fn may_come(variable: &str, workload: &Workload, container: &Container, trust: &Trust<'_>) -> bool {
    container.env_from.iter().any(|from| match from {
        EnvFrom::ConfigMap(_) => true,
        EnvFrom::Secret(name, prefix) => trust.secret(workload, name).known().map_or(true, |secret| {
            let key = variable.strip_prefix(prefix.as_str());
            secret.is_some_and(|secret| secret.keys.iter().any(|own| Some(own.as_str()) == key))
        }),
    })
}

#[cfg(not(feature = "audit"))]
pub(crate) fn may_come(_: &str, _: &Workload, container: &Container, _: &Trust<'_>) -> bool {
    !container.env_from.is_empty()
}

/// The tenant that a container is told by its own variable, else by the annotation; `None` if it is told the
/// cluster's.
///
/// # Errors
/// If its own is set from elsewhere, or the ServiceAccount is unknown.
pub fn tenant(workload: &Workload, container: &Container, trust: &Trust<'_>) -> Result<Option<String>, Unknown> {
    match container.variable("AZURE_TENANT_ID").map(|variable| &variable.value) {
        None => {
            let account = trust.service_account(workload).known()?;
            Ok(account.and_then(|account| account.annotations.get(annotation::TENANT_ID)).map(Into::into))
        }
        Some(Value::Literal(Some(text))) if !text.contains("$(") => Ok(Some(text.clone())),
        #[cfg(feature = "audit")]
        Some(Value::Annotation(key)) => Ok(Some(workload.template.annotations.get(key).unwrap_or_default().into())),
        Some(_) => Err(Unknown(Key::Value(format!("variable AZURE_TENANT_ID of container {}", container.name)))),
    }
}

fn annotated(workload: &Workload, trust: &Trust<'_>) -> Result<Option<ClientId>, Unknown> {
    Ok(trust.service_account(workload).known()?.and_then(|account| account.client_id()))
}

fn skips_every_container(workload: &Workload) -> bool {
    workload.containers().next().is_some() && workload.injected_containers().next().is_none()
}

// === impl Presented ===

impl<'a> Presented<'a> {
    /// As a token, with an audience that one of `credentials` accepts, if there is such a one.
    pub fn token(&self, credentials: &[&FederatedIdentityCredential]) -> Token {
        let accepted =
            |audience: &&Audience| credentials.iter().any(|credential| credential.audiences.contains(audience));
        let audience = self.audiences.iter().find(accepted).or(self.audiences.first());
        Token {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            audience: audience.cloned().unwrap_or_else(|| crate::model::DEFAULT_AUDIENCE.into()),
        }
    }

    /// A credential of any identity that trusts it for certain.
    pub fn trusted_by<'t>(&self, trust: &Trust<'t>) -> Option<&'t FederatedIdentityCredential> {
        trust.trusting(self.issuer).iter().find(|credential| self.is_trusted_by(credential) == Some(true)).copied()
    }

    /// Whether nothing in Azure trusts it, whichever identity is asked for.
    ///
    /// # Errors
    /// If a flexible credential may trust it, or not all credentials of its issuer are known.
    pub fn is_trusted_by_none(&self, trust: &Trust<'_>) -> Result<bool, Unknown> {
        if self.trusted_by(trust).is_some() {
            return Ok(false);
        }
        let trusting = trust.trusting(self.issuer);
        if let Some(flexible) = trusting.iter().find(|credential| self.is_trusted_by(credential).is_none()) {
            return Err(expression_of(flexible));
        }
        #[cfg(feature = "audit")]
        self.is_placed(trust.trusting(self.issuer).iter().copied())?;
        match self.all_that_may_trust(trust) {
            Some(_) => Ok(true),
            None => Err(Unknown(Key::Trusting(self.issuer.clone()))),
        }
    }

    /// What would have to be read, where a credential may lack nothing but the audience that a webhook asks for
    /// which was not seen.
    #[cfg(feature = "audit")]
    pub fn unread_audience(&self, refusal: &Refusal<'_>, workload: &Workload, trust: &Trust<'_>) -> Option<Unknown> {
        let but_for_it = |credential: &&FederatedIdentityCredential| {
            let mut own = credential.audiences.iter();
            own.any(|audience| credential.trusts(self.issuer, &self.subject, audience) == Some(true))
        };
        trust.unread_audience_of(workload).filter(|_| refusal.credentials.iter().any(but_for_it))
    }

    /// What the identity of a client id answers: a refusal, or none.
    ///
    /// # Errors
    /// If not enough of its credentials is known.
    pub fn answer<'t>(&self, client_id: ClientId, trust: &Trust<'t>) -> Result<Option<Refusal<'t>>, Unknown> {
        if is_placeholder(client_id.as_str()) || !is_guid(client_id.as_str()) {
            return Ok(None);
        }
        let identity = trust.identity(&client_id).known();
        let credentials = match (&identity, self.all_that_may_trust(trust)) {
            (Ok(Some(identity)), _) => trust.credentials_seen(identity).to_vec(),
            // What it trusts is known in its own tenant.
            (Err(unknown), _) if trust.is_principal(&client_id) => return Err(unknown.clone()),
            // Whoever it is: what may trust this token is all known, and none of it is theirs.
            (_, Some(_)) => Vec::new(),
            // An identity that does not exist is another rule's finding; what else it lacks is not known.
            (Ok(None), None) => return Err(Unknown(Key::Identity(client_id.0))),
            (Err(unknown), None) => return Err(unknown.clone()),
        };
        let identity = identity.ok().flatten();
        if credentials.iter().any(|credential| self.is_trusted_by(credential) == Some(true)) {
            return Ok(None);
        }
        if let Some(flexible) = credentials.iter().find(|credential| self.is_trusted_by(credential).is_none()) {
            return Err(expression_of(flexible));
        }
        match (identity, self.all_that_may_trust(trust)) {
            (Some(identity), None) => {
                trust.credentials(identity)?;
            }
            (Some(identity), Some(_)) if identity.credentials_complete => {}
            // All that may trust it is known, but perhaps not whose each of it is.
            (_, trusting) => {
                let may_be_theirs = |credential: &&&FederatedIdentityCredential| {
                    trust.parent(credential).is_none() && self.is_trusted_by(credential) != Some(false)
                };
                if let Some(credential) = trusting.unwrap_or_default().iter().find(may_be_theirs) {
                    return Err(Unknown(Key::Parent(credential.name.clone())));
                }
            }
        }
        let refusal = Refusal { client_id, identity, credentials };
        #[cfg(feature = "audit")]
        self.is_refused_everywhere(&refusal, trust)?;
        Ok(Some(refusal))
    }

    /// Whether what is refused would be in every namespace, if the one it is in is a guess.
    ///
    /// # Errors
    /// If a credential that is or may be the identity's, now or once what is declared is applied, trusts the
    /// ServiceAccount of this name in another, or may.
    #[cfg(feature = "audit")]
    fn is_refused_everywhere(&self, refusal: &Refusal<'_>, trust: &Trust<'_>) -> Result<(), Unknown> {
        let of_nobody = trust.trusting(self.issuer).iter().copied().filter(|it| trust.parent(it).is_none());
        let to_come = crate::remedy::planned(refusal, trust);
        self.is_placed(refusal.credentials.iter().copied().chain(of_nobody).chain(to_come))?;
        match &self.unplaced {
            Some(key) if !refusal.knows_all_of(self.issuer, trust) => Err(Unknown(key.clone())),
            _ => Ok(()),
        }
    }

    /// Whether a credential means it, whatever audience it accepts, if the namespace it is in is a guess.
    #[cfg(feature = "audit")]
    pub fn may_be_meant_by(&self, credentials: &[&FederatedIdentityCredential]) -> bool {
        self.unplaced.is_some() && credentials.iter().any(|it| may_mean(it, self.issuer, &self.subject))
    }

    #[cfg(feature = "audit")]
    fn is_placed<'c>(
        &self,
        mut credentials: impl Iterator<Item = &'c FederatedIdentityCredential>,
    ) -> Result<(), Unknown> {
        let Some(key) = &self.unplaced else { return Ok(()) };
        let means = |it: &FederatedIdentityCredential| {
            may_mean(it, self.issuer, &self.subject) && self.audiences.iter().any(|own| it.audiences.contains(own))
        };
        if credentials.any(means) { Err(Unknown(key.clone())) } else { Ok(()) }
    }

    fn all_that_may_trust<'s, 't>(&self, trust: &'s Trust<'t>) -> Option<&'s [&'t FederatedIdentityCredential]> {
        trust.all_trusting(self.issuer, &self.subject)
    }

    /// Whether a credential trusts it; `None` if that cannot be told of a flexible one.
    pub fn is_trusted_by(&self, credential: &FederatedIdentityCredential) -> Option<bool> {
        let mut answers = self.audiences.iter().map(|audience| credential.trusts(self.issuer, &self.subject, audience));
        answers.find(|answer| *answer != Some(false)).unwrap_or(Some(false))
    }
}

// === impl Refusal ===

impl Refusal<'_> {
    /// What to call the identity: its name, or the client id that is all we know.
    pub fn name(&self) -> &str {
        self.identity.map_or(self.client_id.as_str(), |identity| &identity.name)
    }

    /// Whether its credentials are all that the identity has for tokens of this issuer.
    pub fn knows_all_of(&self, issuer: &Issuer, trust: &Trust<'_>) -> bool {
        self.identity.is_some_and(|identity| identity.credentials_complete) || trust.knows_all_trusting(issuer)
    }

    /// The command that has the identity take `token`. It corrects the nearest credential if that
    /// one is merely misspelt, and no ServiceAccount seen lives by it as it stands.
    pub fn repair(&self, token: &Token, nearest: Option<&Miss<'_>>, trust: &Trust<'_>) -> String {
        let needed = |credential: &FederatedIdentityCredential| {
            let cluster = trust.cluster_of(&credential.issuer).map(|(cluster, _)| cluster);
            let subject = credential.subject.as_ref().filter(|subject| **subject != token.subject);
            cluster.zip(subject).is_some_and(|(cluster, subject)| trust.trusted_account(cluster, subject).is_some())
        };
        let correct = nearest.filter(|miss| miss.is_misspelt() && !needed(miss.credential));
        #[cfg(feature = "audit")]
        if let Some(said) = nearest.filter(|miss| miss.is_meant()).and_then(|miss| repair::at_declaration(miss, token))
        {
            return said;
        }
        match (self.identity, correct) {
            (Some(identity), Some(miss)) => repair::repair(identity, Some(miss.credential), token),
            (Some(identity), None) => repair::create(identity, token, trust),
            (None, _) => repair::addition(&self.client_id, token),
        }
    }
}

/// Whether an identity trusts a ServiceAccount of a cluster that is like what is asked for, by namespace and name.
pub fn trusts_one_like(
    identity: &Identity,
    cluster: ClusterIx,
    trust: &Trust<'_>,
    is_like: impl Fn(&str, &str) -> bool,
) -> Result<bool, Unknown> {
    let issuer = trust.issuer(cluster)?;
    let is_of_one = |credential: &&FederatedIdentityCredential| {
        credential.issuer == *issuer && credential.service_account().is_some_and(|(of, name)| is_like(of, name))
    };
    if trust.credentials_seen(identity).iter().any(is_of_one) {
        return Ok(true);
    }
    let all = trust.credentials(identity)?;
    match all.iter().find(|credential| credential.issuer == *issuer && credential.subject.is_none()) {
        Some(flexible) => Err(expression_of(flexible)),
        None => Ok(false),
    }
}

/// What a flexible credential's expression evaluates to is unknown.
pub fn expression_of(credential: &FederatedIdentityCredential) -> Unknown {
    Unknown(Key::Value(format!("the expression of flexible credential {}", credential.name)))
}
