//! The library that asks Entra for tokens is too old for what its pods ask of it.
//!
//! The webhook injects a token and four variables, and it is the Azure Identity library that makes use
//! of them. Before these versions it knows nothing of them, and `DefaultAzureCredential` goes on to the
//! identity of the node, or fails: 1.9.0 of `Azure.Identity` (.NET), 1.3.0 of `azidentity` (Go), 1.9.0 of
//! `azure-identity` (Java), 3.2.0 of `@azure/identity` (JavaScript), 1.13.0 of `azure-identity` (Python),
//! 1.6.0 of `azure-identity-cpp`. ADAL, AppAuthentication, `msrestazure` and their like never learnt it,
//! but for Go's, which can from 0.9.19 on. A beta comes before its release.
//!
//! Pods that ask for an identity binding of AKS need more: `azidentity` 1.14.0-beta.3,
//! `com.azure:azure-identity` 1.19.0-beta.2, `@azure/identity` 4.14.0-beta.2, Python's `azure-identity`
//! 1.26.0b2; in .NET `Azure.Core` 1.55.0, or exactly 1.18.0-beta.3 of `Azure.Identity`.
//!
//! What a program is made of is read in its bill of materials (CycloneDX or SPDX) and in lock files. The
//! finding is high if a workload that uses workload identity runs the image, medium if nobody is known to
//! run it, and info if those who are known to do not use workload identity: they could not.
//!
//! Libraries that are there for tests or development, or are not delivered, are passed over, and so is a
//! retired one beside a sufficient one of its language, which is most often somebody else's dependency.
//!
//! # Fails
//!
//! ```yaml
//! bomFormat: CycloneDX
//! specVersion: "1.6"
//! metadata: {component: {type: container, name: "registry.example.com/shop/cart:1.4"}}
//! components:
//! - {type: library, name: Azure.Identity, version: 1.8.2, purl: "pkg:nuget/Azure.Identity@1.8.2"}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec: {serviceAccountName: cart, containers: [{name: cart, image: "registry.example.com/shop/cart:1.4"}]}
//! ```
//!
//! ```yaml
//! spdxVersion: SPDX-2.3
//! SPDXID: SPDXRef-DOCUMENT
//! name: registry.example.com/shop/till
//! documentDescribes: [SPDXRef-till]
//! packages:
//! - {SPDXID: SPDXRef-till, name: registry.example.com/shop/till, versionInfo: "2", primaryPackagePurpose: CONTAINER}
//! - SPDXID: SPDXRef-azidentity
//!   name: github.com/Azure/azure-sdk-for-go/sdk/azidentity
//!   versionInfo: v1.3.0-beta.5
//!   externalRefs: [{referenceCategory: PACKAGE-MANAGER, referenceType: purl, referenceLocator: "pkg:golang/github.com/Azure/azure-sdk-for-go/sdk/azidentity@v1.3.0-beta.5"}]
//! ```
//!
//! ```yaml
//! # the retired library, alone
//! bomFormat: CycloneDX
//! components:
//! - {type: library, name: adal, version: 1.2.7, purl: "pkg:pypi/adal@1.2.7"}
//! ```
//!
//! ```yaml
//! # the pods ask for an identity binding
//! bomFormat: CycloneDX
//! metadata: {component: {type: container, name: "registry.example.com/shop/cart:1.4"}}
//! components:
//! - {type: library, group: com.azure, name: azure-identity, version: 1.18.1, purl: "pkg:maven/com.azure/azure-identity@1.18.1?type=jar"}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "true"}
//! spec: {serviceAccountName: cart, containers: [{name: cart, image: "registry.example.com/shop/cart:1.4"}]}
//! ```
//!
//! ```yaml
//! # those who run it do not use workload identity yet
//! bomFormat: CycloneDX
//! metadata: {component: {type: container, name: "registry.example.com/shop/cart:1.4"}}
//! components:
//! - {type: library, name: Azure.Identity, version: 1.8.2, purl: "pkg:nuget/Azure.Identity@1.8.2"}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {serviceAccountName: cart, containers: [{name: cart, image: "registry.example.com/shop/cart:1.4"}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a sufficient version
//! bomFormat: CycloneDX
//! components:
//! - {type: library, name: Azure.Identity, version: 1.9.0, purl: "pkg:nuget/Azure.Identity@1.9.0"}
//! - {type: library, group: "@azure", name: identity, version: 3.2.0, purl: "pkg:npm/%40azure/identity@3.2.0"}
//! ```
//!
//! ```yaml
//! # for tests, or not delivered
//! bomFormat: CycloneDX
//! components:
//! - {type: library, name: Azure.Identity, version: 1.8.2, scope: excluded, purl: "pkg:nuget/Azure.Identity@1.8.2"}
//! - type: library
//!   name: identity
//!   group: "@azure"
//!   version: 3.1.0
//!   purl: "pkg:npm/%40azure/identity@3.1.0"
//!   properties: [{name: "cdx:npm:package:development", value: "true"}]
//! ```
//!
//! ```yaml
//! # a retired library beside a sufficient one
//! bomFormat: CycloneDX
//! components:
//! - {type: library, name: adal, version: 1.2.7, purl: "pkg:pypi/adal@1.2.7"}
//! - {type: library, name: azure-identity, version: 1.16.0, purl: "pkg:pypi/azure-identity@1.16.0"}
//! ```
//!
//! ```yaml
//! # the one of Go that can
//! bomFormat: CycloneDX
//! components:
//! - {type: library, name: github.com/Azure/go-autorest/autorest/adal, version: v0.9.23, purl: "pkg:golang/github.com/azure/go-autorest/autorest/adal@v0.9.23"}
//! ```
//!
//! ```yaml
//! # the version is not known
//! bomFormat: CycloneDX
//! components:
//! - {type: library, name: Azure.Identity, purl: "pkg:nuget/Azure.Identity"}
//! ```
//!
//! ```yaml
//! # .NET's transport carries identity bindings
//! bomFormat: CycloneDX
//! metadata: {component: {type: container, name: "registry.example.com/shop/cart:1.4"}}
//! components:
//! - {type: library, name: Azure.Identity, version: 1.17.1, purl: "pkg:nuget/Azure.Identity@1.17.1"}
//! - {type: library, name: Azure.Core, version: 1.55.0, purl: "pkg:nuget/Azure.Core@1.55.0"}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "true"}
//! spec: {serviceAccountName: cart, containers: [{name: cart, image: "registry.example.com/shop/cart:1.4"}]}
//! ```
use crate::model::{Ecosystem, Library, PACKAGES, Part};
use crate::prelude::*;
use crate::release::Release;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a library that asks for Azure's tokens is too old for workload identity",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Software(check)],
};

/// The only version of .NET's library that speaks to identity bindings by itself.
const BINDING_BETA: &str = "1.18.0-beta.3";

/// A library that does not do, and what would.
struct Short<'a> {
    library: &'a Library,
    why: &'static str,
    needed: String,
}

fn check(software: &Software, trust: &Trust<'_>) -> Verdict {
    let mut short: Vec<Short<'_>> = software.delivered().filter_map(|library| too_old(library, software)).collect();
    let of_bindings = software.delivered().filter_map(|library| unbound(library, software));
    let of_bindings: Vec<Short<'_>> =
        of_bindings.filter(|it| short.iter().all(|own| own.library != it.library)).collect();
    if short.is_empty() && of_bindings.is_empty() {
        return unread(software);
    }
    let running = trust.running(software);
    let users: Vec<&Workload> =
        running.iter().copied().filter(|it| it.opts_in() || it.brings_azure_token()).collect();
    let hop = if short.is_empty() { Hop::Binding } else { Hop::Program };
    if users.iter().any(|it| it.opts_in() && it.uses_identity_binding()) {
        short.extend(of_bindings);
    }
    let Some(first) = short.first() else { return unread(software) };
    let others = match short.len() - 1 {
        0 => String::new(),
        1 => ", and another library is too old as well".into(),
        more => format!(", and {more} other libraries are too old as well"),
    };
    let severity = match (users.is_empty(), running.is_empty()) {
        (false, _) => RULE.severity,
        (true, true) => Severity::Medium,
        (true, false) => Severity::Info,
    };
    let message = format!("`{}` {}{others}; {}", first.library.shown(), first.why, used_by(&users, &running));
    let mut needed: Vec<&str> = short.iter().map(|it| it.needed.as_str()).collect();
    needed.sort_unstable();
    needed.dedup();
    let shown = || short.iter().map(|it| it.library.shown()).collect::<Vec<_>>();
    Ok(Some(
        Finding::new(severity, format!("libraries[{}]", first.library.package.name), message)
            .with_made("libraries", shown)
            .breaks_if(severity == RULE.severity, hop)
            .expected(&first.needed, Some(&first.library.shown()))
            .with_made("workloads", || standing(&running).into_iter().map(address).collect::<Vec<_>>())
            .fix(format!("use {}; build and deploy anew", needed.join(", and "))),
    ))
}

/// A library that cannot exchange the token of a workload.
fn too_old<'a>(library: &'a Library, software: &Software) -> Option<Short<'a>> {
    let package = library.package;
    if package.part == Part::Transport {
        return None;
    }
    if package.least.is_some_and(|least| Release::is_below(&library.version, least) != Some(true)) {
        return None;
    }
    let needed = if package.part == Part::Identity {
        needed(package.name, package.least)
    } else {
        let successor = PACKAGES.iter().find(|it| it.part == Part::Identity && it.ecosystem == package.ecosystem)?;
        let sufficient = |it: &Library| {
            it.package == successor && Release::is_below(&it.version, successor.least.unwrap_or_default()) != Some(true)
        };
        if software.delivered().any(sufficient) {
            return None;
        }
        format!("{} in place of `{}`", needed(successor.name, successor.least), package.name)
    };
    Some(Short { library, why: "cannot use the token that the webhook injects", needed })
}

/// A library by which pods with an identity binding get no token.
fn unbound<'a>(library: &'a Library, software: &Software) -> Option<Short<'a>> {
    let package = library.package;
    if package.ecosystem == Ecosystem::NuGet {
        // It is the transport that has to know; where it is not listed, nothing is known.
        let beta = |it: &Library| it.package.part == Part::Identity && it.version == BINDING_BETA;
        if package.part != Part::Transport || software.delivered().any(beta) {
            return None;
        }
        software.delivered().find(|it| it.package.part == Part::Identity && it.package.ecosystem == Ecosystem::NuGet)?;
    }
    let least = package.binding?;
    (Release::is_below(&library.version, least) == Some(true)).then(|| Short {
        library,
        why: "knows nothing of identity bindings",
        needed: needed(package.name, Some(least)),
    })
}

/// Without a finding: whether there is a library of which no version is known.
fn unread(software: &Software) -> Verdict {
    let unread = |it: &&Library| it.package.least.is_some() && Release::of(&it.version).is_none();
    match software.delivered().find(unread) {
        Some(library) if library.package.part == Part::Identity => {
            Err(Unknown(Key::Value(format!("the version of {} in {}", library.package.name, software.name))))
        }
        _ => Ok(None),
    }
}

fn needed(name: &str, least: Option<&str>) -> String {
    format!("`{name}` {} or later", least.unwrap_or_default())
}

/// The workloads that stand for those they control.
fn standing<'a>(users: &[&'a Workload]) -> Vec<&'a Workload> {
    let own: Vec<&Workload> = users.iter().copied().filter(|it| it.controller.is_none()).collect();
    if own.is_empty() { users.to_vec() } else { own }
}

fn used_by(users: &[&Workload], running: &[&Workload]) -> String {
    match standing(users).as_slice() {
        [] if running.is_empty() => "no workload that was read is known to run it".into(),
        [] => "no workload that was read and runs it uses workload identity".into(),
        [one] => format!("{} runs it with workload identity", address(one)),
        [one, others @ ..] => format!("{} and {} more run it with workload identity", address(one), others.len()),
    }
}

fn address(workload: &Workload) -> String {
    format!("{} `{}/{}`", workload.kind.kind, workload.namespace, workload.name)
}
