use super::*;

fn wanted(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), ..NewKey::default() }
}

#[test]
fn a_key_is_made_rotated_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(load(dir).unwrap(), []);
    let full = NewKey { budget: Some("20 CNY/month".to_owned()), ..wanted("laptop") };
    let secret = add(dir, &full, &[]).unwrap();
    let key = &load(dir).unwrap()[0];
    assert_eq!(
        (key.name.as_str(), key.secret, &key.scopes[..]),
        ("laptop", digest(&secret), &[Scope::Infer][..])
    );
    let text = fs::read_to_string(path(dir)).unwrap();
    assert!(!text.contains(&secret[3..]), "{text}");
    assert!(add(dir, &wanted("laptop"), &[]).unwrap_err().to_string().contains("already"));
    assert!(add(dir, &wanted("of-the-file"), &["of-the-file".to_owned()]).is_err());
    let other = rotate(dir, "laptop").unwrap();
    assert_ne!(other, secret);
    assert_eq!(load(dir).unwrap()[0].secret, digest(&other));
    revoke(dir, "laptop").unwrap();
    assert!(revoke(dir, "laptop").is_err() && rotate(dir, "laptop").is_err());
    assert_eq!(load(dir).unwrap(), []);
}

#[test]
fn what_is_wrong_is_told_all_at_once_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = NewKey {
        scopes: vec!["boss".to_owned()],
        budget: Some("much".to_owned()),
        priority: Some("first".to_owned()),
        requests_per_minute: Some(0),
        ..wanted("a b")
    };
    let why = add(dir.path(), &wrong, &[]).unwrap_err().to_string();
    for part in ["a b", "boss", "much", "first", "per minute"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(load(dir.path()).unwrap(), []);
    fs::write(path(dir.path()), "{").unwrap();
    assert!(load(dir.path()).unwrap_err().contains("damaged"));
}
