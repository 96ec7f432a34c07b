//! What is read from sockets goes through one buffer of the thread, lent to one connection at a time: none of them has to keep
//! a buffer while it waits.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// The most that is read at once.
const SIZE: usize = 64 << 10;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Hands over what has come; `None`: the other side has ended.
pub(super) fn poll_read<T>(
    stream: Pin<&mut impl AsyncRead>,
    context: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    let mut bytes = BUFFER.take();
    if bytes.is_empty() {
        bytes = vec![0; SIZE];
    }
    let mut buffer = ReadBuf::new(&mut bytes);
    let read = stream.poll_read(context, &mut buffer);
    let read = read.map_ok(|()| match buffer.filled() {
        [] => None,
        came => Some(take(came)),
    });
    BUFFER.set(bytes);
    read
}
