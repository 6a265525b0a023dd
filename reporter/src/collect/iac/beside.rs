//! Declared credentials beside those that are: which are the same, and which are one more.

use std::collections::BTreeMap;

use wiguard_rules::declared::{DeclaredCredential, Tool};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{FederatedIdentityCredential, Identity, Parent};

use super::assemble::Owners;
use super::{Declaration, Whose};

/// What is in the inventory already, of each identity.
pub(super) struct Beside {
    /// By identity and name: the place in the inventory.
    by_name: BTreeMap<(String, String), usize>,
    /// By identity, issuer and subject: the document that declares it; none, if it is live.
    by_token: BTreeMap<(String, String, String), Option<u32>>,
}

impl Beside {
    pub(super) fn new(owners: &Owners, inventory: &Inventory) -> Self {
        let mut beside = Self { by_name: BTreeMap::new(), by_token: BTreeMap::new() };
        for (place, credential) in inventory.credentials.iter().enumerate() {
            let (Parent::Resource(id) | Parent::Id(id)) = &credential.parent else { continue };
            let owner = owners.of_id(id).and_then(|owner| inventory.identities.get(owner));
            beside.note(owner.map_or(id, Identity::reference), credential, place, None);
        }
        beside
    }

    fn note(&mut self, of: &str, credential: &FederatedIdentityCredential, place: usize, document: Option<u32>) {
        let of = of.to_ascii_lowercase();
        if let Some(subject) = &credential.subject {
            self.by_token.entry((of.clone(), credential.issuer.0.clone(), subject.0.clone())).or_insert(document);
        }
        self.by_name.entry((of, credential.name.to_ascii_lowercase())).or_insert(place);
    }

    /// The credential of that name.
    fn named<'i>(
        &self,
        credential: &DeclaredCredential,
        inventory: &'i Inventory,
    ) -> Option<&'i FederatedIdentityCredential> {
        let key = (credential.identity.to_ascii_lowercase(), credential.name.to_ascii_lowercase());
        self.by_name.get(&key).and_then(|place| inventory.credentials.get(*place))
    }

    /// The document that declares one of the same issuer and subject; none within, if it is live.
    fn alike(&self, of: &str, credential: &FederatedIdentityCredential) -> Option<Option<u32>> {
        let subject = credential.subject.as_ref()?;
        self.by_token.get(&(of.to_ascii_lowercase(), credential.issuer.0.clone(), subject.0.clone())).copied()
    }

    /// A credential that is declared; into the inventory if Azure was not asked about it and all of
    /// it is known.
    pub(super) fn credential(
        &mut self,
        document: u32,
        declaration: Declaration,
        owners: &Owners,
        inventory: &mut Inventory,
    ) -> DeclaredCredential {
        let Declaration { mut credential, parent } = declaration;
        let owner = owners.owner(document, &parent, inventory).and_then(|index| inventory.identities.get(index));
        credential.identity = match (owner, &parent) {
            (Some(owner), _) => owner.reference().into(),
            (None, Whose::Id(id)) => id.clone(),
            (None, whose) => owners.unnamed(whose, inventory).unwrap_or_default(),
        };
        let Some(made) = made(&credential, &parent, owner).filter(|_| !credential.is_deleted()) else {
            return credential;
        };
        // objects of Kubernetes are one document, whatever file they are in
        let document = if credential.tool == Tool::Operator { u32::MAX } else { document };
        let refuted = owner.is_some_and(|owner| owner.credentials_complete);
        let alike = self.alike(&credential.identity, &made);
        let is_planned = match (self.named(&credential, inventory), alike) {
            (Some(other), _) => credential.is_to_come() && credential.difference(other).is_some(),
            // one more of the same issuer and subject, unless it is the live one under another name
            (None, Some(None)) => credential.is_pending(),
            (None, Some(Some(other))) if other != document => false,
            (None, _) if refuted => credential.is_to_come(),
            (None, _) => {
                let place = inventory.credentials.len();
                self.note(&credential.identity, &made, place, Some(document));
                inventory.credentials.push(made);
                return credential;
            }
        };
        credential.planned = Some(made).filter(|_| is_planned);
        credential
    }
}

/// What will be in Azure; `None` while something of it is unknown.
fn made(
    declared: &DeclaredCredential,
    parent: &Whose,
    owner: Option<&Identity>,
) -> Option<FederatedIdentityCredential> {
    let trusts = declared.subject.is_some() || declared.expression.is_some();
    let parent = match (owner, parent) {
        (Some(owner), _) => Parent::Id(owner.id.clone()),
        (None, Whose::Id(id)) => Parent::Id(id.clone()),
        (None, Whose::Name { .. } | Whose::Declared(_) | Whose::Unknown) => Parent::Unknown,
    };
    (trusts && !declared.name.is_empty()).then_some(FederatedIdentityCredential {
        name: declared.name.clone(),
        id: String::new(),
        parent,
        issuer: declared.issuer.clone()?,
        subject: declared.subject.clone(),
        audiences: declared.audiences.clone()?,
        expression: declared.expression.clone(),
        declared: Some(declared.address.clone()),
        origin: declared.origin,
    })
}
