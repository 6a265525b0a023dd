//! The same estate as files: what `az` prints of it, written for scans that read no cloud, and
//! read to make a cloud of an estate that lies on a disk.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::estate::{Application, Cluster, Credential, Credentials, Estate, Identity, Subscription};
use super::manager::role;

impl Estate {
    /// Writes what `az` prints into a folder: `roles.json`, `identities.json`, `credentials.json` with an array
    /// for each identity, `apps.json`, `app-credentials/APP_ID.json`, and a file for each cluster.
    ///
    /// # Errors
    /// Whatever the file system refuses.
    pub fn print(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder.join("app-credentials"))?;
        let (mut identities, mut roles) = (Vec::new(), Vec::new());
        let mut credentials = BufWriter::new(fs::File::create(folder.join("credentials.json"))?);
        for subscription in &self.subscriptions {
            let tenant = self.tenant_of(subscription);
            roles.extend((0..subscription.roles.len()).map(|at| flat(role(subscription, at), "")));
            for identity in &subscription.identities {
                let id = identity.id(&subscription.id);
                identities.push(flat(identity.nested(&subscription.id, tenant), &identity.group));
                let list: Vec<Value> =
                    identity.credentials.iter().map(|it| flat(it.nested(&id, true), &identity.group)).collect();
                writeln!(credentials, "{}", Value::from(list))?;
            }
            for cluster in &subscription.clusters {
                let name = cluster.printed["name"].as_str().unwrap_or_default();
                fs::write(folder.join(format!("cluster-{name}.json")), cluster.printed.to_string())?;
            }
        }
        credentials.flush()?;
        fs::write(folder.join("roles.json"), Value::from(roles).to_string())?;
        fs::write(folder.join("identities.json"), Value::from(identities).to_string())?;
        let applications: Vec<&Application> = self.tenants.iter().flat_map(|it| &it.applications).collect();
        let objects: Vec<&Value> = applications.iter().map(|it| &it.object).collect();
        fs::write(folder.join("apps.json"), json!(objects).to_string())?;
        for application in applications {
            let name = application.object["appId"].as_str().unwrap_or_default();
            let path = folder.join("app-credentials").join(format!("{name}.json"));
            fs::write(path, Value::from(application.credentials(true)).to_string())?;
        }
        Ok(())
    }

    /// The cloud behind an estate of files, which lie as those of `testdata/estate` do.
    ///
    /// # Errors
    /// If a file is missing or is no JSON.
    pub fn of_files(folder: &Path) -> io::Result<Self> {
        let identities = read(&folder.join("azure/identities.json"))?;
        let first = identities.get(0).cloned().unwrap_or_default();
        let mut estate = Self::of_tenant(text(&first, "tenantId"), "Norvind Freight");
        let id = text(&first, "id").split('/').nth(2).unwrap_or_default().to_owned();
        let mut subscription = Subscription { id, name: "production".into(), ..Subscription::default() };
        for printed in identities.as_array().into_iter().flatten() {
            let name = text(printed, "name");
            let list = read(&folder.join(format!("azure/credentials/{name}.json")))?;
            subscription.identities.push(Identity {
                name: name.into(),
                group: text(printed, "resourceGroup").into(),
                location: text(printed, "location").into(),
                client_id: text(printed, "clientId").into(),
                principal_id: text(printed, "principalId").into(),
                credentials: Credentials::Listed(list.as_array().into_iter().flatten().map(credential).collect()),
            });
        }
        for object in read(&folder.join("azure/apps.json"))?.as_array().into_iter().flatten() {
            let path = folder.join(format!("azure/app-credentials/{}.json", text(object, "appId")));
            let list = read(&path)?;
            let credentials = list.as_array().into_iter().flatten().map(|it| (text(it, "id").into(), credential(it)));
            estate.tenants[0]
                .applications
                .push(Application { object: object.clone(), credentials: credentials.collect() });
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?.path();
            for (file, arc) in [("aks.json", false), ("connectedk8s.json", true)] {
                if entry.join(file).is_file() {
                    let printed = read(&entry.join(file))?;
                    subscription.clusters.push(Cluster { arc, printed, bindings: Vec::new() });
                }
            }
        }
        subscription.clusters.sort_by(|one, other| one.id().cmp(other.id()));
        estate.subscriptions.push(subscription);
        Ok(estate)
    }
}

/// An object of Azure Resource Manager as `az` prints it.
fn flat(mut nested: Value, group: &str) -> Value {
    if let Some(members) = nested.as_object_mut() {
        if let Some(Value::Object(properties)) = members.remove("properties") {
            members.extend(properties);
        }
        members.insert("resourceGroup".into(), json!(group));
    }
    nested
}

fn credential(printed: &Value) -> Credential {
    let expression = printed.pointer("/claimsMatchingExpression/value").and_then(Value::as_str);
    Credential {
        name: text(printed, "name").into(),
        issuer: text(printed, "issuer").into(),
        subject: printed["subject"].as_str().map(Into::into),
        expression: expression.map(Into::into),
        audience: printed["audiences"][0].as_str().unwrap_or_default().into(),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn read(path: &Path) -> io::Result<Value> {
    let bytes = fs::read(path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    serde_json::from_slice(&bytes).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}
