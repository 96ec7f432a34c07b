//! Lists as engines write them, and what is kept of long answers.

use super::*;

#[test]
fn lists_of_models_are_read_in_the_forms_that_engines_use() {
    let names = |body: &str| listing::read(body.as_bytes()).map(|list| list.names());
    let strings = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(r#"{"object":"list","data":[{"id":"a/b"},{"id":"c"}]}"#), strings(&["a/b", "c"]));
    assert_eq!(names(r#"{"models":[{"name":"a"}]}"#), strings(&["a"]));
    assert_eq!(names(r#"["a","b"]"#), strings(&["a", "b"]));
    assert_eq!(names(r#"{"data":[]}"#), strings(&[]));
    assert_eq!(names(r#"{"status":"ok"}"#), None);
    assert_eq!(names(""), None);
    assert_eq!(listing::read(b"\xff"), None);
}

#[test]
fn a_list_says_what_is_loaded_and_who_wrote_it() {
    let list = listing::read(
        br#"{"data":[{"id":"a","owned_by":"llamacpp","status":{"value":"unloaded"}},
            {"id":"b","status":{"value":"loaded"}},{"id":"c","loaded":true},{"id":"d","status":"loaded"}]}"#,
    )
    .unwrap();
    assert_eq!(list.owner.as_deref(), Some("llamacpp"));
    assert_eq!(list.models.iter().map(|model| model.loaded).collect::<Vec<_>>(), [false, true, true, true]);
}

#[test]
fn an_excerpt_is_cut_between_characters() {
    assert_eq!((excerpt(b""), excerpt(b" \n")), ("an empty answer".to_owned(), "an empty answer".to_owned()));
    assert_eq!(excerpt("é".repeat(400).as_bytes()), format!("{}...", "é".repeat(300)));
}
