//! Claims: two contexts may lead to one cluster, which is read once, for the first of them.

use std::time::Duration;

use tokio::sync::watch;

/// How long a cluster waits for those before it to say who they are.
const PATIENCE: Duration = Duration::from_secs(5);

/// The claim of one context, among those of all.
#[derive(Clone)]
pub(super) struct Claims {
    index: usize,
    all: watch::Sender<Vec<Claim>>,
}

/// What a context has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Claim {
    #[default]
    Silent,
    /// It leads nowhere, or to a cluster that cannot be told from others.
    None,
    /// The cluster of this uid, under this name.
    Cluster(String, String),
}

impl Claims {
    /// The claims of so many contexts, in their order.
    pub(super) fn of(count: usize) -> Vec<Self> {
        let all = watch::Sender::new(vec![Claim::Silent; count]);
        (0..count).map(|index| Self { index, all: all.clone() }).collect()
    }

    /// Claims nothing.
    pub(super) fn settle(&self, claim: Option<(&str, &str)>) {
        let claim = claim.map_or(Claim::None, |(uid, name)| Claim::Cluster(uid.into(), name.into()));
        self.all.send_modify(|all| {
            if let Some(own) = all.get_mut(self.index) {
                *own = claim;
            }
        });
    }

    /// Who else reads the cluster of this uid, if somebody does; else it is claimed.
    pub(super) async fn taken(&self, uid: &str, name: &str) -> Option<String> {
        if uid.is_empty() {
            self.settle(None);
            return None;
        }
        let mut changes = self.all.subscribe();
        let before = changes.wait_for(|all| all.iter().take(self.index).all(|claim| *claim != Claim::Silent));
        // Who is not there by then has to look whether somebody else came first.
        let _ = tokio::time::timeout(PATIENCE, before).await;
        let mut other = None;
        self.all.send_modify(|all| {
            other = all.iter().find_map(|claim| match claim {
                Claim::Cluster(of, name) if of == uid => Some(name.clone()),
                _ => None,
            });
            if let Some(own) = all.get_mut(self.index) {
                *own = if other.is_some() { Claim::None } else { Claim::Cluster(uid.into(), name.into()) };
            }
        });
        other
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn wait<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.map(|runtime| runtime.block_on(work)).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_first_context_has_the_cluster_however_late_it_speaks() {
        wait(async {
            let claims = Claims::of(3);
            let (second, first, third) = tokio::join!(
                claims[1].taken("uid", "second"),
                claims[0].taken("uid", "first"),
                claims[2].taken("other", "third")
            );
            assert_eq!((first, second, third), (None, Some("first".into()), None));
        });
    }

    #[test]
    fn nobody_waits_for_a_context_that_leads_nowhere() {
        wait(async {
            let claims = Claims::of(2);
            let (second, ()) = tokio::join!(claims[1].taken("uid", "second"), async { claims[0].settle(None) });
            assert_eq!(second, None);
        });
    }
}
