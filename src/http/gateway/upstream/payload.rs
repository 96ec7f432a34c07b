//! The body of a request: the client's bytes, with what the manager changes in them. A large body is not copied for
//! a change of a few bytes: it is held once, however many images it has.

use std::io::IoSlice;
use std::ops::Range;

use bytes::{Buf, Bytes};

/// Up to this size, copying costs less than writing several pieces.
const SMALL: usize = 32 * 1024;

/// A change of a body: what stands in place of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub at: Range<usize>,
    pub new: Bytes,
}

/// What is sent. Clones share the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload {
    next: Bytes,
    /// What follows `next`, the last piece first.
    rest: Vec<Bytes>,
}

impl From<Bytes> for Payload {
    fn from(body: Bytes) -> Self {
        Self { next: body, rest: Vec::new() }
    }
}

impl Payload {
    /// The body with these changes, which don't overlap; one that lies outside is left out.
    pub(crate) fn edited(body: &Bytes, mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let mut pieces: Vec<Bytes> = Vec::with_capacity(2 * edits.len() + 1);
        let mut done = 0;
        for edit in edits {
            if edit.at.start < done || edit.at.end < edit.at.start || edit.at.end > body.len() {
                continue;
            }
            pieces.push(body.slice(done..edit.at.start));
            pieces.push(edit.new);
            done = edit.at.end;
        }
        pieces.push(body.slice(done..));
        pieces.retain(|piece| !piece.is_empty());
        if body.len() <= SMALL {
            return Self::from(Bytes::from(pieces.concat()));
        }
        pieces.reverse();
        let next = pieces.pop().unwrap_or_default();
        Self { next, rest: pieces }
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.next.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies all of it.
    pub(super) fn write_to(&self, buffer: &mut Vec<u8>) {
        for piece in std::iter::once(&self.next).chain(self.rest.iter().rev()) {
            buffer.extend_from_slice(piece);
        }
    }

    /// Its first pieces, as many as there is room for.
    pub(super) fn pieces<'a>(&'a self, room: &mut [IoSlice<'a>]) {
        let pieces = std::iter::once(&self.next).chain(self.rest.iter().rev());
        for (place, piece) in room.iter_mut().zip(pieces) {
            *place = IoSlice::new(piece);
        }
    }

    /// Leaves out so many bytes at its beginning, which are written.
    pub(super) fn advance(&mut self, mut written: usize) {
        while written > 0 && written >= self.next.len() {
            written -= self.next.len();
            let Some(following) = self.rest.pop() else {
                self.next = Bytes::new();
                return;
            };
            self.next = following;
        }
        self.next.advance(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written so many bytes at a time, or all that fits.
    fn sent_by(mut payload: Payload, step: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let announced = payload.len();
        while !payload.is_empty() {
            let mut room = [IoSlice::new(&[]); 3];
            payload.pieces(&mut room);
            let pieces = room.iter().flat_map(|piece| piece.iter().copied());
            let before = bytes.len();
            bytes.extend(pieces.take(step));
            let written = bytes.len() - before;
            payload.advance(written);
        }
        assert_eq!(bytes.len(), announced);
        bytes
    }

    fn sent(payload: Payload) -> Vec<u8> {
        let mut copy = Vec::new();
        payload.write_to(&mut copy);
        assert_eq!(sent_by(payload, usize::MAX), copy);
        copy
    }

    #[test]
    fn a_large_body_is_not_copied() {
        let body = Bytes::from(vec![b'x'; SMALL + 1]);
        let edits = vec![Edit { at: 10..20, new: Bytes::from_static(b"new") }];
        let payload = Payload::edited(&body, edits);
        assert_eq!(payload.next.as_ptr(), body.as_ptr());
        assert_eq!(payload.len(), body.len() - 7);
        assert_eq!(&sent(payload)[8..15], b"xxnewxx");
    }

    #[test]
    fn edits_that_do_not_fit_are_left_out() {
        let body = Bytes::from_static(b"abcdef");
        let edit = |at, new| Edit { at, new: Bytes::from_static(new) };
        let all = vec![edit(4..9, b"!"), edit(2..4, b""), edit(3..5, b"?"), edit(0..0, b">")];
        assert_eq!(sent(Payload::edited(&body, all)), b">abef");
        assert!(Payload::edited(&body, vec![edit(0..6, b"")]).is_empty());
    }

    proptest! {
        #[test]
        fn the_same_comes_out_whatever_the_size(
            cuts in proptest::collection::btree_set(0_usize..200, 0..8),
            padding in prop_oneof![Just(0), Just(SMALL)],
            new in "[a-z]{0,5}",
            step in 1_usize..300,
        ) {
            let body: Vec<u8> = (0..200 + padding).map(|at| (at % 251) as u8).collect();
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let edits = cuts.chunks_exact(2).map(|pair| Edit {
                at: pair[0]..pair[1], new: Bytes::from(new.clone()),
            });
            let edits: Vec<Edit> = edits.collect();
            let mut wanted = body.clone();
            for edit in edits.iter().rev() {
                wanted.splice(edit.at.clone(), edit.new.iter().copied());
            }
            let payload = Payload::edited(&body.into(), edits);
            prop_assert_eq!(&sent_by(payload.clone(), step), &wanted);
            prop_assert_eq!(sent(payload), wanted);
        }
    }
}
