//! The last link of a walk: does a credential trust the token that the pods present?

use wiguard_rules::catalogue::mending;
use wiguard_rules::exchange::{Presented, Refusal, presented};
use wiguard_rules::model::{ClientId, Identity};
use wiguard_rules::near::{self, Field};
use wiguard_rules::remedy::remedy;

use super::walk::{State, Step, Walker};

impl Walker<'_, '_> {
    /// The last link: the credentials of the identities that are asked for.
    pub(super) fn credentials(&mut self, asked: &[ClientId]) -> Option<()> {
        let presented = match presented(self.workload, self.trust) {
            Ok(Some(presented)) => presented,
            Ok(None) => return Some(()),
            Err(unknown) => return self.add(Step::unknown("credential", &unknown)),
        };
        self.answers(&presented, asked)
    }

    /// What the identities that are asked for answer.
    pub(super) fn answers(&mut self, presented: &Presented<'_>, asked: &[ClientId]) -> Option<()> {
        for client_id in asked {
            let step = match presented.answer(client_id.clone(), self.trust) {
                Ok(None) => self.trusted(presented, client_id),
                Ok(Some(refusal)) => match presented.unread_audience(&refusal, self.workload, self.trust) {
                    Some(unread) => Step::unknown("credential", &unread),
                    None => self.refused(presented, &refusal),
                },
                Err(unknown) => Step::unknown("credential", &unknown),
            };
            self.add(step)?;
        }
        Some(())
    }

    fn trusted(&self, presented: &Presented<'_>, client_id: &ClientId) -> Step {
        let identity = self.trust.identity(client_id).known().ok().flatten();
        let seen = identity.map_or(&[][..], |identity: &Identity| self.trust.credentials_seen(identity));
        let trusts = seen.iter().find(|credential| presented.is_trusted_by(credential) == Some(true));
        let name = trusts.map_or("one", |credential| credential.name.as_str());
        let token = presented.token(seen);
        Step::new("credential", State::Holds, format!("{name} trusts this token"))
            .detail(format!("issuer    {}", token.issuer))
            .detail(format!("subject   {}", token.subject))
            .detail(format!("audience  {}", token.audience))
    }

    fn refused(&self, presented: &Presented<'_>, refusal: &Refusal<'_>) -> Step {
        let token = presented.token(&refusal.credentials);
        let nearest = near::nearest(&token, &refusal.credentials);
        let name = refusal.name();
        let message = match &nearest {
            Some(miss) => {
                format!("{name} trusts no such token; the nearest is its credential {}", miss.credential.name)
            }
            None => format!("{name} has no federated credential for this token"),
        };
        let mut step = Step::new("credential", State::Broken, message);
        let presented_values = [
            (Field::Issuer, "issuer", token.issuer.as_str()),
            (Field::Subject, "subject", token.subject.as_str()),
            (Field::Audience, "audience", token.audience.as_str()),
        ];
        for (field, called, value) in presented_values {
            let difference = nearest.as_ref().and_then(|miss| miss.difference(field));
            let actual = nearest.as_ref().map(|_| difference.map_or(value, |other| other.trusted.as_str()));
            step = step.compare(called, value, actual);
        }
        if let Some(miss) = &nearest {
            step = step.detail(format!("the {}", miss.words()));
        }
        if refusal.knows_all_of(presented.issuer, self.trust) {
            step = step.detail(format!("Entra will answer {}", near::aadsts(&token, &refusal.credentials)));
        }
        if let Some(other) = presented.trusted_by(self.trust) {
            step = step.detail(format!(
                "another identity trusts it, {}: does the client id name the wrong one?",
                self.trust.parent_name(other)
            ));
        }
        if let Some(remedy) = remedy(refusal, presented, self.trust) {
            step = step.detail(remedy.words());
        }
        let fix = mending(self.workload, presented, refusal, self.trust);
        step.fix(fix.unwrap_or_else(|| refusal.repair(&token, nearest.as_ref(), self.trust)))
    }
}
