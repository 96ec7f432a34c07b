//! The front alone: a service of the test answers, and whoever is handed over is told so.

use super::dialogue::ServerEnding;
use super::*;
use actix_service::fn_service;
use actix_web::body::BodyStream;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::cell::Cell;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What the test knows of the server.
#[derive(Default)]
struct Seen {
    /// Requests that are being served.
    serving: Cell<usize>,
    /// Connections that went to the dispatcher.
    other: Cell<usize>,
    ended: Cell<usize>,
    /// Lets `/wait` go on.
    go: Notify,
}

struct Serving(Rc<Seen>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.set(self.0.serving.get() - 1);
    }
}

/// Echoes the body; `/wait` is answered when the test says so, `/cut` breaks off behind its first part.
async fn answer(mut request: Request, seen: Rc<Seen>) -> Result<Response<BoxBody>, Response<BoxBody>> {
    seen.serving.set(seen.serving.get() + 1);
    let serving = Serving(seen);
    match request.path() {
        "/wait" => {
            serving.0.go.notified().await;
            Ok(Response::with_body(StatusCode::OK, BoxBody::new("at last")))
        }
        "/cut" => {
            let parts = [Ok(Bytes::from_static(b"part")), Err(io::Error::other("it broke"))];
            Ok(Response::with_body(StatusCode::OK, BoxBody::new(BodyStream::new(stream::iter(parts)))))
        }
        _ => {
            let mut body = request.take_payload();
            let mut echo = Vec::new();
            while let Some(part) = body.next().await {
                echo.extend_from_slice(&part.unwrap());
            }
            Ok(Response::with_body(StatusCode::OK, BoxBody::new(echo)))
        }
    }
}

/// A server, and one client of it.
async fn server() -> (TcpStream, Rc<Seen>, Rc<ServerEnding>) {
    let seen = Rc::new(Seen::default());
    let (answers, handed) = (Rc::clone(&seen), Rc::clone(&seen));
    let hour = Duration::from_secs(3600);
    let service = actix_service::boxed::service(fn_service(move |request: Request| {
        answer(request, Rc::clone(&answers))
    }));
    let shared = Rc::new(Shared {
        service: Rc::new(service),
        dispatcher: fn_service(move |_: (PipelinedConnection, Protocol, Option<SocketAddr>)| {
            handed.other.set(handed.other.get() + 1);
            std::future::ready(Ok::<_, DispatchError>(()))
        }),
        base: "".into(),
        patience: ClientPatience { first: hour, quiet: hour, linger: hour },
        ending: Rc::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let (ending, ends) = (Rc::clone(&shared.ending), Rc::clone(&seen));
    actix_rt::spawn(async move {
        let _ = serve(shared, stream, hour, None).await;
        ends.ended.set(ends.ended.get() + 1);
    });
    (client, seen, ending)
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain: {what}");
}

async fn rest(mut client: TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end, too.
    let _ = client.read_to_end(&mut all).await;
    String::from_utf8(all).unwrap()
}

#[actix_rt::test]
async fn requests_sent_ahead_are_answered_in_their_order_however_they_are_cut() {
    let (client, ..) = server().await;
    let (mut reading, mut writing) = client.into_split();
    let bodies: Vec<String> = (0..500).map(|number| format!("<{number}>").repeat(1 + number % 90)).collect();
    let all: String = bodies.iter().map(|body| post("/", body)).collect();
    actix_rt::spawn(async move {
        let (mut left, mut piece) = (all.as_bytes(), 1);
        while !left.is_empty() {
            let (now, later) = left.split_at(piece.min(left.len()));
            writing.write_all(now).await.unwrap();
            (left, piece) = (later, piece * 7 % 5003);
        }
        // Its side stays open until the answers are read.
        std::future::pending::<()>().await;
    });
    let wanted = bodies.concat();
    let (mut came, mut echo) = (String::new(), String::new());
    while echo.len() < wanted.len() {
        let mut bytes = [0; 4096];
        let length = reading.read(&mut bytes).await.unwrap();
        assert!(length > 0, "closed after {} bytes", echo.len());
        came.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        echo =
            came.split("HTTP/1.1 200 OK\r\n").filter_map(|one| Some(one.split_once("\r\n\r\n")?.1)).collect();
    }
    assert_eq!(echo, wanted);
}

#[actix_rt::test]
async fn what_came_before_a_failure_reaches_the_client_and_no_end_does() {
    let (mut client, seen, _) = server().await;
    client.write_all(post("/cut", "").as_bytes()).await.unwrap();
    let told = rest(client).await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("\r\n\r\n4\r\npart\r\n"), "{told}");
    until("the connection has ended", || seen.ended.get() == 1).await;
}

#[actix_rt::test]
async fn a_client_that_leaves_ends_what_is_done_for_it() {
    let (mut client, seen, _) = server().await;
    client.write_all(post("/wait", "x").as_bytes()).await.unwrap();
    until("it is served", || seen.serving.get() == 1).await;
    drop(client);
    until("nobody is", || seen.serving.get() == 0 && seen.ended.get() == 1).await;
}

#[actix_rt::test]
async fn at_the_end_of_the_server_an_answer_is_the_last_one_and_who_is_quiet_is_let_go() {
    let (quiet, seen, ending) = server().await;
    Rc::clone(&ending).follow(async {}).await;
    assert_eq!(rest(quiet).await, "");
    until("its connection has ended", || seen.ended.get() == 1).await;
    let (mut busy, seen, ending) = server().await;
    busy.write_all(post("/wait", "x").as_bytes()).await.unwrap();
    until("it is served", || seen.serving.get() == 1).await;
    ending.follow(async {}).await;
    seen.go.notify_one();
    let told = rest(busy).await;
    assert!(told.contains("\r\nconnection: close\r\n") && told.ends_with("\r\n\r\nat last"), "{told}");
    until("its connection has ended", || seen.ended.get() == 1).await;
}

#[actix_rt::test]
async fn what_is_not_plain_is_handed_over() {
    for sent in [
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        // A body that doesn't come at once.
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab".to_owned(),
        post("/", "first") + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let (mut client, seen, _) = server().await;
        client.write_all(sent.as_bytes()).await.unwrap();
        until(&sent, || seen.other.get() == 1).await;
        let told = rest(client).await;
        assert_eq!(told.contains("200 OK"), sent.contains("first"), "{told}");
    }
}
