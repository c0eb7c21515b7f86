//! What `members` and `elements` find is what a JSON parser finds; `Elements` is cut anywhere.
#![no_main]

use levity::json;
use serde_json::value::RawValue;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut members = Vec::new();
    let scanned = json::members(data, |key, value| {
        members.push((json::key(key).into_owned(), data[value].to_vec()));
    });
    let mut elements = Vec::new();
    let listed = json::elements(data, |value| elements.push(data[value].to_vec()));
    if let Ok(object) = serde_json::from_slice::<std::collections::HashMap<String, &RawValue>>(data)
    {
        scanned.unwrap();
        for (key, value) in object {
            let last = members.iter().rev().find(|(known, _)| *known == key.as_bytes());
            assert_eq!(last.unwrap().1, value.get().as_bytes());
        }
    }
    if let Ok(array) = serde_json::from_slice::<Vec<&RawValue>>(data) {
        listed.unwrap();
        assert!(array.iter().map(|value| value.get().as_bytes()).eq(elements));
    }
    let whole = pieces(data, 0);
    for cut in [1, data.len() / 2, data.len().saturating_sub(1)] {
        assert_eq!(pieces(data, cut), whole);
    }
});

fn pieces(data: &[u8], cut: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut elements = json::Elements::default();
    let (first, second) = data.split_at(cut.min(data.len()));
    elements.push(first, |element| found.push(element.to_vec()));
    elements.push(second, |element| found.push(element.to_vec()));
    found
}
