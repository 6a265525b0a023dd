//! Azure: identities, their federated credentials, and clusters as Azure describes them.
//!
//! ```text
//! tenant ─ subscriptions ─┬─ Resource Graph ─▶ identities, clusters
//!                         ├─ Resource Manager ─▶ identities ─▶ credentials of each
//!                         └─ Microsoft Graph ─▶ app registrations ─▶ credentials, by twenties
//! ```

pub mod actions;
mod cache;
mod client;
mod cloud;
mod credential;
mod graph;
mod may;
mod place;
mod sift;
mod subscription;
mod tenant;
mod transport;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use futures_util::future::join_all;
use reqwest::Url;

use super::http::Http;
use super::pace::Pacer;
use super::{Session, Shard, Stop};
use crate::cli::Failure;
use crate::collect::{Feed, Gap};
use cache::Cache;
use client::{Azure, Trouble};
use cloud::{Cloud, Named, address};
use credential::{Kind, Tokens};
pub use may::Granted;
use place::Places;
use tenant::{Subscription, Tenant, Visible};

/// Which subscriptions.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live Azure")]
#[group(id = "azure-flags")]
pub struct Flags {
    /// Read every subscription that is visible, and the app registrations
    #[arg(long)]
    azure: bool,
    /// Read this subscription alone, by id or name; repeatable
    #[arg(long, value_name = "ID|NAME", requires = "azure")]
    subscription: Vec<String>,
    /// Read the subscriptions below this management group alone; repeatable
    #[arg(long, value_name = "ID", requires = "azure")]
    management_group: Vec<String>,
    /// Read this tenant, with a token of its own [default: the caller's]; repeatable
    #[arg(long, value_name = "ID", requires = "azure", value_parser = tenant_id)]
    tenant: Vec<String>,
    /// Do not ask Microsoft Graph for app registrations
    #[arg(long, requires = "azure")]
    no_graph: bool,
    /// Who to ask Azure as
    #[arg(long, value_enum, value_name = "WHO", default_value_t, requires = "azure")]
    credential: Kind,
    /// The cloud: public, usgovernment, china, or the address or file of its /metadata/endpoints
    #[arg(long, value_name = "CLOUD", requires = "azure")]
    cloud: Option<Named>,
    /// Where Azure Resource Manager answers, instead of the cloud's own address
    #[arg(long, value_name = "URL", requires = "azure", value_parser = address)]
    arm_endpoint: Option<Url>,
    /// Where Microsoft Graph answers, instead of the cloud's own address
    #[arg(long, value_name = "URL", requires = "azure", value_parser = address)]
    graph_endpoint: Option<Url>,
    /// Where Entra answers, instead of the cloud's own address [default: AZURE_AUTHORITY_HOST]
    #[arg(long, value_name = "URL", requires = "azure", value_parser = address)]
    authority_host: Option<Url>,
    /// Believe these authorities too, in PEM, besides the system's and those of SSL_CERT_FILE
    #[arg(long, value_name = "FILE", requires = "azure")]
    ca_file: Option<PathBuf>,
    /// Ask at this part of the rates that Azure documents
    #[arg(long, value_name = "FACTOR", default_value_t = 0.95, requires = "azure", value_parser = factor)]
    azure_rate: f64,
    /// Give a request up after so long, and try again
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "azure", value_parser = duration)]
    azure_timeout: Duration,
    /// Keep what was read in this folder, and take from it what is young enough
    #[arg(long, value_name = "DIR", requires = "azure")]
    cache: Option<PathBuf>,
    /// Ask anew for credentials that were read longer ago
    #[arg(long, value_name = "DURATION", default_value = "12h", requires = "cache", value_parser = duration)]
    max_age: Duration,
}

/// What is read, once it is known who asks.
struct Plan {
    tenants: Vec<Tenant>,
    wanted: BTreeSet<String>,
    groups: Vec<String>,
    graph: bool,
    cache: Option<(PathBuf, u64)>,
    feeds: tokio::sync::mpsc::Sender<Feed>,
    stop: Stop,
    /// Which of them are read here.
    shard: Shard,
}

impl Flags {
    /// Whether there is any.
    pub const fn is_wanted(&self) -> bool {
        self.azure
    }

    /// What is to be done.
    ///
    /// # Errors
    /// If there is no such cloud, or no credential.
    pub async fn plan(&self, session: &Session) -> Result<impl Future<Output = ()> + use<>, Failure> {
        let plan = if self.azure {
            Some(self.find(session).await.map_err(|reason| Failure::Usage(anyhow!(reason)))?)
        } else {
            None
        };
        Ok(async {
            if let Some(plan) = plan {
                plan.read().await;
            }
        })
    }

    async fn find(&self, session: &Session) -> Result<Plan, String> {
        let http = Http::new(self.ca_file.as_deref(), self.azure_timeout)?;
        session.progress.say("asking Azure");
        let cloud = self.cloud(&http).await?;
        if let Some(folder) = &self.cache {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("could not use the cache `{}`: {error}", folder.display()))?;
        }
        let tokens = Tokens::find(self.credential, http.clone(), cloud.clone(), &self.tenant).await?;
        if let Some(client) =
            std::env::var("AZURE_CLIENT_ID").ok().filter(|id| !id.is_empty() && self.credential != Kind::Cli)
        {
            session.readers.note(format!("azure as {client}"));
        }
        let azure = Azure { http, tokens, pacer: Pacer::new(self.azure_rate), stop: session.stop.clone() };
        let ids: BTreeSet<Option<String>> = match self.tenant.as_slice() {
            [] => BTreeSet::from([None]),
            some => some.iter().map(|id| Some(id.to_ascii_lowercase())).collect(),
        };
        let tenants = ids.into_iter().map(|id| Tenant {
            places: Arc::new(Places::new(cloud.clone(), id.clone(), azure.pacer.clone())),
            name: id.or_else(|| azure.tokens.home()).unwrap_or_default().to_ascii_lowercase(),
            azure: azure.clone(),
            feeds: session.feeds.clone(),
            progress: session.progress.clone(),
            cache: None,
        });
        Ok(Plan {
            tenants: tenants.collect(),
            wanted: self.subscription.iter().map(|it| it.to_lowercase()).collect(),
            groups: self.management_group.clone(),
            graph: !self.no_graph,
            cache: self.cache.clone().map(|folder| (folder, self.max_age.as_secs())),
            feeds: session.feeds.clone(),
            stop: session.stop.clone(),
            shard: session.shard,
        })
    }

    async fn cloud(&self, http: &Http) -> Result<Cloud, String> {
        let said = std::env::var("AZURE_AUTHORITY_HOST").ok().filter(|host| !host.is_empty() && self.cloud.is_none());
        let said = match (&self.authority_host, said) {
            (None, Some(host)) => {
                let host = if host.contains("://") { host } else { format!("https://{host}") };
                Some(
                    address(&host)
                        .map_err(|reason| format!("could not use AZURE_AUTHORITY_HOST, `{host}`: {reason}"))?,
                )
            }
            _ => None,
        };
        let mut cloud = Cloud::find(self.cloud.as_ref(), said.as_ref(), http).await?;
        let instead = |place: &mut Url, other: &Option<Url>| {
            if let Some(other) = other {
                place.clone_from(other);
            }
        };
        instead(&mut cloud.arm, &self.arm_endpoint);
        instead(&mut cloud.graph, &self.graph_endpoint);
        instead(&mut cloud.authority, &self.authority_host);
        Ok(cloud)
    }
}

impl Plan {
    async fn read(mut self) {
        let seen = join_all(self.tenants.iter().map(Tenant::visible)).await;
        for (tenant, seen) in self.tenants.iter_mut().zip(&seen) {
            if tenant.name.is_empty() {
                tenant.name = home_of(&seen.subscriptions);
            }
        }
        let named: Vec<(String, Visible)> = self.tenants.iter().map(|it| it.name.clone()).zip(seen).collect();
        let mut gaps: Vec<Gap> = Vec::new();
        for (tenant, (_, seen)) in self.tenants.iter().zip(&named) {
            gaps.extend(seen.trouble.as_ref().map(|trouble| tenant::unlisted(tenant, trouble)));
        }
        let below = self.below(&mut gaps).await;
        gaps.extend(self.unseen(&named));
        let all = self.wanted.is_empty() && self.groups.is_empty();
        let certain = all && self.sees_all(&named).await;
        let shared = tenant::share(&named);
        let mut readers = Vec::new();
        for ((mut tenant, (_, seen)), own) in self.tenants.into_iter().zip(&named).zip(shared) {
            // What proves that there is no other is the whole list, whoever reads its parts.
            let whole = certain.then(|| seen.subscriptions.iter().map(|it| it.id.clone()).collect());
            let is_wanted = |it: &Subscription| {
                all || self.wanted.contains(&it.id)
                    || self.wanted.contains(&it.name.to_lowercase())
                    || below.contains(&it.id)
            };
            let mine = |it: &Subscription| is_wanted(it) && self.shard.takes(&it.id);
            let own: Vec<Subscription> = own.into_iter().filter(mine).collect();
            if let Some((folder, max_age)) = &self.cache {
                let server = tenant.places.cloud.arm.host_str().unwrap_or_default();
                match Cache::open(folder, server, &tenant.name, *max_age) {
                    Ok(cache) => tenant.cache = Some(Arc::new(cache)),
                    Err(reason) => tenant.progress.note(&format!("azure: {reason}; everything is asked for")),
                }
            }
            let graph = self.graph && self.shard.takes(&tenant.name);
            readers.push(tenant.read(own, whole, graph));
        }
        if !gaps.is_empty() {
            let feed = Feed { source: "azure".into(), at: super::now(), gaps, ..Feed::default() };
            let _ = self.feeds.send(feed).await;
        }
        join_all(readers).await;
    }

    /// Whether every subscription of every tenant is visible: whatever is in one that is hidden, such
    /// as an identity that a workload names, must not pass for what does not exist.
    async fn sees_all(&self, named: &[(String, Visible)]) -> bool {
        let tenants = self.tenants.iter().zip(named).map(|(tenant, (name, seen))| async move {
            // A tenant that is known by one of its domains has its id in its subscriptions.
            let root = if name.contains('.') { home_of(&seen.subscriptions) } else { name.clone() };
            seen.trouble.is_none() && tenant.sees_all(&root, &seen.subscriptions).await
        });
        join_all(tenants).await.into_iter().all(|sees| sees)
    }

    /// The subscriptions below the management groups that are wanted.
    async fn below(&self, gaps: &mut Vec<Gap>) -> BTreeSet<String> {
        let mut below = BTreeSet::new();
        for group in &self.groups {
            let mut last = None;
            let (mut found, mut any) = (false, false);
            for tenant in &self.tenants {
                match tenant.below(group).await {
                    Ok(some) => {
                        found = true;
                        any |= !some.is_empty();
                        below.extend(some);
                    }
                    Err(trouble) => last = Some(trouble),
                }
            }
            if let (false, Some(trouble)) = (found, last) {
                let permission = "`Microsoft.Management/managementGroups/descendants/read` on it";
                let what = format!("the subscriptions below management group `{group}` could not be listed");
                let lacks = sift::lack(&format!("azure://{group}"), &what, &trouble, permission);
                gaps.push(Gap { extent: crate::collect::Missing::All, ..lacks });
            } else if !any {
                gaps.push(tenant::empty(group));
            }
        }
        below
    }

    /// What is wanted and was not seen, where everything was listed.
    fn unseen(&self, named: &[(String, Visible)]) -> Vec<Gap> {
        let listed = named.iter().all(|(_, seen)| !matches!(seen.trouble, Some(Trouble::Stopped)));
        let is = |wanted: &str| {
            named
                .iter()
                .flat_map(|(_, seen)| &seen.subscriptions)
                .any(|it| it.id == wanted || it.name.to_lowercase() == wanted)
        };
        let missing = self.wanted.iter().filter(|wanted| listed && !self.stop.is_set() && !is(wanted));
        missing.map(|wanted| tenant::missing(wanted)).collect()
    }
}

/// The tenant of most of what is seen: others have delegated theirs.
fn home_of(subscriptions: &[Subscription]) -> String {
    let mut tenants: Vec<&str> = subscriptions.iter().map(|it| it.tenant.as_str()).collect();
    tenants.sort_unstable();
    let groups = tenants.chunk_by(|one, other| one == other);
    groups
        .rev()
        .max_by_key(|group| group.len())
        .and_then(|group| group.first())
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn tenant_id(text: &str) -> Result<String, String> {
    let sound = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if sound { Ok(text.into()) } else { Err("expected the id of a tenant, or one of its domains".into()) }
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (0.1..=100.0).contains(factor));
    factor.ok_or_else(|| "expected a number from 0.1 to 100".into())
}

/// A number with its unit: `90s`, `15m`, `12h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number with its unit, such as 90s, 15m, 12h or 7d".to_string();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(seconds).filter(|it| *it > 0).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "12", "h", "0s", "-1s", "1.5h", "99999999999999999999d", "9999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_home_is_the_tenant_of_most() {
        let of = |id: &str, tenant: &str| Subscription { id: id.into(), name: String::new(), tenant: tenant.into() };
        assert_eq!(home_of(&[of("1", "b"), of("2", "a"), of("3", "b")]), "b");
        assert_eq!(home_of(&[of("1", "b"), of("2", "a")]), "a", "of as many, the first by name");
        assert_eq!(home_of(&[]), "");
    }
}
