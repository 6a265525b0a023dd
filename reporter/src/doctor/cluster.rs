//! Asking a cluster: its API server says itself what the caller may do, without anything being done.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use kube::{Client, Error};

use super::need::{Need, What};
use super::{Answer, Place};
use crate::live::{Session, Stop, kube as live};

/// Questions that are under way at once.
const AT_ONCE: usize = 4;
/// How often one is asked where the server fails.
const TRIES: u32 = 3;
/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(30);

/// Asks whether everything is allowed.
pub(super) async fn examine(name: String, client: Result<Client, String>, needs: &[Need], session: &Session) -> Place {
    let answers = match client {
        Ok(client) => ask(&client, needs, &session.stop).await,
        Err(why) => vec![Answer::Unknown(why); needs.len()],
    };
    Place { name: format!("kube://{name}"), answers: needs.iter().cloned().zip(answers).collect() }
}

/// The answers, in the order of the needs.
async fn ask(client: &Client, needs: &[Need], stop: &Stop) -> Vec<Answer> {
    let Some((first, rest)) = needs.split_first() else { return Vec::new() };
    let first = may(client, &first.what, stop.clone()).await;
    if let Answer::Unknown(_) = first {
        // Whoever does not answer the first question does not answer the others.
        return vec![first; needs.len()];
    }
    let rest = stream::iter(rest).map(|need| may(client, &need.what, stop.clone())).buffered(AT_ONCE);
    stream::iter([first]).chain(rest).collect().await
}

async fn may(client: &Client, what: &What, mut stop: Stop) -> Answer {
    let asked = async {
        let mut tried = 1;
        loop {
            match tokio::time::timeout(LONGEST, review(client, what)).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(Error::Api(status))) if (status.code == 429 || status.code >= 500) && tried < TRIES => {}
                Ok(Err(Error::Api(status))) => {
                    return Answer::Unknown(format!("the API server did not say what is allowed ({})", status.code));
                }
                Ok(Err(error)) => return Answer::Unknown(live::told(&error)),
                Err(_) => return Answer::Unknown(format!("no answer within {} s", LONGEST.as_secs())),
            }
            tokio::time::sleep(Duration::from_secs(1) * tried).await;
            tried += 1;
        }
    };
    tokio::select! {
        () = stop.wait() => Answer::Unknown("stopped before it was asked".into()),
        answer = asked => answer,
    }
}

async fn review(client: &Client, what: &What) -> Result<Answer, Error> {
    let spec = match what {
        What::Resource { verb, group, resource, namespace, name } => SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some((*verb).into()),
                group: Some((*group).into()),
                resource: Some((*resource).into()),
                namespace: namespace.clone(),
                name: name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        What::Path(path) => SelfSubjectAccessReviewSpec {
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some((*path).into()),
                verb: Some("get".into()),
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        What::Action(_) | What::Permission(_) => return Ok(Answer::Unasked),
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(match answer.status {
        Some(status) if status.allowed => Answer::Has,
        Some(_) => Answer::Lacks,
        None => Answer::Unknown("the API server's answer says nothing".into()),
    })
}
