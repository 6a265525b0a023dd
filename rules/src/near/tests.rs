#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::model::{Origin, Parent};

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";

fn token() -> Token {
    Token { issuer: ISSUER.into(), subject: Subject::of("shop", "cart"), audience: "api://AzureADTokenExchange".into() }
}

fn credential(name: &str, issuer: &str, subject: &str, audience: &str) -> FederatedIdentityCredential {
    FederatedIdentityCredential {
        name: name.into(),
        id: String::new(),
        parent: Parent::Unknown,
        issuer: issuer.into(),
        subject: Some(subject.into()),
        audiences: alloc::vec![audience.into()],
        expression: None,
        declared: None,
        origin: Origin::default(),
    }
}

#[test]
fn each_difference_has_its_word_and_code() {
    let audience = "api://AzureADTokenExchange";
    let right = "system:serviceaccount:shop:cart";
    let other = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333/";
    for (issuer, subject, audience, how, code) in [
        (ISSUER.trim_end_matches('/'), right, audience, How::Slash, "AADSTS700211"),
        (&*ISSUER.to_uppercase(), right, audience, How::Case, "AADSTS700211"),
        (other, right, audience, How::OtherCluster, "AADSTS700211"),
        ("https://example.com", right, audience, How::Other, "AADSTS700211"),
        (&*format!(" {ISSUER}"), right, audience, How::Space, "AADSTS700211"),
        (&*ISSUER.replace("22222222/", "22222223/"), right, audience, How::Typo, "AADSTS700211"),
        (ISSUER, "system:serviceaccount:cart:shop", audience, How::Swapped, "AADSTS700213"),
        (ISSUER, "system:serviceaccount:shop:Cart", audience, How::Case, "AADSTS7002138"),
        (ISSUER, "system:serviceaccount:shop:carts", audience, How::Typo, "AADSTS700213"),
        (ISSUER, "system:serviceaccount:staging:cart", audience, How::Namespace, "AADSTS700213"),
        (ISSUER, "system:serviceaccount:shop:checkout", audience, How::Name, "AADSTS700213"),
        (ISSUER, "system:serviceaccount:staging:checkout", audience, How::Other, "AADSTS700213"),
        (ISSUER, "system:serviceaccount:staging:shop", audience, How::Other, "AADSTS700213"),
        (ISSUER, " system:serviceaccount:shop:cart", audience, How::Space, "AADSTS700213"),
        (ISSUER, right, "api://azureadtokenexchange", How::Case, "AADSTS700212"),
        (ISSUER, right, "api://AzureADTokenExchang", How::Typo, "AADSTS700212"),
        (ISSUER, right, "https://vault.azure.net", How::Other, "AADSTS700212"),
    ] {
        let credential = credential("fc", issuer, subject, audience);
        let miss = miss(&token(), &credential).unwrap();
        assert_eq!(miss.differences.iter().map(|d| d.how).collect::<Vec<_>>(), [how], "{issuer} {subject} {audience}");
        assert_eq!(miss.aadsts(), code, "{issuer} {subject} {audience}");
    }
}

#[test]
fn the_nearest_is_the_slightest_miss() {
    let far = credential("a", "https://example.com", "repo:x", "api://x");
    let namespace = credential("b", ISSUER, "system:serviceaccount:staging:cart", "api://AzureADTokenExchange");
    let case = credential("c", ISSUER, "system:serviceaccount:shop:CART", "api://AzureADTokenExchange");
    assert_eq!(nearest(&token(), &[&far, &namespace, &case]).unwrap().credential.name, "c");
    assert_eq!(nearest(&token(), &[&far, &namespace]).unwrap().credential.name, "b");
    let audience = credential("d", ISSUER, "system:serviceaccount:shop:cart", "https://vault.azure.net");
    assert_eq!(nearest(&token(), &[&namespace, &audience]).unwrap().credential.name, "d");
    let elsewhere =
        credential("a", "https://example.com", "system:serviceaccount:shop:cart", "api://AzureADTokenExchange");
    assert_eq!(nearest(&token(), &[&elsewhere, &namespace]).unwrap().credential.name, "b");
    assert!(nearest(&token(), &[]).is_none());
}

fn flexible(issuer: &str, namespace: &str, audience: &str) -> FederatedIdentityCredential {
    let expression = format!("claims['sub'] matches 'system:serviceaccount:{namespace}:*'");
    let subjectless = credential("flexible", issuer, "", audience);
    FederatedIdentityCredential { subject: None, expression: Some(expression), ..subjectless }
}

#[test]
fn the_code_names_the_first_claim_that_none_matches() {
    let slash =
        credential("a", ISSUER.trim_end_matches('/'), "system:serviceaccount:shop:cart", "api://AzureADTokenExchange");
    let namespace = credential("b", ISSUER, "system:serviceaccount:staging:cart", "api://AzureADTokenExchange");
    let case = credential("c", ISSUER, "system:serviceaccount:shop:CART", "api://AzureADTokenExchange");
    let audience = credential("d", ISSUER, "system:serviceaccount:shop:cart", "api://x");
    for (credentials, code) in [
        (&[][..], "AADSTS70025"),
        (&[&slash][..], "AADSTS700211"),
        (&[&slash, &namespace][..], "AADSTS700213"),
        (&[&slash, &namespace, &case][..], "AADSTS7002138"),
        (&[&case, &audience, &slash][..], "AADSTS700212"),
        (&[&flexible(ISSUER, "shipping", "api://AzureADTokenExchange")][..], "AADSTS700213"),
        (&[&flexible(ISSUER, "shop", "api://x")][..], "AADSTS700212"),
        (&[&flexible("https://example.com", "shop", "api://AzureADTokenExchange")][..], "AADSTS700211"),
        (&[&flexible(ISSUER, "shipping", "api://AzureADTokenExchange"), &slash][..], "AADSTS700213"),
    ] {
        assert_eq!(aadsts(&token(), credentials), code);
    }
}

#[test]
fn only_what_is_meant_for_the_token_is_corrected() {
    for (subject, audience, expected) in [
        ("system:serviceaccount:shop:CART", "api://AzureADTokenExchange", true),
        ("system:serviceaccount:cart:shop", "api://AzureADTokenExchange", true),
        ("system:serviceaccount:shop:cart", "api://AzureADTokenExchang", true),
        ("system:serviceaccount:shop:cart", "https://vault.azure.net", true),
        ("system:serviceaccount:staging:cart", "api://AzureADTokenExchange", false),
        ("system:serviceaccount:shop:checkout", "api://AzureADTokenExchange", false),
    ] {
        let credential = credential("fc", ISSUER, subject, audience);
        assert_eq!(miss(&token(), &credential).unwrap().is_misspelt(), expected, "{subject} {audience}");
    }
}

#[test]
fn what_means_a_service_account_starts_like_one() {
    for (subject, expected) in [
        ("system:serviceaccount:shop:cart", true),
        (" System:ServiceAccount", true),
        ("system:serviceaccounts:shop", true),
        ("repo:shop/cart:ref:refs/heads/main", false),
        ("system", false),
    ] {
        assert_eq!(is_like_kubernetes(&subject.into()), expected, "{subject}");
    }
}

#[test]
fn edits_are_counted() {
    for (a, b, limit, expected) in [
        ("cart", "cart", 0, true),
        ("cart", "crat", 2, true),
        ("cart", "crat", 1, false),
        ("", "ab", 2, true),
        ("", "abc", 2, false),
        ("x", "y", 1, true),
        ("c", "c", 2, true),
        ("xcar", "care", 2, true),
        ("xcar", "care", 1, false),
    ] {
        assert_eq!(edits_within(a, b, limit), expected, "{a} {b} {limit}");
    }
}

#[test]
fn what_is_meant_differs_in_nothing_but_slips() {
    let is_meant = |issuer: &str, subject: &str, audience: &str| {
        let credential = credential("fc", issuer, subject, audience);
        miss(&token(), &credential).unwrap().is_meant()
    };
    let (right, audience) = ("system:serviceaccount:shop:cart", "api://AzureADTokenExchange");
    assert!(is_meant(ISSUER, "system:serviceaccount:shop:carts", audience));
    assert!(is_meant(ISSUER.trim_end_matches('/'), "system:serviceaccount:shop:carts", audience));
    assert!(is_meant(ISSUER, right, "api://x"));
    assert!(!is_meant(ISSUER, "system:serviceaccount:shop:other-account", audience));
    assert!(!is_meant("https://example.com", right, "api://x"), "one of two is no slip");
}
