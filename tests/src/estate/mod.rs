//! A believable estate: Norvind Freight, with two AKS clusters, an Arc-enabled one at a depot, a
//! sandbox, and the Azure identities behind them. It is made up from a seed, byte for byte the
//! same each time, healthy for the most part, and broken in the places that its ledger names.

mod azure;
mod big;
mod cast;
mod faults;
mod files;
mod kube;
mod misuse;
mod model;
mod pod;
mod print;
mod profile;
pub mod random;
mod webhook;

use std::{collections::BTreeMap, io, path::Path};

use azure::Azure;
use model::{Cluster, Webhook};

pub use big::{big_azure, big_dump, big_faults};
pub use faults::Fault;

const SEED: u64 = 20_260_828;

/// The estate before it is printed.
pub struct Estate {
    azure: Azure,
    weu: Cluster,
    neu: Cluster,
    edge: Cluster,
    dev: Cluster,
    ledger: Vec<Fault>,
}

// === impl

impl Estate {
    /// The estate of `testdata/estate`.
    #[must_use]
    pub fn seeded() -> Self {
        let azure = Azure::new(SEED);
        let tenant = &azure.tenant;
        let mut estate = Self {
            weu: cluster(SEED, tenant, "prod-weu", "westeurope", "westeurope.oic.prod-aks", Webhook::V1_5_1),
            neu: cluster(SEED, tenant, "prod-neu", "northeurope", "northeurope.oic.prod-aks", Webhook::V1_5_1),
            // Arc names a geography where AKS names a region.
            edge: cluster(SEED, tenant, "edge-fra", "germanywestcentral", "europe.oic.prod-arc", Webhook::V1_6_0),
            dev: cluster(SEED, tenant, "dev-sandbox", "swedencentral", "swedencentral.oic.prod-aks", Webhook::Missing),
            azure,
            ledger: Vec::new(),
        };
        cast::settle(&mut estate);
        faults::seed(&mut estate);
        estate
    }

    /// What is wrong with it, sorted: all findings of medium severity or higher.
    #[must_use]
    pub fn ledger(&self) -> &[Fault] {
        &self.ledger
    }

    /// The ledger as JSON, as it lies beside the estate.
    #[must_use]
    pub fn ledger_json(&self) -> String {
        files::ledger(&self.ledger)
    }

    /// The contents of all its files, by path.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, String> {
        files::files(self)
    }

    /// Writes its files below `folder`, and the ledger beside it as `<folder>-faults.json`.
    ///
    /// # Errors
    /// Whatever the file system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        files::write(&self.files(), folder)?;
        let mut ledger = folder.as_os_str().to_owned();
        ledger.push("-faults.json");
        std::fs::write(ledger, self.ledger_json())
    }
}

fn cluster(
    seed: u64,
    tenant: &str,
    name: &'static str,
    location: &'static str,
    host: &str,
    webhook: Webhook,
) -> Cluster {
    let mut cluster = Cluster {
        seed,
        name,
        location,
        tenant: tenant.to_owned(),
        issuer: String::new(),
        webhook,
        namespaces: BTreeMap::new(),
    };
    cluster.issuer = format!("https://{host}.azure.com/{tenant}/{}/", cluster.random("issuer").guid());
    cluster
}
