//! Near misses: in what a credential differs from the token that a workload presents, and what Entra
//! will answer.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::model::{Audience, DEFAULT_AUDIENCE, FederatedIdentityCredential, Issuer, Subject};
pub use crate::repair::{annotate, shell};
use crate::trust::Trust;

#[cfg(test)]
mod tests;

/// What a workload presents to Entra.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The cluster's issuer.
    pub issuer: Issuer,
    /// The ServiceAccount's subject.
    pub subject: Subject,
    /// The audience its projection asks for.
    pub audience: Audience,
}

/// One field in which a credential differs from a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: Field,
    /// How.
    pub how: How,
    /// What the workload presents.
    pub presented: String,
    /// What the credential trusts.
    pub trusted: String,
}

/// The compared fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `issuer`
    Issuer,
    /// `subject`
    Subject,
    /// `audiences`
    Audience,
}

/// How two values differ: from the slightest to none of a likeness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// In upper and lower case alone.
    Case,
    /// In a trailing slash alone.
    Slash,
    /// In white space alone.
    Space,
    /// Namespace and name are swapped.
    Swapped,
    /// In one or two characters.
    Typo,
    /// In the namespace.
    Namespace,
    /// In the name of the ServiceAccount.
    Name,
    /// It is the issuer of another cluster.
    OtherCluster,
    /// In everything.
    Other,
}

/// A credential that misses a token, and by how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss<'a> {
    /// The credential.
    pub credential: &'a FederatedIdentityCredential,
    /// Where it differs, in the order issuer, subject, audience.
    pub differences: Vec<Difference>,
}

/// The credential that comes nearest to trusting `token`; `None` if there is none at all.
/// Flexible credentials are left out.
pub fn nearest<'a>(token: &Token, credentials: &[&'a FederatedIdentityCredential]) -> Option<Miss<'a>> {
    let misses = credentials.iter().filter_map(|credential| miss(token, credential));
    misses.min_by(|a, b| {
        (a.distance(), &a.credential.name, &a.credential.id).cmp(&(b.distance(), &b.credential.name, &b.credential.id))
    })
}

/// Where a credential differs from a token; `None` for a flexible one.
pub fn miss<'a>(token: &Token, credential: &'a FederatedIdentityCredential) -> Option<Miss<'a>> {
    let subject = credential.subject.as_ref()?;
    let mut differences = Vec::new();
    if credential.issuer != token.issuer {
        let how = issuers(&token.issuer, &credential.issuer);
        differences.push(Difference::new(Field::Issuer, how, token.issuer.as_str(), credential.issuer.as_str()));
    }
    if *subject != token.subject {
        let how = subjects(&token.subject, subject);
        differences.push(Difference::new(Field::Subject, how, token.subject.as_str(), subject.as_str()));
    }
    if !credential.audiences.contains(&token.audience) {
        let trusted = credential.audiences.first().map(Audience::as_str).unwrap_or_default();
        let how = texts(token.audience.as_str(), trusted);
        differences.push(Difference::new(Field::Audience, how, token.audience.as_str(), trusted));
    }
    Some(Miss { credential, differences })
}

fn issuers(presented: &Issuer, trusted: &Issuer) -> How {
    if presented.differs_by_slash(trusted) {
        How::Slash
    } else if presented.differs_by_case(trusted) {
        How::Case
    } else if presented.as_str().trim() == trusted.as_str().trim() {
        How::Space
    } else if edits_within(presented.as_str(), trusted.as_str(), 2) {
        How::Typo
    } else if [presented, trusted].iter().all(|issuer| issuer.is_azure_kubernetes() && !issuer.is_identity_binding()) {
        How::OtherCluster
    } else {
        How::Other
    }
}

fn subjects(presented: &Subject, trusted: &Subject) -> How {
    match texts(presented.as_str(), trusted.as_str()) {
        How::Other | How::Typo => {}
        how => return how,
    }
    let (Some((namespace, name)), Some((other_namespace, other_name))) =
        (presented.service_account(), trusted.service_account())
    else {
        return texts(presented.as_str(), trusted.as_str());
    };
    if namespace == other_name && name == other_namespace {
        How::Swapped
    } else if edits_within(presented.as_str(), trusted.as_str(), 2) {
        How::Typo
    } else if name == other_name {
        How::Namespace
    } else if namespace == other_namespace {
        How::Name
    } else {
        How::Other
    }
}

fn texts(presented: &str, trusted: &str) -> How {
    let dense = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
    if presented.eq_ignore_ascii_case(trusted) {
        How::Case
    } else if dense(presented) == dense(trusted) {
        How::Space
    } else if edits_within(presented, trusted, 2) {
        How::Typo
    } else {
        How::Other
    }
}

/// The error code by which Entra refuses `token` to an identity with these credentials: it names
/// the first claim, of issuer, subject and audience, that none of them matches (Microsoft Entra,
/// AADSTS error code reference). An expression that does not hold counts as the subject.
pub fn aadsts(token: &Token, credentials: &[&FederatedIdentityCredential]) -> &'static str {
    if credentials.is_empty() {
        return "AADSTS70025";
    }
    let code = |credential: &&FederatedIdentityCredential| match miss(token, credential) {
        Some(miss) => miss.aadsts(),
        None if credential.issuer != token.issuer => "AADSTS700211",
        None if credential.admits(&token.subject) == Some(true) => "AADSTS700212",
        None => "AADSTS700213",
    };
    let codes = credentials.iter().map(code);
    let furthest = ["AADSTS700212", "AADSTS7002138", "AADSTS700213"];
    let rank = |code: &str| furthest.iter().position(|known| *known == code).unwrap_or(furthest.len());
    codes.min_by_key(|code| rank(code)).unwrap_or("AADSTS700211")
}

/// Whether a subject means to be that of a ServiceAccount, however it is misspelt.
pub fn is_like_kubernetes(subject: &Subject) -> bool {
    const STEM: &str = "system:serviceaccount";
    subject.as_str().trim().get(..STEM.len()).is_some_and(|stem| stem.eq_ignore_ascii_case(STEM))
}

/// Whether `a` becomes `b` by at most `limit` insertions, deletions and substitutions of characters.
pub fn edits_within(a: &str, b: &str, limit: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = alloc::vec![left];
        for (&y, &above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            next.push(left);
        }
        if next.iter().all(|&cell| cell > limit) {
            return false;
        }
        row = next;
    }
    row.last().is_some_and(|&edits| edits <= limit)
}

// === impl Miss ===

impl Miss<'_> {
    // Any audience is nearer than another ServiceAccount or issuer: it says nothing of who is meant.
    fn distance(&self) -> u32 {
        let weight = |difference: &Difference| match difference.how {
            How::Case | How::Slash | How::Space => 2,
            How::Typo | How::Swapped => 4,
            How::Other if difference.field == Field::Audience => 5,
            How::Namespace | How::Name => 8,
            How::OtherCluster => 10,
            How::Other => 100,
        };
        self.differences.iter().map(weight).sum()
    }

    /// The error code of Entra if this is the identity's only credential; see [`aadsts`].
    pub fn aadsts(&self) -> &'static str {
        match (self.difference(Field::Issuer), self.difference(Field::Subject)) {
            (Some(_), _) => "AADSTS700211",
            (None, Some(Difference { how: How::Case, .. })) => "AADSTS7002138",
            (None, Some(_)) => "AADSTS700213",
            (None, None) => "AADSTS700212",
        }
    }

    /// The difference in `field`.
    pub fn difference(&self, field: Field) -> Option<&Difference> {
        self.differences.iter().find(|difference| difference.field == field)
    }

    /// Whether the credential is meant for this very token and merely misspelt, so that it should
    /// be corrected; else another one is to be added beside it.
    pub fn is_misspelt(&self) -> bool {
        self.differences.iter().all(Difference::is_misspelling)
    }

    /// Whether the credential means this token: it is misspelt, or differs in a slip of the pen.
    #[cfg(feature = "audit")]
    pub fn is_meant(&self) -> bool {
        self.differences.iter().all(|difference| difference.how == How::Typo || difference.is_misspelling())
    }

    /// In words: `subject differs in case`.
    pub fn words(&self) -> String {
        self.differences.iter().map(Difference::words).collect::<Vec<_>>().join(", ")
    }

    /// As evidence.
    pub fn evidence(&self, trust: &Trust<'_>) -> serde_json::Value {
        serde_json::json!({
            "identity": trust.parent_name(self.credential),
            "name": self.credential.name,
            "issuer": self.credential.issuer,
            "subject": self.credential.subject,
            "audiences": self.credential.audiences,
            "differs": self.differences.iter().map(|difference| serde_json::json!({
                "field": difference.field.as_str(),
                "how": difference.how.as_str(),
                "presented": difference.presented,
                "trusted": difference.trusted,
            })).collect::<Vec<_>>(),
        })
    }
}

// === impl Difference ===

impl Difference {
    fn new(field: Field, how: How, presented: &str, trusted: &str) -> Self {
        Self { field, how, presented: presented.to_string(), trusted: trusted.to_string() }
    }

    fn words(&self) -> String {
        format!("{} {}", self.field.as_str(), self.how.words())
    }

    fn is_misspelling(&self) -> bool {
        match self.how {
            How::Case | How::Slash | How::Space | How::Swapped => true,
            // an identity holds one credential of an issuer and subject, whatever its audience
            _ => self.field == Field::Audience,
        }
    }
}

impl Field {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Subject => "subject",
            Self::Audience => "audience",
        }
    }

    /// Its path in a credential.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Subject => "subject",
            Self::Audience => "audiences",
        }
    }
}

impl How {
    /// A word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Slash => "trailing-slash",
            Self::Space => "white-space",
            Self::Swapped => "swapped",
            Self::Typo => "typo",
            Self::Namespace => "namespace",
            Self::Name => "service-account",
            Self::OtherCluster => "other-cluster",
            Self::Other => "other",
        }
    }

    /// Words for people, after the field's name.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Case => "differs in upper and lower case",
            Self::Slash => "differs in the trailing slash",
            Self::Space => "differs in white space",
            Self::Swapped => "has namespace and name swapped",
            Self::Typo => "differs in one or two characters",
            Self::Namespace => "names another namespace",
            Self::Name => "names another ServiceAccount",
            Self::OtherCluster => "is that of another cluster",
            Self::Other => "differs",
        }
    }
}

impl Token {
    /// The token that a credential trusts; `None` if it is flexible.
    pub fn trusted_by(credential: &FederatedIdentityCredential) -> Option<Self> {
        Some(Self {
            issuer: credential.issuer.clone(),
            subject: credential.subject.clone()?,
            audience: credential.audiences.first().cloned().unwrap_or_else(|| DEFAULT_AUDIENCE.into()),
        })
    }
}
