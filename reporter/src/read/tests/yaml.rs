//! YAML of every shape, whole and broken.

use std::fmt::Write as _;

use serde_json::json;

use super::bench::*;
use crate::read::Segment::{Index, Key};
use crate::read::{Limits, Place, Wrapper, locate};

#[test]
fn documents_are_told_apart() {
    let seen = clean(
        "# a comment\n---\nid: 1\n---\n# nothing\n---\nid: 2\n...\n%YAML 1.1\n---\nid: 3\n--- \n{\"n\": 4}\n---\n~\n",
    );
    assert_eq!(numbers(&seen), [1, 2, 3, 4]);
    assert_eq!(seen.iter().map(|seen| seen.line).collect::<Vec<_>>(), [3, 7, 11, 13]);
    assert_eq!(numbers(&clean("---\r\nid: 1\r\n---\r\nid: 2\r\n")), [1, 2]);
    assert_eq!(numbers(&clean("{id: 1, a: [b, c]}")), [1]);
    assert_eq!(numbers(&clean("{\"n\":1}\n---\nid: 2\n")), [1, 2]);
    assert!(clean("# only this\n---\n").is_empty());
}

#[test]
fn scalars_and_styles_become_json() {
    let seen = clean(concat!(
        "a: yes\nb: \"yes\"\nc: 0755\nd: ~\ne: 2024-01-02\nf: !!str 12\ng: |\n  one\n  two\nh: >-\n  three\n  four\n",
        "i: 'it''s'\nj:\nk: [1, {x: z}]\n1: one\ntrue: t\nl: !!int \"3\"\nm: \"\\u00fc\\n\"\n"
    ));
    assert_eq!(
        seen[0].json,
        json!({
            "a": true, "b": "yes", "c": 493, "d": null, "e": "2024-01-02", "f": "12", "g": "one\ntwo\n", "h": "three four",
            "i": "it's", "j": null, "k": [1, {"x": "z"}], "1": "one", "true": "t", "l": 3, "m": "ü\n",
        })
    );
}

#[test]
fn anchors_aliases_and_merges_are_resolved() {
    let seen = clean(
        "a: &a {x: 1, v: 2}\nb: *a\nc:\n  <<: *a\n  v: 3\nd:\n  z: 0\n  <<: [*a, {x: 9, w: 8}]\ne: &s text\nf: *s\n",
    );
    assert_eq!(
        seen[0].json,
        json!({
            "a": {"x": 1, "v": 2}, "b": {"x": 1, "v": 2}, "c": {"x": 1, "v": 3},
            "d": {"z": 0, "x": 1, "v": 2, "w": 8}, "e": "text", "f": "text",
        })
    );
}

#[test]
fn documents_that_explode_or_nest_are_refused() {
    let mut laughs = String::from("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        writeln!(laughs, "a{level}: &a{level} [{}]", [alias.as_str(); 9].join(",")).unwrap();
    }
    let (seen, defects) = read(format!("{laughs}---\nid: 2\n"));
    assert_eq!(numbers(&seen), [2]);
    assert!(defects[0].message.contains("aliases repeat too much"), "{defects:?}");
    for deep in ["[".repeat(100_000), "- ".repeat(10_000), "a: {".repeat(50_000)] {
        let (_, defects) = read(format!("x: 1\ny:\n  {deep}\n---\nid: 2\n"));
        assert_eq!(defects.len(), 1, "{:?}", told(&defects));
    }
    let (_, defects) = read("a: &a [*a]\n");
    assert_eq!(defects.len(), 1);
}

#[test]
fn a_key_named_twice_is_a_defect_with_its_line() {
    let (seen, defects) = read("id: 1\n---\na:\n  b: 1\n  c: 2\n  b: 3\n---\nid: 3\n");
    assert_eq!(numbers(&seen), [1, 3]);
    assert_eq!(defects[0].line, Some(6));
    assert!(defects[0].message.contains("`b` appears twice"), "{defects:?}");
}

#[test]
fn a_list_is_cut_and_located() {
    let text =
        "apiVersion: v1\nitems:\n- id: 1\n  a:\n    b: c\n- id: 2\n  items:\n  - x: 1\nkind: List\nmetadata: {}\n";
    for whole in [0, 1 << 20] {
        let limits = Limits { yaml_whole: whole, ..Limits::default() };
        let (seen, defects) = read_with(text, &limits);
        assert_eq!(defects, []);
        assert_eq!(numbers(&seen), [1, 2], "{whole}");
        assert_eq!((seen[0].line, seen[1].line), (3, 6));
        assert_eq!(seen[0].text, "- id: 1\n  a:\n    b: c\n");
        assert_eq!(seen[1].json, json!({"id": 2, "items": [{"x": 1}]}));
        assert_eq!(locate(&seen[0].text, &[Key("a"), Key("b")]), Some(2));
        assert_eq!(locate(&seen[1].text, &[Key("items"), Index(0), Key("x")]), Some(2));
        let Place::Element { list, envelope: 0 } = &seen[0].place else { panic!("{seen:?}") };
        assert_eq!(list.api_version.as_deref(), Some("v1"));
        assert_eq!(seen[2].json, json!({"apiVersion": "v1", "items": [], "kind": "List", "metadata": {}}));
        assert_eq!(seen[2].place, Place::Envelope { id: 0, elements: 2, complete: true, wrapper: Wrapper::Items });
    }
}

#[test]
fn one_broken_element_does_not_sink_the_rest() {
    let list = "apiVersion: v1\nitems:\n  - id: 1\n  - id: 2\n    a: [\n  - id: 3\n    b: {{ .Values.x }}\n  - id: 4\n    a: 1\n    a: 2\n  - id: 5\nkind: PodList\n";
    for (whole, rest) in [(0, ""), (1 << 20, ""), (0, "---\nid: 9\n"), (1 << 20, "---\nid: 9\n")] {
        let limits = Limits { yaml_whole: whole, ..Limits::default() };
        let (seen, defects) = read_with(format!("{list}{rest}"), &limits);
        let expected: &[u64] = if rest.is_empty() { &[1, 5] } else { &[1, 5, 9] };
        assert_eq!(numbers(&seen), expected, "{whole}: {:?}", told(&defects));
        assert_eq!(defects.len(), 3, "{:?}", told(&defects));
        assert_eq!(defects[2].line, Some(10));
        assert_eq!(envelopes(&seen)[0].json, json!({"apiVersion": "v1", "items": [], "kind": "PodList"}));
        assert!(matches!(envelopes(&seen)[0].place, Place::Envelope { elements: 5, .. }));
    }
}

#[test]
fn a_bare_yaml_list_is_cut_too() {
    for whole in [0, 1 << 20] {
        let limits = Limits { yaml_whole: whole, ..Limits::default() };
        let (seen, defects) = read_with("- id: 1\n  a:\n  - b\n-\n  id: 2\n# end\n---\n- id: 3\n", &limits);
        assert_eq!((numbers(&seen), defects), (vec![1, 2, 3], vec![]));
        assert_eq!(envelopes(&seen).len(), 2);
        assert_eq!(envelopes(&seen)[1].json, json!([]));
    }
}

#[test]
fn long_lists_are_never_whole_in_memory() {
    let mut text = String::from("apiVersion: v1\nitems:\n");
    for n in 0..60_000 {
        writeln!(
            text,
            "- id: {n}\n  metadata:\n    name: some-name-{n}\n    text: |\n      ---x\n      - y\n\n      kind: z"
        )
        .unwrap();
    }
    text.push_str("kind: List\n");
    let seen = clean(text);
    assert_eq!(numbers(&seen), (0..60_000).collect::<Vec<_>>());
    assert_eq!(seen[1].json["metadata"]["text"], json!("---x\n- y\n\nkind: z\n"));
    assert_eq!(seen[59_999].line, 3 + 59_999 * 8);
    assert_eq!(envelopes(&seen)[0].json, json!({"apiVersion": "v1", "items": [], "kind": "List"}));
}

#[test]
fn what_is_too_large_is_passed_over_and_named() {
    let limits = Limits { piece: 4096, yaml_document: 4096, yaml_whole: 1024, ..Limits::default() };
    let large = "  b: x\n".repeat(2000);
    let (seen, defects) = read_with(format!("id: 1\n---\na:\n{large}---\nid: 3\n"), &limits);
    assert_eq!((numbers(&seen), defects.len(), defects[0].line), (vec![1, 3], 1, Some(2)));
    let large = "  - x\n".repeat(2000);
    let (seen, defects) = read_with(format!("items:\n- id: 1\n- id: 2\n  a:\n{large}- id: 3\n- id: 4\n"), &limits);
    assert_eq!((numbers(&seen), defects.len(), defects[0].line), (vec![1, 3, 4], 1, Some(3)));
    let line = "y".repeat(3 << 20);
    let (seen, defects) = read_with(format!("a: {line}\nb: 1\n---\nid: 2\n"), &limits);
    assert_eq!((numbers(&seen), defects.len()), (vec![2], 1));
}

#[test]
fn what_was_never_meant_is_told_with_what_to_give() {
    for (text, hint) in [
        ("resource \"azurerm_user_assigned_identity\" \"x\" {\n  name = \"a\"\n}\n", "terraform show -json"),
        ("param location string\nresource id 'Microsoft.ManagedIdentity/x@2023' = {\n  name: 'a'\n}\n", "bicep build"),
        ("#!/bin/sh\necho hello\n", "is a script"),
        ("just some prose, and no more", "is text, not an object"),
    ] {
        let (seen, defects) = read(text);
        assert!(seen.is_empty());
        assert_eq!(defects.len(), 1, "{defects:?}");
        assert!(defects[0].message.contains(hint), "{defects:?}");
        assert!(defects[0].foreign);
    }
    let (_, defects) = read("{{- if .Values.x }}\napiVersion: v1\nkind: Pod\n{{- end }}\n");
    assert!(defects[0].message.contains("helm template") && !defects[0].foreign, "{defects:?}");
}

#[test]
fn hostile_yaml_never_panics() {
    let base = b"apiVersion: v1\nitems:\n- id: &a [1, {x: y}]\n  b: *a\n- <<: {c: d}\n  'q': \"z\\n\"\n  t: |-\n    text\nkind: !!str List\n---\n? k\n: v\n";
    for seed in 1..6000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = base.to_vec();
        for _ in 0..1 + dice.below(6) {
            let at = dice.below(bytes.len());
            let put = b"{}[]\",:&*!|>-?#%@`'\n\t \\\x7f"[dice.below(24)];
            if dice.below(2) == 0 { bytes[at] = put } else { bytes.insert(at, put) }
        }
        let limits = Limits { yaml_whole: if seed % 2 == 0 { 0 } else { 1 << 20 }, ..Limits::default() };
        let (seen, _) = read_with(bytes, &limits);
        for seen in seen {
            let _ = locate(&seen.text, &[Key("b"), Index(1), Key("x")]);
        }
    }
}
