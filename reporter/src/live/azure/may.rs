//! May: what the caller may do in subscriptions and in tenants, which Azure says itself.

use std::collections::BTreeMap;

use anyhow::anyhow;
use serde_json::Value;

use super::client::Trouble;
use super::tenant::{Subscription, Tenant, Visible};
use super::{Flags, home_of, place};
use crate::cli::Failure;
use crate::live::Session;

/// What the caller may do in one place, or why nobody knows.
#[derive(Debug)]
pub enum Granted {
    /// In a subscription: what each of its roles there lets it do.
    Subscription(String, Result<Vec<Value>, String>),
    /// In a tenant: whether it may read app registrations, if that was asked, and what its root
    /// management group has below it.
    Tenant(String, Option<Result<bool, String>>, Result<bool, String>),
}

impl Flags {
    /// What the caller may do wherever it would read.
    ///
    /// # Errors
    /// If there is no such cloud, or no credential.
    pub async fn granted(&self, session: &Session) -> Result<Vec<Granted>, Failure> {
        if !self.is_wanted() {
            return Ok(Vec::new());
        }
        let plan = self.find(session).await.map_err(|reason| Failure::Usage(anyhow!(reason)))?;
        let mut subscriptions: BTreeMap<String, Result<Vec<Value>, String>> = BTreeMap::new();
        let mut granted = Vec::new();
        let mut below = plan.groups.iter().map(|group| (group, None)).collect::<BTreeMap<_, Option<String>>>();
        let mut wanted = plan.wanted.clone();
        for tenant in &plan.tenants {
            let Visible { subscriptions: visible, trouble } = tenant.visible().await;
            let name = if tenant.name.is_empty() { "home" } else { &tenant.name };
            if let Some(trouble) = trouble {
                let why = format!("its subscriptions could not be listed: {trouble}");
                subscriptions.insert(format!("{name}/subscriptions"), Err(why));
            }
            let applications = if plan.graph { Some(tenant.reads_applications().await) } else { None };
            granted.push(Granted::Tenant(name.into(), applications, tenant.reads_root(&visible).await));
            let mut members = Vec::new();
            for (group, why) in &mut below {
                match tenant.below(group).await {
                    Ok(some) => {
                        members.extend(some);
                        *why = Some(String::new());
                    }
                    Err(trouble) if why.is_none() => *why = Some(trouble.to_string()),
                    Err(_) => {}
                }
            }
            let all = plan.wanted.is_empty() && plan.groups.is_empty();
            for it in visible {
                let lower = it.name.to_lowercase();
                let named = plan.wanted.contains(&it.id) || plan.wanted.contains(&lower);
                wanted.retain(|wanted| *wanted != it.id && *wanted != lower);
                if (all || named || members.contains(&it.id)) && !subscriptions.contains_key(&it.id) {
                    let roles = tenant.roles(&it.id).await;
                    subscriptions.insert(it.id, roles);
                }
            }
        }
        let unseen = wanted.into_iter().map(|it| (it, Err("no such subscription is visible".into())));
        let unlisted = below.into_iter().filter_map(|(group, why)| match why {
            Some(why) if why.is_empty() => None,
            why => {
                Some((group.clone(), Err(format!("what is below it could not be listed: {}", why.unwrap_or_default()))))
            }
        });
        subscriptions.extend(unseen.chain(unlisted));
        granted.extend(subscriptions.into_iter().map(|(name, roles)| Granted::Subscription(name, roles)));
        granted.sort_by_key(|it| matches!(it, Granted::Tenant(..)));
        Ok(granted)
    }

    /// The scopes that are typed by their ids, as roles name them.
    pub fn scopes(&self) -> Vec<String> {
        let groups = self.management_group.iter();
        let groups = groups.map(|id| format!("/providers/Microsoft.Management/managementGroups/{id}"));
        let subscriptions = self.subscription.iter().filter(|id| place::is_object_id(id));
        subscriptions.map(|id| format!("/subscriptions/{id}")).chain(groups).collect()
    }
}

impl Tenant {
    /// What each of the caller's roles in a subscription lets it do.
    async fn roles(&self, subscription: &str) -> Result<Vec<Value>, String> {
        let asked = match self.places.permissions(subscription) {
            Ok(call) => self.azure.pages(call).await,
            Err(trouble) => Err(trouble),
        };
        asked.map_err(|trouble| match trouble {
            Trouble::Denied(said) => {
                format!("{said}; asking takes `Microsoft.Authorization/permissions/read`, which the role Reader has")
            }
            other => other.to_string(),
        })
    }

    /// Whether the root management group says what is below it.
    async fn reads_root(&self, visible: &[Subscription]) -> Result<bool, String> {
        let root = if self.name.contains('.') || self.name.is_empty() { home_of(visible) } else { self.name.clone() };
        if root.is_empty() {
            return Err("no subscription tells which tenant it is".into());
        }
        match self.descendants(&root).await {
            Ok(_) => Ok(true),
            Err(Trouble::Denied(_)) => Ok(false),
            Err(trouble) => Err(trouble.to_string()),
        }
    }

    /// Whether an app registration can be read.
    async fn reads_applications(&self) -> Result<bool, String> {
        let asked = match self.places.an_application() {
            Ok(call) => self.azure.page(&call).await,
            Err(trouble) => Err(trouble),
        };
        match asked {
            Ok(_) => Ok(true),
            Err(Trouble::Denied(_)) => Ok(false),
            Err(trouble) => Err(trouble.to_string()),
        }
    }
}
