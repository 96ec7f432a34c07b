use super::*;

fn sessions() -> Arc<Sessions> {
    Arc::new(Sessions::new(1).unwrap())
}

fn check(header: Option<(&'static str, &'static str)>) -> bool {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Keys::new(&["first".into(), "second".into()], &[], &[0; 32], sessions())
        .unwrap()
        .in_header(&headers)
        .is_some()
}

#[test]
fn a_key_comes_in_either_header() {
    assert!(check(Some(("authorization", "Bearer second"))));
    assert!(check(Some(("authorization", "bearer  first "))));
    assert!(check(Some(("x-api-key", "first"))));
    assert!(check(Some(("api-key", "second"))));
}

#[test]
fn everything_else_stays_out() {
    assert!(!check(None));
    assert!(!check(Some(("authorization", "Bearer third"))));
    assert!(!check(Some(("authorization", "Bearer"))));
    assert!(!check(Some(("authorization", "Basic first"))));
    assert!(!check(Some(("x-api-key", "firs"))));
    assert!(!check(Some(("x-api-key", ""))));
    assert!(!check(Some(("authorization", "first"))));
    assert!(!check(Some(("x-other", "first"))));
}

#[test]
fn a_label_follows_its_key_and_not_its_place() {
    let labels = |keys: &[&str], secret| {
        let keys = Keys::new(
            &keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(),
            &[],
            &[secret; 32],
            sessions(),
        )
        .unwrap();
        (0..2).map(|place| keys.label_of(place).unwrap().to_string()).collect::<Vec<_>>()
    };
    let first = labels(&["alice-pw", "bob-pw"], 1);
    assert_eq!(labels(&["bob-pw", "alice-pw"], 1), [first[1].as_str(), first[0].as_str()]);
    assert_ne!(first[0], first[1]);
    // Known beforehand, a short key could be found by trying.
    assert_ne!(labels(&["alice-pw", "bob-pw"], 2), first);
    let digits = first[0].strip_prefix("key-").unwrap();
    assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{first:?}");
}
