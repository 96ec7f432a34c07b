use super::*;
use proptest::prelude::*;

fn arrival(text: &str, to_head: bool) -> Result<Arrival, Cow<'static, str>> {
    AwaitedHead::new(to_head).accept(text.as_bytes()).map(|arrival| arrival.expect("a whole head"))
}

/// An answer with these lines: its size, whether it ends with its connection, whether that may go on.
fn judged(start: &str, lines: &[&str]) -> Result<(BodySize, bool, bool), Cow<'static, str>> {
    let head: String = [start].iter().chain(lines).map(|line| format!("{line}\r\n")).collect();
    let arrival = arrival(&format!("{head}\r\n"), false)?;
    Ok((arrival.size, arrival.decoder.ends_with_connection(), arrival.keeps_connection))
}

#[test]
fn a_head_is_read_once_it_is_whole() {
    let head =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n\x81\x00";
    assert!(ResponseHead::parse(&head[..20]).unwrap().is_none());
    let (found, length) = ResponseHead::parse(head).unwrap().unwrap();
    assert_eq!((found.status.as_u16(), found.headers.len()), (101, 1));
    assert_eq!(found.headers[0].1.as_bytes(), b"x");
    assert_eq!(&head[length..], b"\x81\x00");
    assert!(ResponseHead::parse(b"\x00\x01").is_err());
}

#[test]
fn what_the_body_is() {
    use BodySize::{Sized, Stream};
    let ok = "HTTP/1.1 200 OK";
    for (lines, wanted) in [
        (vec![], (Stream, true, false)),
        (vec!["Content-Length: 3"], (Sized(3), false, true)),
        (vec!["content-length:0"], (Sized(0), false, true)),
        (vec!["Content-Length: 3 , 3", "content-length: 3"], (Sized(3), false, true)),
        (vec!["Transfer-Encoding: Chunked"], (Stream, false, true)),
        (vec!["Transfer-Encoding: gzip , chunked"], (Stream, false, true)),
        (vec!["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], (Stream, false, true)),
        (vec!["Transfer-Encoding: chunked, gzip"], (Stream, true, false)),
        // Both: the length is a lie, and perhaps there is another one behind the answer.
        (vec!["Content-Length: 3", "Transfer-Encoding: chunked"], (Stream, false, false)),
        (vec!["Content-Length: x", "Transfer-Encoding: chunked"], (Stream, false, false)),
    ] {
        assert_eq!(judged(ok, &lines).unwrap(), wanted, "{lines:?}");
    }
    for length in ["3, 4", "", "+3", "-1", "3 3", "0x3", "3,", "18446744073709551616"] {
        let line = format!("Content-Length: {length}");
        assert!(judged(ok, &[&line]).is_err(), "{length:?}");
    }
    assert!(judged(ok, &["Content-Length: 3", "Content-Length: 4"]).is_err());
    assert!(judged("HTTP/1.0 200 OK", &["Transfer-Encoding: chunked"]).is_err());
}

#[test]
fn whether_the_connection_may_go_on() {
    for (version, connection, keeps) in [
        ("1.1", "X-A: 1", true),
        ("1.1", "Connection: close", false),
        ("1.1", "Connection: keep-alive, Close", false),
        ("1.1", "Connection: x", true),
        ("1.0", "X-A: 1", false),
        ("1.0", "Connection: Keep-Alive", true),
    ] {
        let start = format!("HTTP/{version} 200 OK");
        let (_, _, kept) = judged(&start, &[connection, "Content-Length: 3"]).unwrap();
        assert_eq!(kept, keeps, "{version} {connection}");
    }
    let both = ["Connection: keep-alive", "Connection: close", "Content-Length: 3"];
    assert!(!judged("HTTP/1.0 200 OK", &both).unwrap().2);
}

#[test]
fn some_answers_have_no_body() {
    for (start, to_head, size) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 7", true, BodySize::Sized(7)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", true, BodySize::None),
        ("HTTP/1.1 200 OK\r\nContent-Length: x", true, BodySize::None),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 7", false, BodySize::None),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 7", false, BodySize::None),
    ] {
        let arrival = arrival(&format!("{start}\r\n\r\n"), to_head).unwrap();
        assert!(arrival.decoder.is_done() && arrival.keeps_connection, "{start}");
        assert_eq!(arrival.size, size, "{start}");
    }
}

#[test]
fn what_comes_behind_the_answer_is_noticed() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let whole = arrival(text, false).unwrap();
    assert!(whole.first.bytes == "ok" && whole.decoder.is_done() && !whole.decoder.has_surplus());
    assert!(arrival(&format!("{text}HTTP/1.1"), false).unwrap().decoder.has_surplus());
    assert!(arrival(text, true).unwrap().decoder.has_surplus());
    let bad = arrival("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokx", false).unwrap();
    assert!(bad.first.bytes == "ok" && bad.first.malformed.is_some());
}

#[test]
fn what_is_no_answer_is_refused() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(MOST_HEADERS + 1)),
    ] {
        assert!(AwaitedHead::default().accept(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn heads_and_what_comes_before_them_have_bounds() {
    let large = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "x".repeat(LARGEST_HEAD));
    assert!(AwaitedHead::default().accept(large.as_bytes()).is_err());
    let mut awaited = AwaitedHead::default();
    let fed =
        large.as_bytes().chunks(1000).take_while(|piece| matches!(awaited.accept(piece), Ok(None))).count();
    assert_eq!(fed, LARGEST_HEAD / 1000);
    let interim = "HTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n";
    let mut awaited = AwaitedHead::default();
    let fed = std::iter::from_fn(|| awaited.accept(interim.as_bytes()).ok()).count();
    assert_eq!(fed, INTERIM / interim.len());
    let most = format!("{}HTTP/1.1 200 OK\r\n\r\n", interim.repeat(INTERIM / interim.len()));
    assert!(AwaitedHead::default().accept(most.as_bytes()).unwrap().is_some());
}

/// Feeds these bytes, cut at these places: the answer, its data and how it ends.
fn fed(text: &[u8], cuts: &[usize]) -> String {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    let mut awaited = AwaitedHead::default();
    let mut reads = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).filter(|read| !read.is_empty());
    let mut arrival = loop {
        match reads.next().map(|read| awaited.accept(read)) {
            None => return "nothing".to_owned(),
            Some(Err(why)) => return format!("refused: {why}"),
            Some(Ok(None)) => {}
            Some(Ok(Some(arrival))) => break arrival,
        }
    };
    let mut data = arrival.first.bytes.to_vec();
    let mut malformed = arrival.first.malformed;
    for read in reads {
        if malformed.is_none() {
            let more = arrival.decoder.decode(read);
            data.extend_from_slice(&more.bytes);
            malformed = more.malformed;
        }
    }
    let ResponseHead { status, headers, length, .. } = arrival.head;
    let end = (arrival.decoder.is_done(), malformed.is_none() && arrival.decoder.has_surplus());
    format!("{status} {headers:?} {length:?} {:?} {data:?} {malformed:?} {end:?}", arrival.size)
}

fn some_cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(any::<usize>(), 0..12)
}

proptest! {
    #[test]
    fn however_an_answer_is_cut_the_same_comes_out(
        interim in 0_usize..3,
        length in 0_usize..60,
        values in proptest::collection::vec("[ -~]{0,1500}", 0..4),
        body in "[ -~]{0,60}",
        cuts in some_cuts(),
    ) {
        let mut text = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(interim);
        text.push_str("HTTP/1.1 200 OK\r\n");
        for value in &values {
            text.push_str(&format!("X-A: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {length}\r\n\r\n{body}"));
        let whole = fed(text.as_bytes(), &[]);
        prop_assert!(whole.starts_with("200 OK"), "{}", whole);
        prop_assert_eq!(fed(text.as_bytes(), &cuts), whole);
    }

    #[test]
    fn garbage_is_refused_or_waited_for(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "HTTP/1\\.[0-2] [0-9 ]{2,4} ?[a-z]{0,3}\r\n([A-Za-z-]{0,18}:? ?[0-9a-z,]{0,8}\r?\n){0,4}\r\n[0-9;\r\nx]{0,20}"
                .prop_map(String::into_bytes),
            ("(Content-Length|Transfer-Encoding|Connection): ([0-9]{0,22}|chunked|gzip|close|,){0,3}\r\n", "[0-3\r\nx]{0,20}")
                .prop_map(|(line, body)| format!("HTTP/1.1 200 OK\r\n{line}\r\n{body}").into_bytes()),
        ],
        cuts in some_cuts(),
    ) {
        let (whole, cut) = (fed(&text, &[]), fed(&text, &cuts));
        // A piece may be refused before that comes for which the whole would be.
        prop_assert!(whole == cut || whole.starts_with("refused") && cut.starts_with("refused"), "{whole} {cut}");
    }
}
