//! Which cluster the inventory is for. Two descriptions with one issuer are one cluster: Azure Arc
//! describes what AKS describes too.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{Cluster, ClusterIx, Issuer};

use crate::collect::Tie;

/// `NAME` or `NAME=PATH` as typed.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) name: String,
    tie: Option<Tie>,
}

impl Choice {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, _)) => Ok(Self { name: name.into(), tie: Some(Tie::parse(text)?) }),
            None if text.is_empty() => Err("expected NAME or NAME=PATH".into()),
            None => Ok(Self { name: text.into(), tie: None }),
        }
    }

    pub(super) fn tie(&self) -> Option<Tie> {
        self.tie.clone()
    }
}

const DESCRIBE: &str = "put the output of `az aks show`, `az connectedk8s show` or `kubectl get --raw /.well-known/openid-configuration` beside its objects";

/// The issuer of the cluster asked for, and the clusters of the inventory that have it, the one
/// asked for first.
pub(super) fn choose(
    inventory: &mut Inventory,
    homes: &BTreeMap<String, ClusterIx>,
    name: Option<&str>,
    issuer: Option<Issuer>,
) -> Result<(Issuer, Vec<ClusterIx>)> {
    let (index, issuer) = match (name, issuer) {
        (Some(name), _) => home(inventory, homes, name).map_or_else(|| named(inventory, name), Ok)?,
        (None, Some(issuer)) => (issued(inventory, &issuer)?, issuer),
        (None, None) => only(inventory)?,
    };
    let mut members = vec![ClusterIx(u32::try_from(index)?)];
    for (other, cluster) in (0..).map(ClusterIx).zip(&inventory.clusters) {
        if cluster.issuer.as_ref() == Some(&issuer) && !members.contains(&other) {
            members.push(other);
        }
    }
    Ok((issuer, members))
}

/// A cluster that was read itself under this name.
fn home(inventory: &Inventory, homes: &BTreeMap<String, ClusterIx>, name: &str) -> Option<(usize, Issuer)> {
    let index = homes.get(name)?.0 as usize;
    Some((index, inventory.clusters.get(index)?.issuer.clone()?))
}

fn named(inventory: &Inventory, name: &str) -> Result<(usize, Issuer)> {
    let named = || inventory.clusters.iter().enumerate().filter(|(_, cluster)| cluster.name == name);
    if named().next().is_none() {
        bail!("no source describes a cluster `{name}`; {}", there_are(inventory));
    }
    let mut issued = named().filter_map(|(index, cluster)| Some((index, cluster.issuer.clone()?)));
    let Some(first) = issued.next() else {
        bail!("no source says the issuer of cluster `{name}`; {DESCRIBE}, or say --issuer");
    };
    match issued.find(|(_, issuer)| *issuer != first.1) {
        Some((_, other)) => Err(anyhow!(
            "sources contradict each other: cluster `{name}` has the issuer {} and the issuer {other}; leave out the one that is wrong, or say --issuer",
            first.1
        )),
        None => Ok(first),
    }
}

fn issued(inventory: &mut Inventory, issuer: &Issuer) -> Result<usize> {
    let clusters = &mut inventory.clusters;
    if let Some(index) = clusters.iter().position(|cluster| cluster.issuer.as_ref() == Some(issuer)) {
        return Ok(index);
    }
    if clusters.iter().any(|cluster| cluster.issuer.is_some()) {
        bail!("no cluster that is described has the issuer {issuer}; {}", there_are(inventory));
    }
    // Objects that no source ties to a cluster are this one's, if they are of one.
    match clusters.as_mut_slice() {
        [] => clusters.push(Cluster { issuer: Some(issuer.clone()), ..Cluster::default() }),
        [only] => only.issuer = Some(issuer.clone()),
        _ => bail!("the objects belong to several clusters; say which is meant by --cluster NAME=PATH, and {DESCRIBE}"),
    }
    Ok(0)
}

fn only(inventory: &Inventory) -> Result<(usize, Issuer)> {
    let mut issued =
        (0..).zip(&inventory.clusters).filter_map(|(index, cluster)| Some((index, cluster.issuer.clone()?)));
    let Some(first) = issued.next() else {
        bail!("no source says the issuer of a cluster; {DESCRIBE}, or say --issuer");
    };
    match issued.find(|(_, issuer)| *issuer != first.1) {
        Some(_) => Err(anyhow!("which cluster is it for? {}", there_are(inventory))),
        None => Ok(first),
    }
}

fn there_are(inventory: &Inventory) -> String {
    let clusters = inventory.clusters.iter().filter(|cluster| cluster.issuer.is_some());
    let mut names: Vec<String> = clusters
        .map(|cluster| match (&*cluster.name, &cluster.issuer) {
            ("", Some(issuer)) => format!("--issuer {issuer}"),
            (name, _) => format!("--cluster {name}"),
        })
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() { DESCRIBE.into() } else { format!("say one of {}", names.join(", ")) }
}
