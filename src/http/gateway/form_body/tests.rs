use super::*;
use proptest::prelude::*;

const TYPE: &str = "multipart/form-data; boundary=X";

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, value) in parts {
        body.extend_from_slice(b"--X\r\nContent-Disposition: form-data; ");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--X--\r\n");
    body
}

fn edited(body: &[u8], edit: Edit) -> Vec<u8> {
    let mut body = body.to_vec();
    body.splice(edit.at, edit.new);
    body
}

#[test]
fn the_model_is_found_wherever_it_stands() {
    let file: &[u8] = b"RIFF\xff\xfe\r\n--Y\r\n\r\n--\x00\x80";
    for parts in [
        vec![("name=\"model\"", b"whisper".as_slice()), ("name=\"file\"; filename=\"model\"", file)],
        vec![
            ("name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav", file),
            ("name=model", b"whisper"),
        ],
        // Longer words that begin with the delimiter.
        vec![
            ("name=\"file\"; filename=\"f\"", b"\r\n--XY\r\n\r\nno\r\n--X--Z\r\n--X-\r\n".as_slice()),
            ("name=\"model\"", b"whisper"),
        ],
        vec![
            ("name=\"model\"; filename=\"x\"", b"no"),
            ("name=\"e\"", b""),
            ("name=\"model\"", b"whisper\n"),
        ],
    ] {
        let body = form(&parts);
        let found = multipart(TYPE, &body, None).unwrap();
        assert_eq!(found.model, "whisper");
        let renamed = edited(&body, rename(&found, "large-v3").unwrap());
        assert_eq!(multipart(TYPE, &renamed, None).unwrap().model, "large-v3");
    }
}

#[test]
fn a_boundary_may_be_quoted_and_a_preamble_come_first() {
    let mut body = b"never mind --X\r\n".to_vec();
    body.extend(form(&[("name=\"model\"", b"m")]));
    for kind in ["Multipart/Form-Data;charset=utf-8; BOUNDARY=\"X\"", "multipart/form-data;boundary=X "] {
        assert!(is_multipart(kind));
        assert_eq!(multipart(kind, &body, None).unwrap().model, "m");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let fails = |kind: &str, body: &[u8]| multipart(kind, body, None).unwrap_err();
    let whole = form(&[("name=\"file\"; filename=\"f\"", b"x"), ("name=\"model\"", b"m")]);
    assert_eq!(fails("multipart/form-data", &whole), FormError::NoBoundary);
    assert_eq!(fails("multipart/form-data; boundary=Z", &whole), FormError::NoParts("Z".to_owned()));
    assert_eq!(fails(TYPE, b""), FormError::NoParts("X".to_owned()));
    assert_eq!(fails(TYPE, &whole[..whole.len() / 3]), FormError::CutOff);
    let unix = String::from_utf8(whole.clone()).unwrap().replace("\r\n", "\n");
    assert!(fails(TYPE, unix.as_bytes()).to_string().contains("CR LF"));
    assert_eq!(fails(TYPE, &form(&[("name=\"file\"", b"x")])), FormError::NoModel);
    assert_eq!(fails(TYPE, &form(&[("name=\"model\"", b" ")])), FormError::EmptyModel);
    assert_eq!(fails(TYPE, &form(&[("name=\"model\"", b"\xff")])), FormError::NotUtf8);
    let long = form(&[(&"x".repeat(LONGEST_HEAD + 9), b"x")]);
    assert!(matches!(fails(TYPE, &long), FormError::BadPart(_)));
    let unnamed = form(&[("name=\"file\"", b"x")]);
    let found = multipart(TYPE, &unnamed, Some("named")).unwrap();
    assert_eq!((&*found.model, rename(&found, "x")), ("named", None));
}

#[test]
fn urlencoded_forms_and_queries_name_models() {
    let body = b"prompt=a+b&model=org%2FM+1&n=2";
    let found = urlencoded(body, None).unwrap();
    assert_eq!(found.model, "org/M 1");
    assert_eq!(edited(body, rename(&found, "a b&c").unwrap()), b"prompt=a+b&model=a%20b%26c&n=2");
    assert_eq!(urlencoded(b"a=b", None), Err(FormError::NoModel));
    assert_eq!(in_query("x=1&model=a%2Db"), Some("a-b".into()));
    assert_eq!(in_query("models=1&model="), None);
    assert_eq!(in_query("model=%ff"), None);
    assert_eq!(rename_in_query("x=1&model=a&y", "b c"), Some("x=1&model=b%20c&y".to_owned()));
    assert_eq!(rename_in_query("x=1", "b"), None);
    let url = "application/x-www-form-urlencoded";
    assert!(is_urlencoded(url, b"model=m") && !is_urlencoded(url, b" {\"model\":1}"));
    assert!(!is_urlencoded("application/json", b"model=m") && !is_urlencoded(url, b""));
}

proptest! {
    #[test]
    fn any_file_may_come_first(file: Vec<u8>, name in "[a-z/é-]{1,12}") {
        prop_assume!(memmem::find(&file, b"--X").is_none());
        let body = form(&[("name=\"file\"; filename=\"f\"", &file), ("name=\"model\"", name.as_bytes())]);
        let found = multipart(TYPE, &body, None).unwrap();
        prop_assert_eq!(&*found.model, &name);
        let renamed = edited(&body, rename(&found, "other").unwrap());
        let wanted = form(&[("name=\"file\"; filename=\"f\"", &file), ("name=\"model\"", b"other")]);
        prop_assert_eq!(renamed, wanted);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body: Vec<u8>, damage: Vec<(usize, u8)>) {
        drop(multipart(TYPE, &body, None));
        drop(urlencoded(&body, None));
        let mut body = form(&[("name=\"file\"", b"x"), ("name=\"model\"", b"m")]);
        for (at, byte) in damage {
            let at = at % body.len();
            body[at] = byte;
        }
        drop(multipart(TYPE, &body, None));
    }
}
