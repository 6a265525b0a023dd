//! `wiguard doctor`: what a scan must be allowed to do, whether it is, and the roles that allow
//! exactly that.
//!
//! ```text
//! kinds, actions ─▶ needs ─┬─▶ asked of clusters and of Azure ─▶ answers ─▶ print
//!                          └─▶ ClusterRole, role definition ────────────────▶
//! ```

mod azure;
mod cluster;
pub mod need;
mod permission;
mod print;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::mpsc;
use wiguard_rules::model::PodBearing;

use crate::cli::Failure;
use crate::config::Config;
use crate::live::kube::kinds::Kind;
use crate::live::{Live, Readers, Session, Shard, Stop};
use crate::progress;
use need::{Need, What};

/// The arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  nothing lacks, or nothing was asked
  1  something lacks
  2  wrong usage
  3  something could not be asked
  4  wiguard itself failed

EXAMPLES:
  wiguard doctor --kube --azure
  wiguard doctor --cluster-role | kubectl apply -f -
  wiguard doctor --kube --pod-bearing example.com/v1/Widget=spec.podTemplate
  wiguard doctor --role-definition > role.json && az role definition create --role-definition role.json")]
pub struct Doctor {
    #[command(flatten)]
    live: Live,
    /// What is needed to read this namespace alone, by a Role in it
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Option<String>,
    /// What is needed to read the objects of this kind too, as with scan; repeatable
    #[arg(long = "pod-bearing", value_name = "API_VERSION/KIND=PATH", value_parser = PodBearing::declared)]
    bearing: Vec<&'static PodBearing>,
    /// Read the configuration from FILE, for the kinds it declares [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = As::Table, value_name = "FORMAT")]
    output: As,
    /// Print the ClusterRole alone, for kubectl; nothing is asked
    #[arg(long, conflicts_with_all = ["role_definition", "output"])]
    cluster_role: bool,
    /// Print the role definition alone, for az; nothing is asked
    #[arg(long, conflicts_with = "output")]
    role_definition: bool,
    #[command(flatten)]
    progress: progress::Flags,
}

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum As {
    /// For people
    Table,
    /// For programs
    Json,
}

/// What is needed in one place, and whether it is there.
#[derive(Debug)]
struct Place {
    /// The place as the report of a scan names it: `kube://CONTEXT`, `azure://SUBSCRIPTION`.
    name: String,
    answers: Vec<(Need, Answer)>,
}

/// Whether something is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Has,
    Lacks,
    /// Nobody could be asked: why.
    Unknown(String),
    /// Nobody was to be asked.
    Unasked,
}

/// Everything that is needed, and the roles that grant it.
struct Findings {
    places: Vec<Place>,
    roles: Vec<Value>,
    role_definition: Value,
    permissions: Vec<&'static str>,
}

impl Doctor {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If what was typed makes no sense, or standard output cannot be written.
    pub fn run(self) -> Result<u8, Failure> {
        let config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        let declared: Vec<_> = self.bearing.iter().copied().chain(config.bearing()).collect();
        let of_cluster = self.of_cluster(self.live.kube.likely(&declared));
        let (of_subscription, of_tenant) = (need::of_subscription(), need::of_tenant());
        let mut findings = Findings {
            places: Vec::new(),
            roles: need::roles(&of_cluster),
            role_definition: need::role_definition(&of_subscription, &self.live.azure.scopes()),
            permissions: need::permissions(&of_tenant),
        };
        if self.cluster_role {
            return print::write(|out| print::roles(out, &findings.roles)).map(|()| 0);
        }
        if self.role_definition {
            return print::write(|out| print::json(out, &findings.role_definition)).map(|()| 0);
        }
        findings.places = if self.live.is_wanted() {
            self.ask(&declared, &of_subscription, &of_tenant)?
        } else {
            let unasked = |name: &str, needs: Vec<Need>| {
                let answers = needs.into_iter().map(|need| (need, Answer::Unasked));
                Place { name: name.into(), answers: answers.collect() }
            };
            vec![
                unasked("each cluster", of_cluster),
                unasked("each subscription", of_subscription),
                unasked("each tenant", of_tenant),
            ]
        };
        // Which resources declared kinds are is for each cluster to say.
        let asked: Vec<Need> =
            findings.places.iter().flat_map(|place| &place.answers).map(|(it, _)| it.clone()).collect();
        if asked.iter().any(|need| matches!(need.what, What::Resource { .. })) {
            findings.roles = need::roles(&asked);
        }
        print::write(|out| match self.output {
            As::Table => print::table(out, &findings),
            As::Json => print::json(out, &print::document(&findings)),
        })?;
        Ok(status(&findings.places))
    }

    /// What is needed of a cluster that serves the declared kinds like that.
    fn of_cluster(&self, declared: Vec<Kind>) -> Vec<Need> {
        need::of_cluster(self.live.kube.kinds().chain(declared), self.namespace.as_deref())
    }

    fn ask(
        &self,
        declared: &[&'static PodBearing],
        subscription: &[Need],
        tenant: &[Need],
    ) -> Result<Vec<Place>, Failure> {
        let progress = self.progress.show();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.context("could not start the runtime").map_err(Failure::Internal)?;
        let places = runtime.block_on(async {
            let stop = Stop::on_signal(&progress).context("could not wait for Ctrl-C").map_err(Failure::Internal)?;
            let session = Session {
                feeds: mpsc::channel(1).0,
                progress: progress.clone(),
                stop,
                shard: Shard::WHOLE,
                readers: Readers::default(),
            };
            let clusters = self.live.kube.clients(&session).await?;
            let azure = self.live.azure.granted(&session).await?;
            progress.say("asking");
            let session = &session;
            let clusters = clusters.into_iter().map(|(name, client)| async move {
                let kinds = match &client {
                    Ok(client) if !declared.is_empty() => self.live.kube.served(client, declared, session).await,
                    _ => self.live.kube.likely(declared),
                };
                cluster::examine(name, client, &self.of_cluster(kinds), session).await
            });
            let mut places = join_all(clusters).await;
            places.extend(azure.into_iter().map(|granted| azure::examine(granted, subscription, tenant)));
            Ok(places)
        });
        progress.say("");
        places
    }
}

/// What could not be asked weighs more than what lacks, as what could not be read does in a scan.
fn status(places: &[Place]) -> u8 {
    let answers = || places.iter().flat_map(|place| &place.answers).map(|(_, answer)| answer);
    if answers().any(|answer| matches!(answer, Answer::Unknown(_))) {
        3
    } else {
        u8::from(answers().any(|answer| *answer == Answer::Lacks))
    }
}

/// A name that Kubernetes takes for a namespace (RFC 1123).
fn namespace(text: &str) -> Result<String, String> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is = text.len() <= 63
        && text.bytes().all(|c| plain(c) || c == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain);
    if is { Ok(text.into()) } else { Err("expected the name of a namespace".into()) }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Place, namespace, need, status};

    fn place(answers: &[Answer]) -> Place {
        let needs = need::of_subscription().into_iter();
        Place { name: String::new(), answers: needs.zip(answers.iter().cloned()).collect() }
    }

    #[test]
    fn what_could_not_be_asked_weighs_more_than_what_lacks() {
        let unknown = || Answer::Unknown("why".into());
        assert_eq!(status(&[place(&[Answer::Has, Answer::Unasked])]), 0);
        assert_eq!(status(&[place(&[Answer::Has, Answer::Lacks]), place(&[Answer::Has])]), 1);
        assert_eq!(status(&[place(&[Answer::Has, unknown()]), place(&[Answer::Lacks])]), 3);
        assert_eq!(status(&[place(&[unknown()])]), 3);
        assert_eq!(status(&[]), 0);
    }

    #[test]
    fn a_namespace_cannot_be_more_than_a_name() {
        assert!(namespace("shop-2").is_ok());
        for wrong in ["", "-a", "a-", "a/b", "Shop", "a b", "a\n", &"a".repeat(64)] {
            assert!(namespace(wrong).is_err(), "{wrong}");
        }
    }
}
