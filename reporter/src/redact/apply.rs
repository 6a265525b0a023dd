//! Where names stand: every member of every fact, by what it holds.

use std::sync::Arc;

use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::registration::NAME_LABEL;
use wiguard_rules::model::{
    Body, Container, Custom, EnvFrom, Expression, ImageReference, OPERATORS, Pairs, PodBearing, PodTemplate, Software,
    Token, Value, Volume, Webhook, Workload, annotation, is_set_by_controllers, label,
};
use wiguard_rules::webhook::{MOUNT_PATHS, RESERVED, TOKEN_FILE, TOKEN_VOLUME, Version};

use super::Redactor;
use crate::collect::{Feed, Gap, Home, Reading};
use crate::read::Source;
use crate::snapshot::Header;

impl Redactor {
    /// What a snapshot says of itself.
    pub(crate) fn header(&mut self, header: &mut Header) {
        // The flags that name nothing.
        let plain = |asked: &str| ["--kube", "--azure"].contains(&asked);
        header.asked.iter_mut().filter(|asked| !plain(asked)).for_each(|asked| self.name(asked));
        self.text(&mut header.run);
        header.namespace.iter_mut().for_each(|namespace| self.name(namespace));
        for (image, path) in &mut header.images {
            self.image(image);
            self.name(path);
        }
        for (name, path) in header.clusters.iter_mut().chain(&mut header.identities) {
            self.name(name);
            self.name(path);
        }
    }

    /// What a source gave.
    pub(crate) fn feed(&mut self, feed: &mut Feed) {
        self.name(&mut feed.source);
        if let Some(Home { name, uid, issuer }) = &mut feed.cluster {
            self.name(name);
            self.text(uid);
            issuer.iter_mut().for_each(|issuer| self.text(&mut issuer.0));
        }
        for gone in &mut feed.gone {
            self.text(&mut gone.namespace);
            self.text(&mut gone.name);
        }
        feed.manifests.iter_mut().for_each(|manifest| self.manifest(manifest));
        feed.resources.iter_mut().for_each(|resource| self.resource(resource));
        feed.proofs.iter_mut().for_each(|proof| self.proof(proof));
        for Gap { path, reason, .. } in &mut feed.gaps {
            self.name(path);
            self.prose(reason);
        }
    }

    /// What files said.
    pub(crate) fn reading(&mut self, reading: &mut Reading) {
        let mut facts = std::mem::take(&mut reading.facts);
        for summary in &mut reading.sources {
            let mut path = summary.source.path.clone();
            self.name(&mut path);
            let new = Arc::new(Source { root: summary.source.root, path, found: summary.source.found });
            for (source, _) in facts.iter_mut().filter(|(source, _)| Arc::ptr_eq(source, &summary.source)) {
                *source = Arc::clone(&new);
            }
            summary.source = new;
        }
        for (_, facts) in &mut facts {
            facts.manifests.iter_mut().for_each(|read| self.manifest(&mut read.manifest));
            facts.resources.iter_mut().for_each(|(_, _, resource)| self.resource(resource));
            facts.declared.iter_mut().for_each(|declared| self.declared(declared));
            facts.software.iter_mut().for_each(|(_, software)| self.software(software));
            facts.lists.iter_mut().for_each(|list| self.context(&mut list.context));
        }
        for (_, facts) in &mut facts {
            facts.defects.iter_mut().chain(&mut facts.foreign).for_each(|(_, reason)| self.prose(reason));
        }
        reading.facts = facts;
        for defect in &mut reading.defects {
            self.name(&mut defect.path);
            self.prose(&mut defect.message);
        }
    }

    /// `@odata.context`, of which an application's id is all that matters.
    fn context(&self, context: &mut String) {
        let Some((_, rest)) =
            context.split_once("applications('").or_else(|| context.split_once("applications(appId='"))
        else {
            context.clear();
            return;
        };
        let mut id = rest.split('\'').next().unwrap_or_default().to_owned();
        self.text(&mut id);
        *context = format!("applications('{id}')/federatedIdentityCredentials");
    }

    fn manifest(&mut self, manifest: &mut Manifest) {
        match manifest {
            Manifest::Workload(workload) => self.workload(workload),
            Manifest::ServiceAccount(account) => {
                self.name(&mut account.namespace);
                self.text(&mut account.name);
                self.pairs(&mut account.labels);
                self.pairs(&mut account.annotations);
            }
            Manifest::Namespace(namespace) => {
                self.name(&mut namespace.name);
                self.any_labels(&mut namespace.labels);
            }
            Manifest::Secret(secret) => {
                self.name(&mut secret.namespace);
                self.text(&mut secret.name);
                secret.keys.iter_mut().for_each(|key| self.text(key));
            }
            Manifest::SecretProviderClass(class) => {
                self.name(&mut class.namespace);
                self.text(&mut class.name);
                if let Some(said) = &mut class.azure {
                    self.text(&mut said.client_id);
                    self.text(&mut said.tenant_id);
                }
            }
            Manifest::Custom(custom) => self.custom(custom),
            Manifest::Role(role) => self.role(role),
            Manifest::RoleBinding(binding) => self.role_binding(binding),
            Manifest::Registration(registration) => {
                self.text(&mut registration.name);
                registration.webhooks.iter_mut().for_each(|webhook| self.webhook(webhook));
            }
            Manifest::WebhookSettings(settings) => {
                self.name(&mut settings.namespace);
                self.text(&mut settings.tenant_id);
                // The names of clouds are everybody's.
                if settings.cloud_domain().is_none() {
                    self.text(&mut settings.environment);
                }
            }
            // Kinds alone.
            Manifest::List(_) | Manifest::Other { .. } => {}
        }
    }

    fn webhook(&mut self, webhook: &mut Webhook) {
        self.text(&mut webhook.name);
        if let Some((namespace, name)) = &mut webhook.service {
            self.name(namespace);
            self.text(name);
        }
        for requirement in webhook.pods.0.iter_mut().chain(&mut webhook.namespaces.0) {
            self.label(&mut requirement.key);
            requirement.values.iter_mut().for_each(|value| self.text(value));
        }
        for condition in &mut webhook.conditions {
            self.text(&mut condition.name);
            self.expression(&mut condition.expression);
        }
    }

    fn expression(&self, expression: &mut Expression) {
        match expression {
            Expression::Unread | Expression::Always(_) => {}
            Expression::Namespace(names) => names.iter_mut().for_each(|name| self.text(name)),
            Expression::Not(expression) => self.expression(expression),
            Expression::All(all) | Expression::Any(all) => all.iter_mut().for_each(|it| self.expression(it)),
        }
    }

    /// Labels whatever their keys, of which selectors may name any.
    fn any_labels(&self, labels: &mut Pairs) {
        for pair in &mut labels.0 {
            self.label(&mut pair.key);
            self.text(&mut pair.value);
        }
    }

    /// The key of a label that selectors may name. Those that Kubernetes sets are everybody's.
    fn label(&self, key: &mut String) {
        if key != NAME_LABEL && !is_set_by_controllers(key) {
            self.text(key);
        }
    }

    fn custom(&mut self, custom: &mut Custom) {
        self.name(&mut custom.namespace);
        self.text(&mut custom.name);
        match &mut custom.body {
            Body::PodIdentity(_) => {}
            Body::Scaler(_, name) => self.text(name),
            Body::Bystander(labels, annotations) => {
                self.pairs(labels);
                self.pairs(annotations);
            }
            Body::ProviderClass(said) => {
                self.text(&mut said.client_id);
                self.text(&mut said.tenant_id);
            }
            Body::Store(store) => {
                self.text(&mut store.tenant_id);
                if let Some((namespace, name)) = &mut store.account {
                    namespace.iter_mut().for_each(|namespace| self.text(namespace));
                    self.text(name);
                }
            }
            Body::Trigger(trigger) => {
                self.text(&mut trigger.identity_id);
                self.text(&mut trigger.tenant_id);
            }
            Body::Operator(logins) => {
                for login in logins {
                    self.text(&mut login.client_id);
                    self.text(&mut login.tenant_id);
                    login.account.iter_mut().for_each(|name| self.text(name));
                    if let Some((namespace, name)) = &mut login.claim {
                        self.text(namespace);
                        self.text(name);
                    }
                }
            }
        }
    }

    fn workload(&mut self, workload: &mut Workload) {
        // Kinds are everybody's; the group of one's own may be a domain.
        if let Some(declaration) = workload.kind.declaration()
            && let Some((group, rest)) = declaration.split_once('/')
        {
            let mut group = group.to_owned();
            self.text(&mut group);
            workload.kind = PodBearing::declared(&format!("{group}/{rest}")).unwrap_or(workload.kind);
        }
        self.name(&mut workload.namespace);
        self.text(&mut workload.name);
        workload.controller.iter_mut().for_each(|controller| self.text(&mut controller.name));
        self.pairs(&mut workload.labels);
        self.pairs(&mut workload.job_labels);
        self.pairs(&mut workload.annotations);
        let PodTemplate {
            labels,
            other_labels,
            annotations,
            service_account,
            init_containers,
            containers,
            volumes,
            token_volumes,
            placement: _,
            live: _,
        } = &mut workload.template;
        self.pairs(labels);
        self.any_labels(other_labels);
        self.pairs(annotations);
        service_account.iter_mut().for_each(|name| self.text(name));
        init_containers.iter_mut().chain(containers).for_each(|container| self.container(container));
        for volume in token_volumes {
            self.volume(&mut volume.name);
            for token in &mut volume.tokens {
                self.token_file(&mut token.path);
                self.text(&mut token.audience);
            }
        }
        for volume in volumes {
            match volume {
                Volume::Token(Token { audience, volume, path, lifetime: _ }) => {
                    self.text(&mut audience.0);
                    self.volume(volume);
                    self.token_file(path);
                }
                Volume::SecretsStore(name) | Volume::Claim(name) => self.text(name),
                Volume::AzureStorage => {}
            }
        }
    }

    /// The name of a volume. Of one that the webhook reserves its beginning is kept: the rest is a
    /// digest of the pod's name.
    fn volume(&self, name: &mut String) {
        if name.starts_with(RESERVED) {
            name.truncate(RESERVED.len());
        } else if name != TOKEN_VOLUME {
            self.text(name);
        }
    }

    /// A file in a volume, of which those of the webhook are no names.
    fn token_file(&self, path: &mut String) {
        if !Version::ALL.iter().any(|version| version.token_path() == path) {
            self.text(path);
        }
    }

    /// A path in a container, of which the webhook's folders and files are no names.
    fn path(&self, path: &mut String) {
        let own = MOUNT_PATHS.iter().find(|own| path.starts_with(*own)).map_or(0, |own| own.len());
        let mut rest = path.split_off(own);
        if own == 0 || !Version::ALL.iter().any(|version| version.token_path() == rest.trim_start_matches('/')) {
            self.text(&mut rest);
        }
        path.push_str(&rest);
    }

    fn container(&self, container: &mut Container) {
        for mount in &mut container.mounts {
            self.volume(&mut mount.volume);
            self.path(&mut mount.path);
        }
        if let Some(image) = &mut container.image {
            self.image(image);
        }
        self.text(&mut container.name);
        if let Some(Value::Literal(Some(audience))) = &mut container.audience {
            self.text(audience);
        }
        for variable in &mut container.env {
            match &mut variable.value {
                Value::Literal(Some(text)) if variable.name == TOKEN_FILE => self.path(text),
                // Two of the words by which the SDKs are told which credentials to try.
                Value::Literal(Some(text))
                    if variable.name == "AZURE_TOKEN_CREDENTIALS" && ["dev", "prod"].contains(&text.as_str()) => {}
                Value::Literal(Some(text)) => self.text(text),
                Value::Secret(name, key) | Value::Optional(name, key) => {
                    self.text(name);
                    self.text(key);
                }
                // Keys of the webhook's annotations are no names.
                Value::Literal(None) | Value::Annotation(_) | Value::Elsewhere => {}
            }
        }
        for named in &mut container.token_paths {
            self.path(&mut named.path);
            if named.field != "env[AZURE_FEDERATED_TOKEN_FILE]" {
                self.text(&mut named.field);
            }
        }
        for from in &mut container.env_from {
            match from {
                EnvFrom::Secret(name, prefix) => {
                    self.text(name);
                    self.text(prefix);
                }
                EnvFrom::ConfigMap(name) => self.text(name),
            }
        }
    }

    /// The reference of an image, without what is understood. Images of Microsoft's are everybody's,
    /// and so is what rules know AAD Pod Identity and the webhook by, but for the registry before it.
    fn image(&self, image: &mut String) {
        const OWN: [&str; 2] = ["aad-pod-identity/", "workload-identity/webhook"];
        if image.starts_with("mcr.microsoft.com/") {
            return;
        }
        if let Some(own) = OWN.iter().find_map(|own| image.find(own)) {
            image.drain(..own);
            return;
        }
        let ImageReference { repository, tag, digest } = ImageReference::of(image);
        let mut name = repository.to_owned();
        match OPERATORS.iter().find(|operator| **operator == ImageReference::of(image).name()) {
            // So are those of operators that rules know.
            Some(operator) => name = (*operator).to_owned(),
            None => self.text(&mut name),
        }
        if let Some(tag) = tag {
            let mut tag = tag.to_owned();
            self.text(&mut tag);
            name = format!("{name}:{tag}");
        }
        // A digest tells nothing of a name.
        *image = digest.map_or(name.clone(), |digest| format!("{name}@{digest}"));
    }

    fn software(&self, software: &mut Software) {
        software.images.iter_mut().for_each(|image| self.image(image));
        self.text(&mut software.name);
        if let Some(image) = software.images.first() {
            software.name.clone_from(image);
        }
    }

    /// Labels and annotations of the chain: the keys are those that rules read, or near them, and
    /// some values are no names but what rules measure.
    fn pairs(&self, pairs: &mut Pairs) {
        const MEASURED: [&str; 5] = [
            label::USE,
            annotation::EXPIRATION,
            annotation::INJECT_PROXY,
            annotation::PROXY_PORT,
            annotation::USE_IDENTITY_BINDING,
        ];
        for pair in &mut pairs.0 {
            if !(MEASURED.contains(&pair.key.as_str()) && pair.value.len() <= 8) {
                self.text(&mut pair.value);
            }
        }
    }
}
