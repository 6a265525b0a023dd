//! JSON of every shape, whole and broken.

use std::io::Cursor;

use serde_json::{Value, json};

use super::bench::*;
use crate::read::{Limits, Place, Root, Wrapper};

#[test]
fn values_stand_alone_together_or_on_lines() {
    assert_eq!(numbers(&clean(r#"{"n":1}"#)), [1]);
    assert_eq!(numbers(&clean(r#"{"n":1}{"n":2} {"n":3}"#)), [1, 2, 3]);
    let seen = clean("{\"n\":1}\n{\"n\":2}\r\n\n{\n \"n\":3\n}\n{\"n\":4}");
    assert_eq!(numbers(&seen), [1, 2, 3, 4]);
    assert_eq!(seen.iter().map(|seen| seen.line).collect::<Vec<_>>(), [1, 2, 4, 7]);
    assert!(seen.iter().all(|seen| seen.place == Place::Alone));
}

#[test]
fn data_and_value_that_are_no_list_stay_in_their_object() {
    for text in [
        r#"{"n":1,"kind":"Secret","data":{"items":[{"a":1}]}}"#,
        r#"{"n":1,"value":"[{"}"#,
        r#"{"n":1,"items":["a","b"]}"#,
        r#"{"n":1,"spec":{"items":[{"x":1}],"value":[]}}"#,
        r#"{"n":1,"a\"items":[{"x":1}],"xitems":[{}]}"#,
    ] {
        let seen = clean(text);
        assert_eq!(numbers(&seen), [1], "{text}");
        assert_eq!(seen[0].json, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(seen[0].place, Place::Alone);
    }
}

#[test]
fn a_list_is_cut_and_its_envelope_follows() {
    let seen = clean(
        "{\n\"kind\":\"PodList\",\"apiVersion\":\"v1\",\n\"items\": [\n {\"n\":1,\"items\":[{}]},\n {\"n\":2}\n],\n\"metadata\":{\"continue\":\"x\"}}",
    );
    assert_eq!(numbers(&seen), [1, 2]);
    let Place::Element { envelope: 0, list } = &seen[0].place else { panic!("{seen:?}") };
    assert_eq!(
        (list.wrapper, list.kind.as_deref(), list.api_version.as_deref()),
        (Wrapper::Items, Some("PodList"), Some("v1"))
    );
    assert_eq!((seen[0].line, seen[1].line, seen[2].line), (4, 5, 1));
    assert_eq!(seen[2].json, json!({"kind":"PodList","apiVersion":"v1","items":[],"metadata":{"continue":"x"}}));
    assert_eq!(seen[2].place, Place::Envelope { id: 0, elements: 2, complete: true, wrapper: Wrapper::Items });
}

#[test]
fn a_kind_that_comes_late_is_in_the_envelope() {
    let seen = clean(
        r#"{"apiVersion":"v1","items":[{"n":1}],"kind":"List"} {"value":[{"n":2}],"nextLink":"u"} {"data":[{"n":3}],"count":1}"#,
    );
    assert_eq!(numbers(&seen), [1, 2, 3]);
    let Place::Element { list, .. } = &seen[0].place else { panic!() };
    assert_eq!(list.kind, None);
    assert_eq!(
        envelopes(&seen).iter().map(|seen| seen.json.clone()).collect::<Vec<_>>(),
        [
            json!({"apiVersion":"v1","items":[],"kind":"List"}),
            json!({"value":[],"nextLink":"u"}),
            json!({"data":[],"count":1}),
        ]
    );
    assert!(matches!(seen[4].place, Place::Element { envelope: 2, .. }), "{seen:?}");
}

#[test]
fn empty_lists_are_delivered() {
    for (text, wrapper) in [
        (r#"{"items":[]}"#, Wrapper::Items),
        (r#"{"@odata.context":"c","value":[ ]}"#, Wrapper::Value),
        ("[]", Wrapper::Array),
        ("[\n]\n", Wrapper::Array),
    ] {
        let seen = clean(text);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].place, Place::Envelope { id: 0, elements: 0, complete: true, wrapper });
    }
}

#[test]
fn a_bare_array_is_a_list() {
    let seen = clean("[\n  {\"n\":1},\n  {\"n\":2}\n]");
    assert_eq!(numbers(&seen), [1, 2]);
    assert_eq!((seen[1].line, seen[2].json.clone()), (3, json!([])));
}

#[test]
fn elements_that_are_no_objects_are_named_once() {
    let (seen, defects) = read("[{\"n\":1},\n\"a,]{\\\"\", 2, [[{}]], null,\n{\"n\":2}]");
    assert_eq!(numbers(&seen), [1, 2]);
    assert_eq!(defects.len(), 1);
    assert_eq!(defects[0].line, Some(2));
    assert!(matches!(seen[2].place, Place::Envelope { elements: 6, .. }));
}

#[test]
fn truncation_keeps_what_came_before() {
    let (seen, defects) = read("{\"kind\":\"PodList\",\"items\":[{\"n\":1},\n{\"n\":2},\n{\"n\":");
    assert_eq!(numbers(&seen), [1, 2]);
    assert_eq!(envelopes(&seen)[0].json, json!({"kind":"PodList","items":[]}));
    assert!(matches!(seen[2].place, Place::Envelope { elements: 3, complete: false, .. }));
    assert!(
        told(&defects).contains(&(Some(3), "ends inside the element that begins on this line; export it again")),
        "{defects:?}"
    );
    assert!(defects.iter().all(|defect| defect.partial));
    let (seen, defects) = read("{\"items\":[{\"n\":1}],\"kind\":\"Li");
    assert_eq!((numbers(&seen), envelopes(&seen)[0].json.clone()), (vec![1], json!({"items":[]})));
    assert_eq!(defects.len(), 1);
    let (seen, defects) = read("[{\"n\":1},");
    assert_eq!((numbers(&seen), defects.len()), (vec![1], 1));
}

#[test]
fn a_broken_line_costs_that_line_alone() {
    for broken in ["{\"n\":2", "{\"n\":[2}", "{\"n\":\"", "}", "oops {", "{\"n\":2}}"] {
        let (seen, defects) = read(format!("{{\"n\":1}}\n{broken}\n{{\"n\":3}}\n{{\"n\":4}}\n"));
        let good: Vec<_> = seen.iter().filter(|seen| seen.json["n"] != json!(2)).cloned().collect();
        assert_eq!(numbers(&good), [1, 3, 4], "{broken}: {defects:?}");
        assert_eq!(defects.len(), 1, "{broken}: {defects:?}");
        assert_eq!(defects[0].line, Some(2), "{broken}");
    }
    let (seen, defects) = read("{\"n\":1\n{\"n\":2}\n{\"n\":3}\n");
    assert_eq!((numbers(&seen), defects.len(), defects[0].line), (vec![2, 3], 1, Some(1)));
}

#[test]
fn a_piece_over_the_limit_is_passed_over_and_named() {
    let limits = Limits { piece: 1 << 20, yaml_document: 1 << 20, ..Limits::default() };
    let large = "x".repeat(3 << 20);
    let (seen, defects) = read_with(format!("{{\"n\":1}}\n{{\"a\":\"{large}\"}}\n{{\"n\":3}}"), &limits);
    assert_eq!(numbers(&seen), [1, 3]);
    assert_eq!(defects[0].line, Some(2));
    assert!(defects[0].message.contains(&format!("{} bytes", (3 << 20) + 8)), "{defects:?}");
    let (seen, defects) = read_with(format!("[{{\"n\":1}},\n{{\"a\":\"{large}\"}},\n{{\"n\":3}}]"), &limits);
    assert_eq!((numbers(&seen), defects.len(), seen[1].line), (vec![1, 3], 1, 3));
}

#[test]
fn what_is_wrong_everywhere_is_named_so_often_and_no_more() {
    let limits = Limits { defects: 10, ..Limits::default() };
    let (seen, defects) = read_with(format!("{{\"n\":1}}\n{}", "oops\n".repeat(100_000)), &limits);
    assert_eq!(numbers(&seen), [1]);
    assert_eq!(defects.len(), 11);
}

fn random(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth > 4 { 4 } else { 7 }) {
        0 => Value::Null,
        1 => json!(dice.below(1000)),
        2 | 3 => {
            let parts = ["\\", "\"", "{", "}", "[", "]", "ü", "\n", "items", ":", ",", "x"];
            Value::String((0..dice.below(70)).map(|_| parts[dice.below(parts.len())]).collect())
        }
        4 => (0..dice.below(5)).map(|_| random(dice, depth + 1)).collect(),
        _ => object(dice, depth),
    }
}

fn object(dice: &mut Dice, depth: usize) -> Value {
    let members = (0..dice.below(6)).map(|at| {
        let name = if dice.below(3) == 0 { format!("k\"{{{at}") } else { format!("key{at}\\") };
        (name, random(dice, depth + 1))
    });
    Value::Object(members.collect())
}

#[test]
fn any_objects_in_any_chunks_come_out_as_they_went_in() {
    for seed in 1..400_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let objects: Vec<Value> = (0..dice.below(8)).map(|_| object(&mut dice, 0)).collect();
        let pretty = dice.below(2) == 0;
        let write =
            |value: &Value| if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() };
        let all = objects.iter().map(write).collect::<Vec<_>>();
        let shape = dice.below(4);
        let text = match shape {
            0 => all.join("\n"),
            1 => format!("[{}]", all.join(",\n")),
            2 => format!("{{\"kind\":\"List\",\n \"items\" : [ {} ], \"z\": 1}}", all.join(", ")),
            _ => all.concat(),
        };
        let drip = Drip(Cursor::new(text.clone().into_bytes()), 1 + dice.below(200));
        let limits = Limits { batch: 1 + dice.below(300), ..Limits::default() };
        let outcome = run(&[Root::Stdin], Box::new(drip), &limits);
        let seen: Vec<Seen> = outcome.results.into_iter().flat_map(|(_, seen)| seen).collect();
        let own: Vec<Value> = seen
            .iter()
            .filter(|seen| !matches!(seen.place, Place::Envelope { .. }))
            .map(|seen| seen.json.clone())
            .collect();
        assert_eq!(own, objects, "seed {seed}: {text}");
        assert_eq!(envelopes(&seen).len(), usize::from(shape == 1 || shape == 2), "seed {seed}");
        assert_eq!(outcome.defects.len(), usize::from(text.is_empty()), "seed {seed}: {:?}", outcome.defects);
        let mut from = 0;
        for seen in seen.iter().filter(|seen| !matches!(seen.place, Place::Envelope { .. })) {
            let at = text[from..].find(&seen.text).unwrap() + from;
            assert_eq!(seen.line, 1 + text[..at].matches('\n').count() as u64, "seed {seed}");
            from = at + seen.text.len();
        }
    }
}

#[test]
fn hostile_bytes_never_panic() {
    let base = br#"{"kind":"List","items":[{"a":"\\\"{"},{"b":[1,{"c":null}]}],"value":[{}]}
{"x":1}
[{"q":2}]"#;
    for seed in 1..3000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = base.to_vec();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            bytes[at] = b"{}[]\",:\\\n x\xff-"[dice.below(13)];
        }
        bytes.truncate(1 + dice.below(bytes.len()));
        let drip = Box::new(Drip(Cursor::new(bytes), 7));
        let outcome =
            crate::read::read_all(&[Root::Stdin], || drip, &Limits::default(), |batch| batch.pieces().count());
        let pieces: u64 = outcome.sources.iter().map(|source| source.pieces + source.lists).sum();
        assert_eq!(outcome.results.iter().map(|(_, count)| *count as u64).sum::<u64>(), pieces);
    }
}
