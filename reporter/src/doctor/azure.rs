//! What Azure says of the caller's roles, held against the needs.

use super::need::{Need, What};
use super::permission::{Permission, grant};
use super::{Answer, Place};
use crate::live::azure::Granted;

/// Whether everything is allowed in a subscription or a tenant.
pub(super) fn examine(granted: Granted, subscription: &[Need], tenant: &[Need]) -> Place {
    match granted {
        Granted::Subscription(name, roles) => {
            let roles = roles.and_then(|roles| {
                let roles: Result<Vec<Permission>, _> = roles.into_iter().map(serde_json::from_value).collect();
                roles.map_err(|_| "what Azure says of the caller's roles is no list of permissions".into())
            });
            let answer = |need: &Need| match (&roles, &need.what) {
                (Ok(roles), What::Action(action)) if grant(roles, action) => Answer::Has,
                (Ok(_), _) => Answer::Lacks,
                (Err(why), _) => Answer::Unknown(why.clone()),
            };
            place(name, subscription, answer)
        }
        Granted::Tenant(name, applications, root) => {
            let of =
                |need: &Need| if matches!(need.what, What::Action(_)) { Some(&root) } else { applications.as_ref() };
            let asked: Vec<Need> = tenant.iter().filter(|need| of(need).is_some()).cloned().collect();
            place(name, &asked, |need| match of(need) {
                Some(Ok(true)) => Answer::Has,
                Some(Ok(false)) => Answer::Lacks,
                Some(Err(why)) => Answer::Unknown(why.clone()),
                None => Answer::Unknown("it was not asked".into()),
            })
        }
    }
}

fn place(name: String, needs: &[Need], answer: impl Fn(&Need) -> Answer) -> Place {
    let answers = needs.iter().map(|need| (need.clone(), answer(need)));
    Place { name: format!("azure://{name}"), answers: answers.collect() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::doctor::need;

    fn lacks(roles: Result<Vec<serde_json::Value>, String>) -> Vec<String> {
        let place = examine(Granted::Subscription("s".into(), roles), &need::of_subscription(), &[]);
        let lacking = place.answers.into_iter().filter(|(_, answer)| *answer == Answer::Lacks);
        lacking.map(|(need, _)| need.what.to_string()).collect()
    }

    #[test]
    fn the_role_definition_grants_everything_and_without_one_action_exactly_that_lacks() {
        let definition = need::role_definition(&need::of_subscription(), &[]);
        let actions = definition["Actions"].as_array().cloned().unwrap_or_default();
        assert_eq!(lacks(Ok(vec![json!({"actions": actions, "notActions": []})])), [""; 0]);
        for without in 0..actions.len() {
            let mut fewer = actions.clone();
            let dropped = fewer.remove(without);
            assert_eq!(json!(lacks(Ok(vec![json!({"actions": fewer})]))), json!([dropped]));
        }
    }

    #[test]
    fn reader_has_everything_and_nobody_nothing() {
        assert_eq!(lacks(Ok(vec![json!({"actions": ["*/read"], "notActions": []})])), [""; 0]);
        assert_eq!(lacks(Ok(Vec::new())).len(), need::of_subscription().len());
    }

    #[test]
    fn what_azure_does_not_say_is_unknown_and_lacks_not() {
        for roles in [Err("it is throttled".to_owned()), Ok(vec![json!({"actions": "*"})]), Ok(vec![json!(7)])] {
            let place = examine(Granted::Subscription("s".into(), roles), &need::of_subscription(), &[]);
            assert!(place.answers.iter().all(|(_, answer)| matches!(answer, Answer::Unknown(_))), "{place:?}");
        }
        let place = examine(
            Granted::Tenant("t".into(), Some(Err("no token".into())), Err("no token".into())),
            &[],
            &need::of_tenant(),
        );
        assert!(place.answers.iter().all(|(_, answer)| matches!(answer, Answer::Unknown(_))), "{place:?}");
    }
}
