//! What goes up and what comes back: whole, in pieces, cut, or no answer at all.

use super::*;

#[actix_rt::test]
async fn a_request_and_its_answer_pass() {
    const ANSWER: &str = "HTTP/1.1 201 Created\r\nX-A: 1\r\nConnection: keep-alive, X-B\r\nX-B: 2\r\nX-A: 3\r\n\
                  Content-Length: 5\r\n\r\nhello";
    let (pool, log) = backend(&[&[Read, Send(ANSWER), AwaitClose]]).await;
    let response = post(&pool).await.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.body.size(), BodySize::Sized(5));
    let names: Vec<_> =
        response.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(names, [("x-a", b"1".as_slice()), ("x-a", b"3")]);
    assert_eq!(read(response).await.unwrap(), "hello");
    let request = log.requests.borrow()[0].clone();
    assert!(request.starts_with("POST /v1/x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
    assert!(request.ends_with("content-length: 2\r\n\r\n{}"), "{request}");
}

#[actix_rt::test]
async fn a_post_without_a_body_says_so() {
    let (pool, log) = backend(&[&[Read, Send(OK)]]).await;
    read(send(&pool, Method::POST, "").await.unwrap()).await.unwrap();
    assert!(log.requests.borrow()[0].contains("content-length: 0\r\n"));
}

#[actix_rt::test]
async fn chunks_pass_as_they_come() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let (pool, _) =
        backend(&[&[Read, Send(HEAD), Pause(50), Send("3\r\ntwo\r\n0\r\nX-T: 1\r\n\r\n"), Read]]).await;
    let mut response = post(&pool).await.unwrap();
    assert_eq!(response.body.size(), BodySize::Stream);
    assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "one");
    assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "two");
    assert!(next(&mut response.body).await.is_none());
    assert_eq!(pool.open(), (1, 0));
}

#[actix_rt::test]
async fn a_slow_dribble_arrives_whole() {
    const SCRIPT: &[Step] = &[
        Read,
        Send("HTT"),
        Pause(5),
        Send("P/1.1 200 OK\r"),
        Pause(5),
        Send("\nTransfer-Encoding: chu"),
        Pause(5),
        Send("nked\r\n\r\n5"),
        Pause(5),
        Send("\r\nhe"),
        Pause(5),
        Send("llo\r"),
        Pause(5),
        Send("\n0\r\n"),
        Pause(5),
        Send("\r\n"),
        AwaitClose,
    ];
    let (pool, _) = backend(&[SCRIPT]).await;
    assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "hello");
}

#[actix_rt::test]
async fn a_large_answer_arrives_whole() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n";
    let (pool, _) = backend(&[&[Read, Send(HEAD), Flood(20_000_000), AwaitClose]]).await;
    assert_eq!(read(post(&pool).await.unwrap()).await.unwrap().len(), 20_000_000);
}

#[actix_rt::test]
async fn an_answer_that_breaks_off_is_an_error() {
    const BROKEN: [&str; 4] = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\none",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none",
    ];
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send(BROKEN[0])],
        &[Read, Send(BROKEN[1])],
        &[Read, Send(BROKEN[2])],
        &[Read, Send(BROKEN[3])],
        &[Read, Send(BROKEN[0]), Pause(20), Reset],
        &[Read, Send(BROKEN[3]), Pause(20), Reset],
    ];
    let (pool, _) = backend(SCRIPTS).await;
    for _ in SCRIPTS {
        let mut response = post(&pool).await.unwrap();
        assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "one");
        assert!(next(&mut response.body).await.unwrap().is_err());
        assert!(next(&mut response.body).await.is_none());
    }
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn what_is_malformed_is_told_behind_what_came() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const TOGETHER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\nx";
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send(TOGETHER), AwaitClose],
        &[Read, Send(TOGETHER), AwaitClose],
        &[Read, Send(HEAD), Pause(10), Send("3\r\none\r\n3\r\ntwo\r\nx"), AwaitClose],
    ];
    let (pool, _) = backend(SCRIPTS).await;
    for looks in [false, true, true] {
        let mut response = post(&pool).await.unwrap();
        if looks {
            assert_eq!(response.body.beginning(100).await, b"onetwo");
        }
        assert!(!response.body.is_whole());
        assert_eq!(next(&mut response.body).await.unwrap().unwrap(), "onetwo");
        assert!(next(&mut response.body).await.unwrap().is_err());
        assert!(next(&mut response.body).await.is_none());
    }
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn a_body_may_end_with_its_connection() {
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send("HTTP/1.0 200 OK\r\n\r\none"), Pause(10), Send("two")],
        &[Read, Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none"), Pause(10), Send("two")],
    ];
    let (pool, _) = backend(SCRIPTS).await;
    for _ in SCRIPTS {
        let response = post(&pool).await.unwrap();
        assert_eq!(response.body.size(), BodySize::Stream);
        assert_eq!(read(response).await.unwrap(), "onetwo");
    }
}

#[actix_rt::test]
async fn preliminary_answers_are_skipped() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let (pool, _) = backend(&[&[Read, Send(HINTS), Pause(10), Send(CONTINUE), Send(OK), AwaitClose]]).await;
    let response = post(&pool).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.headers.is_empty());
    assert_eq!(read(response).await.unwrap(), "ok");
}

#[actix_rt::test]
async fn a_101_that_nobody_asked_for_is_no_answer() {
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let (pool, _) = backend(&[&[Read, Send(SWITCH), AwaitClose]]).await;
    assert!(matches!(post(&pool).await, Err(UpstreamError::BadAnswer(_))));
}

#[actix_rt::test]
async fn a_flood_of_interim_answers_ends() {
    const FLOOD: &str = "HTTP/1.1 102 Processing\r\nX-Pad: 0123456789012345678901234567890123456789\r\n\r\n";
    static SCRIPT: std::sync::LazyLock<Vec<Step>> =
        std::sync::LazyLock::new(|| std::iter::once(Read).chain((0..8000).map(|_| Send(FLOOD))).collect());
    let scripts: &'static [&'static [Step]] = Box::leak(Box::new([SCRIPT.as_slice()]));
    let (pool, _) = backend(scripts).await;
    assert!(matches!(post(&pool).await, Err(UpstreamError::BadAnswer(_))));
}

#[actix_rt::test]
async fn what_is_no_answer_is_said_so() {
    const TOO_LARGE: &[Step] = &[Read, Send("HTTP/1.1 200 OK\r\nX-A: "), Flood(200_000), Send("\r\n\r\n")];
    let (pool, _) = backend(&[&[Read, Send("SSH-2.0-OpenSSH_9.2\r\n\r\n")], TOO_LARGE]).await;
    for _ in 0..2 {
        let error = post(&pool).await.unwrap_err();
        assert!(matches!(error, UpstreamError::BadAnswer(_)), "{error:?}");
    }
}

#[actix_rt::test]
async fn an_unreachable_backend_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(post(&pool).await, Err(UpstreamError::Connect(_))));
}

#[actix_rt::test]
async fn an_answer_before_the_upload_is_read_is_returned() {
    const REFUSED: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    const SCRIPTS: &[&[Step]] = &[&[ReadSome, Send(REFUSED)], &[ReadSome, Send(REFUSED), Pause(200)]];
    let large: &'static str = String::leak("x".repeat(30_000_000));
    for _ in 0..20 {
        let (pool, _) = backend(SCRIPTS).await;
        for _ in SCRIPTS {
            let response = send(&pool, Method::POST, large).await.unwrap();
            assert_eq!(response.status, 413);
            assert_eq!(read(response).await.unwrap(), "no");
            assert_eq!(pool.open(), (0, 0));
        }
    }
}

/// The backend is on a thread of its own: it closes in the middle of a write, not between two.
#[actix_rt::test]
async fn an_answer_is_found_behind_a_failed_write() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    let rounds = 100;
    let server = std::thread::spawn(move || {
        for _ in 0..rounds {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 64]).unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        }
    });
    let large: &'static str = String::leak("x".repeat(30_000_000));
    for _ in 0..rounds {
        let response = send(&pool, Method::POST, large).await.unwrap();
        assert_eq!(response.status, 413);
        assert_eq!(read(response).await.unwrap(), "no");
    }
    server.join().unwrap();
}
