//! Connections: which are kept, replaced and closed, and the Gateway that has them.

use super::*;

#[actix_rt::test]
async fn a_finished_connection_is_used_again() {
    let (pool, log) = backend(&[&[Read, Send(OK), Read, Send(OK), Read, Send(OK), AwaitClose]]).await;
    for _ in 0..3 {
        assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "ok");
    }
    assert_eq!((log.connections.get(), log.requests.borrow().len()), (1, 3));
    drop(pool);
    settle().await;
    assert!(log.closed.get().is_some(), "the pool left a connection behind");
}

#[actix_rt::test]
async fn an_answer_without_a_body_frees_its_connection() {
    const NONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    const SAME: &str = "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n";
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 88\r\n\r\n";
    let (pool, log) = backend(&[&[Read, Send(NONE), Read, Send(SAME), Read, Send(HEAD), AwaitClose]]).await;
    let none = post(&pool).await.unwrap();
    assert_eq!((none.status.as_u16(), none.body.size()), (204, BodySize::None));
    let same = post(&pool).await.unwrap();
    assert_eq!((same.headers[0].1.as_bytes(), same.body.size()), (b"77".as_slice(), BodySize::None));
    let head = send(&pool, Method::HEAD, "").await.unwrap();
    assert_eq!(head.body.size(), BodySize::Sized(88));
    assert_eq!(read(head).await.unwrap(), "");
    assert_eq!(log.connections.get(), 1);
}

#[actix_rt::test]
async fn a_stale_connection_is_replaced_by_a_fresh_one() {
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send(OK)],
        // Takes the next request and closes without a word.
        &[Read, Send(OK), Read],
        &[Read, Send(OK), Read, Reset],
        &[Read, Send(OK), AwaitClose],
    ];
    let (pool, log) = backend(SCRIPTS).await;
    for _ in 0..4 {
        // What may have been read is not sent again on the quiet: the caller decides, and counts.
        let answer = match post(&pool).await {
            Err(UpstreamError::Stale(_)) => send_afresh(&pool).await,
            other => other,
        };
        assert_eq!(read(answer.unwrap()).await.unwrap(), "ok");
    }
    assert_eq!(log.connections.get(), 4);
}

#[actix_rt::test]
async fn a_request_that_may_have_been_read_is_not_sent_again_by_itself() {
    let (pool, log) = backend(&[&[Read, Send(OK), Read], &[Read, Send(OK)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert!(matches!(post(&pool).await, Err(UpstreamError::Stale(_))));
    assert_eq!(log.connections.get(), 1);
}

#[actix_rt::test]
async fn only_a_kept_connection_and_silence_are_tried_again() {
    const SCRIPTS: &[&[Step]] = &[&[Read], &[Read, Send(OK), Read, Send("HTTP/1.1 2")], &[Read, Send(OK)]];
    let (pool, log) = backend(SCRIPTS).await;
    assert!(matches!(post(&pool).await, Err(UpstreamError::BeforeAnswer(_))));
    assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "ok");
    assert!(matches!(post(&pool).await, Err(UpstreamError::BeforeAnswer(_))));
    assert_eq!(log.connections.get(), 2);
}

#[actix_rt::test]
async fn connection_close_is_honoured() {
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let (pool, log) = backend(&[&[Read, Send(CLOSE), AwaitClose], &[Read, Send(OK)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (0, 0));
    settle().await;
    assert!(log.closed.get().is_some());
    read(post(&pool).await.unwrap()).await.unwrap();
}

#[test]
fn what_waits_is_small() {
    assert!(
        size_of::<connection::BackendConnection>() <= 256,
        "{}",
        size_of::<connection::BackendConnection>()
    );
    assert!(size_of::<Body>() <= 256, "{}", size_of::<Body>());
}

/// Who says more than was asked for is not asked again: the next answer may be none of ours.
#[actix_rt::test]
async fn a_connection_with_something_left_to_say_is_closed() {
    const MORE: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine";
    const BOTH: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    const SCRIPTS: &[&[Step]] = &[
        &[Read, Send(MORE), AwaitClose],
        &[Read, Send(OK), Pause(5), Send("HTTP/1.1 408 Request Timeout\r\n\r\n"), AwaitClose],
        &[Read, Send(BOTH), AwaitClose],
        &[Read, Send(OK)],
    ];
    let (pool, log) = backend(SCRIPTS).await;
    for _ in SCRIPTS {
        assert_eq!(read(post(&pool).await.unwrap()).await.unwrap(), "ok");
        settle().await;
    }
    assert_eq!(log.connections.get(), 4);
}

#[actix_rt::test]
async fn no_connection_is_kept_to_a_backend_that_ends() {
    let (pool, log) = backend(&[&[Read, Send(OK), AwaitClose], &[Read, Send(OK), AwaitClose]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (1, 0));
    pool.0.backend.ending().cancel();
    settle().await;
    assert!(log.closed.take().is_some());
    // An answer that was still running leaves nothing behind.
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (0, 0));
    settle().await;
    assert!(log.closed.get().is_some());
}

#[actix_rt::test]
async fn what_the_backend_closed_is_not_held_open() {
    let (pool, _) = backend(&[&[Read, Send(OK), Pause(100)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(pool.open(), (1, 0));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn an_old_connection_is_not_used() {
    let (pool, log) = backend(&[&[Read, Send(OK), AwaitClose], &[Read, Send(OK)]]).await;
    read(post(&pool).await.unwrap()).await.unwrap();
    pool.0.worker.live().addr().unwrap().send(AgeConnections).await.unwrap();
    read(post(&pool).await.unwrap()).await.unwrap();
    assert_eq!(log.connections.get(), 2);
}

#[actix_rt::test]
async fn leaving_closes_the_connection_at_once() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let (pool, log) = backend(&[&[Read, AwaitClose], &[Read, Send(STREAM), AwaitClose]]).await;
    let waiting = tokio::time::timeout(Duration::from_millis(50), post(&pool)).await;
    let left = Instant::now();
    assert!(waiting.is_err());
    settle().await;
    assert!(log.closed.take().unwrap() - left < Duration::from_millis(100));

    let mut response = post(&pool).await.unwrap();
    next(&mut response.body).await.unwrap().unwrap();
    let left = Instant::now();
    drop(response);
    settle().await;
    assert!(log.closed.take().unwrap() - left < Duration::from_millis(100));
    assert_eq!(pool.open(), (0, 0));
}

#[actix_rt::test]
async fn many_at_once_share_a_pool() {
    // As connections are opened one after another, the first may have answered before the last is there.
    let (pool, log) = backend(vec![&*[Read, Pause(5), Send(OK)].repeat(400).leak(); 200].leak()).await;
    for _ in 0..2 {
        let asked: Vec<_> = (0..200)
            .map(|_| {
                let pool = pool.clone();
                actix_rt::spawn(async move { read(post(&pool).await.unwrap()).await.unwrap() })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), "ok");
        }
    }
    let (connections, requests) = (log.connections.get(), log.requests.borrow().len());
    assert!(connections <= 200 && requests == 400, "{connections} connections, {requests} requests");
}

#[actix_rt::test]
async fn what_is_on_its_way_is_counted() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let (pool, _) = backend(&[&[Read, Send(STREAM), AwaitClose], &[Read, AwaitClose]]).await;
    assert_eq!(pool.open(), (0, 0));
    let response = post(&pool).await.unwrap();
    assert_eq!(pool.open(), (1, 1));
    let asking = pool.clone();
    let waiting = actix_rt::spawn(async move { post(&asking).await.map(drop) });
    until(|| pool.open() == (2, 2)).await;
    waiting.abort();
    until(|| pool.open() == (1, 1)).await;
    drop(response);
    until(|| pool.open() == (0, 0)).await;
}

#[actix_rt::test]
async fn a_crash_ends_what_the_gateway_had_on_its_way() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let scripts: &[&[Step]] =
        &[&[Read, Send(OK), AwaitClose], &[Read, Send(STREAM), AwaitClose], &[Read, AwaitClose]];
    let (pool, log) = backend(scripts).await;
    let idle = post(&pool).await.unwrap();
    let mut streaming = {
        // On the second connection: the first has not been given back yet.
        let streaming = post(&pool).await.unwrap();
        read(idle).await.unwrap();
        streaming
    };
    assert_eq!(next(&mut streaming.body).await.unwrap().unwrap(), "one");
    let asking = pool.clone();
    let waiting = actix_rt::spawn(async move { send_afresh(&asking).await.map(drop) });
    until(|| log.requests.borrow().len() == 3).await;

    tell(&pool.0.worker.live().addr().unwrap(), Panic);
    let broken = next(&mut streaming.body).await.unwrap().unwrap_err();
    assert!(broken.crashed, "{broken}");
    assert!(matches!(waiting.await.unwrap(), Err(UpstreamError::Crashed)));
    assert_eq!(pool.open(), (0, 0), "a connection outlived its Gateway");
}

#[actix_rt::test]
async fn a_request_waits_for_a_gateway_that_is_being_restarted() {
    let (pool, _) = backend(&[&[Read, Send(OK), AwaitClose]]).await;
    tell(&pool.0.worker.live().addr().unwrap(), Panic);
    until(|| pool.0.worker.live().addr().is_none()).await;
    let asking = pool.clone();
    let asked = actix_rt::spawn(async move { read(post(&asking).await.unwrap()).await.unwrap() });
    settle().await;
    let _next =
        Child::start(crate::http::gateway::actor::Gateway::new(GatewayLoad::default()), pool.0.worker.live());
    assert_eq!(asked.await.unwrap(), "ok");
}

/// More at once than are opened at once: those that wait for their turn get one each, if none comes back before.
#[actix_rt::test]
async fn a_burst_gets_its_connections_in_turn() {
    const BURST: usize = 40;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = Pool::new(listener.local_addr().unwrap());
    let all_at_once = async {
        let mut streams = Vec::new();
        while streams.len() < BURST {
            let mut stream = listener.accept().await.unwrap().0;
            read_request(&mut stream).await.unwrap();
            streams.push(stream);
        }
        for stream in &mut streams {
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    };
    let asked = futures_util::future::join_all(
        (0..BURST).map(|_| async { read(post(&pool).await?).await.map_err(|_| UpstreamError::Crashed) }),
    );
    let (answers, ()) = futures_util::future::join(asked, all_at_once).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok_and(|text| text == "ok")));
}

/// Waits until `done`; a test that waits in vain fails by its own timeout.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
