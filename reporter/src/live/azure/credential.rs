//! Credentials: who asks, and the tokens it is given. Azure's own SDK gets them; here they are kept
//! by tenant and audience, renewed before they expire, and kept out of everything that is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Plain, PoisonError};
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport as SdkTransport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::sync::Mutex;

use super::cloud::Cloud;
use super::transport::Transport;
use crate::live::http::Http;
use crate::live::now;

/// How the caller proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// The first of the following that yields a token
    #[default]
    Auto,
    /// The token of this pod's service account, as the workload identity webhook projects it
    WorkloadIdentity,
    /// AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET
    Environment,
    /// The managed identity of this machine; AZURE_CLIENT_ID names one of several
    ManagedIdentity,
    /// Whoever is logged in to the Azure CLI
    Cli,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Audience {
    /// Azure Resource Manager and Resource Graph.
    Arm,
    /// Microsoft Graph.
    Graph,
}

/// The tokens of one caller. Neither they nor what they were got with are ever shown.
pub(super) struct Tokens {
    kind: Kind,
    http: Http,
    cloud: Cloud,
    slots: Plain<HashMap<(Option<String>, Audience), Arc<Mutex<Slot>>>>,
    /// Everything that must appear nowhere.
    secrets: Plain<Vec<Secret>>,
}

#[derive(Default)]
struct Slot {
    token: Option<Secret>,
    /// When to get another, in seconds since 1970.
    renew: u64,
    /// Why there is none, and until when not to ask again.
    failed: Option<(u64, String)>,
}

/// Seconds for which a failure stands, so that many requests do not ask in vain.
const STANDS: u64 = 2;
/// Seconds before its expiry at which a token is renewed, unless it lives too short for that.
const EARLY: u64 = 300;

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kind", &self.kind).finish_non_exhaustive()
    }
}

// === impl Kind ===

impl Kind {
    /// In the order in which they are tried: what was set up for this process before what the
    /// machine has, and a user's login last.
    const EACH: [Self; 4] = [Self::WorkloadIdentity, Self::Environment, Self::ManagedIdentity, Self::Cli];

    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::WorkloadIdentity => "workload-identity",
            Self::Environment => "environment",
            Self::ManagedIdentity => "managed-identity",
            Self::Cli => "cli",
        }
    }

    /// The tenant that its surroundings name, if they do.
    fn home(self) -> Option<String> {
        matches!(self, Self::WorkloadIdentity | Self::Environment).then(|| variable("AZURE_TENANT_ID"))?
    }
}

// === impl Tokens ===

impl Tokens {
    /// Finds out who asks. Tenants are those to be read; none is the caller's own.
    ///
    /// # Errors
    /// If there is nobody: says what each way to be somebody said.
    pub(super) async fn find(kind: Kind, http: Http, cloud: Cloud, tenants: &[String]) -> Result<Arc<Self>, String> {
        let of = |kind| Self {
            kind,
            http: http.clone(),
            cloud: cloud.clone(),
            slots: Plain::default(),
            secrets: Plain::default(),
        };
        if kind != Kind::Auto {
            let tokens = of(kind);
            let tenant = tenants.first().map(String::as_str);
            tokens
                .credential(tenant)
                .map_err(|reason| format!("could not use --credential {}: {reason}", kind.name()))?;
            return tokens.checked(tenants);
        }
        let mut said = Vec::new();
        for kind in Kind::EACH {
            let tokens = of(kind);
            let patience = Duration::from_secs(if kind == Kind::ManagedIdentity { 5 } else { 60 });
            let asked = tokens.get(tenants.first().map(String::as_str), Audience::Arm, None);
            match tokio::time::timeout(patience, asked).await {
                Ok(Ok(_)) => return tokens.checked(tenants),
                Ok(Err(reason)) => said.push((kind, reason)),
                Err(_) => said.push((kind, "no answer in time".into())),
            }
            // Somebody else would see other things than the one who was set up to look.
            if let (Some(by), Some((_, reason))) = (Self::set_up_by(kind), said.last()) {
                return Err(format!(
                    "could not use --credential {0}, which {by} sets up here: {reason}; mend it, or name another with --credential",
                    kind.name()
                ));
            }
        }
        let said: Vec<String> = said.iter().map(|(kind, reason)| format!("\n  {}: {reason}", kind.name())).collect();
        Err(format!(
            "nobody to ask Azure as; log in with `az login`, or see --credential. What each said:{}",
            said.concat()
        ))
    }

    /// The variable by which it was set up for this process, if it was.
    fn set_up_by(kind: Kind) -> Option<&'static str> {
        let name = match kind {
            Kind::WorkloadIdentity => "AZURE_FEDERATED_TOKEN_FILE",
            Kind::Environment => "AZURE_CLIENT_SECRET",
            Kind::ManagedIdentity => "IDENTITY_ENDPOINT",
            Kind::Auto | Kind::Cli => return None,
        };
        variable(name).map(|_| name)
    }

    fn checked(self, tenants: &[String]) -> Result<Arc<Self>, String> {
        if self.kind == Kind::ManagedIdentity && tenants.len() > 1 {
            return Err("a managed identity has tokens for its own tenant alone; for several use an app registration that all of them know".into());
        }
        Ok(Arc::new(self))
    }

    #[cfg(test)]
    pub(super) const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The tenant that is read if none is named, where that can be told.
    pub(super) fn home(&self) -> Option<String> {
        self.kind.home()
    }

    /// A token, which is not the one that was `refused`.
    ///
    /// # Errors
    /// Says why there is none, without anything secret.
    pub(super) async fn get(
        &self,
        tenant: Option<&str>,
        audience: Audience,
        refused: Option<&Secret>,
    ) -> Result<Secret, String> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry((tenant.map(String::from), audience)).or_default())
        };
        // Whoever comes meanwhile waits for the same token.
        let mut slot = slot.lock().await;
        let now = now();
        if let Some(token) = &slot.token
            && now < slot.renew
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        if let Some((until, reason)) = &slot.failed
            && now < *until
        {
            return Err(reason.clone());
        }
        let scope = match audience {
            Audience::Arm => &self.cloud.arm_audience,
            Audience::Graph => &self.cloud.graph_audience,
        };
        let scope = format!("{scope}/.default");
        let got = match self.credential(tenant) {
            Ok(credential) => credential.get_token(&[&scope], None).await.map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        match got {
            Ok(token) => {
                let expires = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
                let lives = expires.saturating_sub(now);
                *slot =
                    Slot { token: Some(token.token.clone()), renew: now + lives - EARLY.min(lives / 4), failed: None };
                self.hide(token.token.clone());
                Ok(token.token)
            }
            Err(reason) => {
                let reason = self.scrub(reason.lines().next().unwrap_or_default());
                slot.failed = Some((now + STANDS, reason.clone()));
                Err(reason)
            }
        }
    }

    /// Whoever asks, anew: it reads what it is made of again, which may have been renewed.
    fn credential(&self, tenant: Option<&str>) -> Result<Arc<dyn TokenCredential>, String> {
        let tenant = tenant.map(String::from);
        let said = |error: azure_core::Error| self.scrub(error.to_string().lines().next().unwrap_or_default());
        let lacks = |name: &str| format!("{name} is not set");
        let credential: Arc<dyn TokenCredential> = match self.kind {
            Kind::Auto => return Err("no credential was chosen".into()),
            Kind::WorkloadIdentity => {
                let file = variable("AZURE_FEDERATED_TOKEN_FILE").ok_or_else(|| lacks("AZURE_FEDERATED_TOKEN_FILE"))?;
                if let Ok(assertion) = std::fs::read_to_string(&file) {
                    self.hide(Secret::new(assertion.trim().to_string()));
                }
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options: self.options() },
                    client_id: Some(variable("AZURE_CLIENT_ID").ok_or_else(|| lacks("AZURE_CLIENT_ID"))?),
                    tenant_id: Some(tenant.or_else(|| self.home()).ok_or_else(|| lacks("AZURE_TENANT_ID"))?),
                    token_file_path: Some(file.into()),
                };
                WorkloadIdentityCredential::new(Some(options)).map_err(said)?
            }
            Kind::Environment => {
                let tenant = tenant.or_else(|| self.home()).ok_or_else(|| lacks("AZURE_TENANT_ID"))?;
                let client = variable("AZURE_CLIENT_ID").ok_or_else(|| lacks("AZURE_CLIENT_ID"))?;
                let secret = variable("AZURE_CLIENT_SECRET").ok_or_else(|| lacks("AZURE_CLIENT_SECRET"))?;
                let secret = Secret::new(secret);
                self.hide(secret.clone());
                let options = ClientSecretCredentialOptions { client_options: self.options() };
                ClientSecretCredential::new(&tenant, client, secret, Some(options)).map_err(said)?
            }
            Kind::ManagedIdentity => {
                variable("IDENTITY_HEADER").into_iter().for_each(|header| self.hide(Secret::new(header)));
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: variable("AZURE_CLIENT_ID").map(UserAssignedId::ClientId),
                    client_options: self.options(),
                };
                ManagedIdentityCredential::new(Some(options)).map_err(said)?
            }
            Kind::Cli => {
                let options = AzureCliCredentialOptions { tenant_id: tenant, ..AzureCliCredentialOptions::default() };
                AzureCliCredential::new(Some(options)).map_err(said)?
            }
        };
        Ok(credential)
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = Transport::told(&self.cloud.authority);
        ClientOptions {
            transport: Some(SdkTransport::new(Transport::new(self.http.clone(), &self.cloud.authority))),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            retry: RetryOptions::exponential(ExponentialRetryOptions { max_retries: 3, ..Default::default() }),
            ..ClientOptions::default()
        }
    }

    fn hide(&self, secret: Secret) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !secret.secret().is_empty() && !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }

    /// What somebody else said, fit to be shown: short, on one line, without anything secret.
    pub(super) fn scrub(&self, text: &str) -> String {
        const LONGEST: usize = 400;
        let mut text = text.to_string();
        for secret in self.secrets.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for form in forms(secret.secret()) {
                text = text.replace(&form, "…");
            }
        }
        let words = text.split(|c: char| c.is_whitespace() || c.is_control());
        // A JSON web token that is not ours is still somebody's.
        let is_token = |word: &str| word.match_indices("eyJ").next().is_some() && word.len() > 40;
        let words: Vec<&str> =
            words.filter(|word| !word.is_empty()).map(|word| if is_token(word) { "…" } else { word }).collect();
        let mut text = words.join(" ");
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// A secret as it stands in a text, and percent-encoded as forms and addresses have it.
fn forms(secret: &str) -> Vec<String> {
    let encoded = |kept: &str, upper: bool| -> String {
        let byte = |byte: &u8| match char::from(*byte) {
            plain if plain.is_ascii_alphanumeric() || kept.contains(plain) => plain.to_string(),
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        };
        secret.as_bytes().iter().map(byte).collect()
    };
    let each = [("-._~", true), ("-._~", false), ("*-._", true), ("*-._", false)];
    let mut forms = vec![secret.to_string()];
    forms.extend(each.into_iter().map(|(kept, upper)| encoded(kept, upper)));
    forms.dedup();
    forms
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn tokens() -> Tokens {
        let url = |text: &str| text.parse().unwrap();
        Tokens {
            kind: Kind::Environment,
            http: Http::new(None, Duration::from_secs(1)).unwrap(),
            cloud: Cloud {
                arm: url("https://management.azure.com"),
                graph: url("https://graph.microsoft.com"),
                authority: url("https://login.microsoftonline.com"),
                arm_audience: String::new(),
                graph_audience: String::new(),
            },
            slots: Plain::default(),
            secrets: Plain::default(),
        }
    }

    #[test]
    fn what_is_secret_is_never_shown() {
        let tokens = tokens();
        tokens.hide(Secret::new("planted-token"));
        tokens.hide(Secret::new("8Q~a/b"));
        let encoded = tokens.scrub("client_secret=8Q%7Ea%2Fb client_secret=8Q~a%2fb client_secret=8Q~a/b");
        assert_eq!(encoded, "client_secret=… client_secret=… client_secret=…");
        let jwt = format!("Bearer eyJ{}", "x".repeat(80));
        let text = tokens.scrub(&format!("the header was\n\u{1b}[31m`Bearer planted-token`, {jwt}"));
        assert_eq!(text, "the header was [31m`Bearer …`, Bearer …");
        assert!(tokens.scrub(&"word ".repeat(1000)).chars().count() <= 401);
        let shown = format!("{tokens:?}");
        assert_eq!(shown, "Tokens { kind: Environment, .. }");
    }

    #[tokio::test]
    async fn a_token_is_kept_until_it_is_refused_or_must_be_renewed() {
        let tokens = tokens();
        let key = (Some("t".to_string()), Audience::Arm);
        let slot = Slot { token: Some(Secret::new("one")), renew: now() + 60, failed: None };
        tokens.slots.lock().unwrap().insert(key, Arc::new(Mutex::new(slot)));
        let one = tokens.get(Some("t"), Audience::Arm, None).await.unwrap();
        assert_eq!(one.secret(), "one");
        assert!(
            tokens.get(Some("t"), Audience::Arm, Some(&one)).await.is_err(),
            "it was refused, and there is no other"
        );
        assert!(tokens.get(Some("t"), Audience::Graph, None).await.is_err(), "a token is for one audience");
        assert!(tokens.get(Some("u"), Audience::Arm, None).await.is_err(), "and for one tenant");
    }
}
