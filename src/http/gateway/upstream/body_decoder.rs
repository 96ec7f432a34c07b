//! The body of an answer without what is written around it (RFC 9112, 6 and 7). No byte is kept: where a read ends in the
//! middle of a chunk's size or behind it, the state says so.

use bytes::Bytes;

/// The longest line with the size of a chunk and its extensions, and the most that the trailers may have in all.
const LONGEST_LINE: usize = 16 * 1024;

/// What came is no body of the form that the head has announced.
pub(super) type Malformed = &'static str;

/// What one read has brought.
#[derive(Debug)]
pub(super) struct BodyData {
    pub(super) bytes: Bytes,
    /// What is wrong behind them.
    pub(super) malformed: Option<Malformed>,
}

/// Finds the data among the bytes of one answer.
#[derive(Debug)]
pub(super) struct BodyDecoder {
    state: State,
    /// What a length or a chunk still lacks.
    left: u64,
    /// Bytes of the size's line or of the trailers so far.
    line: usize,
    /// More came than belongs to the answer.
    surplus: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes.
    Length,
    /// All that comes before the connection ends.
    UntilClose,
    /// The first digit of a chunk's size.
    Start,
    /// More of them.
    Size,
    /// The space behind it.
    Space,
    /// What an extension says is nobody's concern.
    Extension,
    SizeLf,
    Chunk,
    ChunkCr,
    ChunkLf,
    /// A trailer, or the empty line behind all of them.
    LastCr,
    Trailer,
    TrailerLf,
    LastLf,
    /// Nothing.
    Done,
}

impl BodyDecoder {
    /// An answer without a body.
    pub(super) const fn empty() -> Self {
        Self::at(State::Done)
    }

    pub(super) const fn of_length(length: u64) -> Self {
        Self { left: length, ..Self::at(if length == 0 { State::Done } else { State::Length }) }
    }

    pub(super) const fn chunked() -> Self {
        Self::at(State::Start)
    }

    pub(super) const fn until_close() -> Self {
        Self::at(State::UntilClose)
    }

    const fn at(state: State) -> Self {
        Self { state, left: 0, line: 0, surplus: false }
    }

    /// Whether its last byte has come.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether more came than belongs to it.
    pub(super) fn has_surplus(&self) -> bool {
        self.surplus
    }

    /// Whether nothing but the end of the connection ends it.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.state == State::UntilClose
    }

    /// What is to come, as far as that was announced; before anything has come.
    pub(super) fn length(&self) -> Option<u64> {
        matches!(self.state, State::Length | State::Done).then_some(self.left)
    }

    /// The data among these bytes, which follow those of the last call, up to what is malformed.
    pub(super) fn decode(&mut self, mut came: &[u8]) -> BodyData {
        let first = match self.next(&mut came) {
            Ok(Some(first)) => first,
            Ok(None) => return BodyData { bytes: Bytes::new(), malformed: None },
            Err(why) => return BodyData { bytes: Bytes::new(), malformed: Some(why) },
        };
        // Most reads bring one piece.
        match self.next(&mut came) {
            Ok(None) => BodyData { bytes: Bytes::copy_from_slice(first), malformed: None },
            Ok(Some(second)) => self.join(first, second, came),
            Err(why) => BodyData { bytes: Bytes::copy_from_slice(first), malformed: Some(why) },
        }
    }

    fn join(&mut self, first: &[u8], second: &[u8], mut came: &[u8]) -> BodyData {
        let mut all = Vec::with_capacity(first.len() + second.len() + came.len());
        all.extend_from_slice(first);
        all.extend_from_slice(second);
        let malformed = loop {
            match self.next(&mut came) {
                Ok(Some(piece)) => all.extend_from_slice(piece),
                Ok(None) => break None,
                Err(why) => break Some(why),
            }
        };
        // Chunks of a byte or two.
        if all.len() < all.capacity() / 2 {
            all.shrink_to_fit();
        }
        BodyData { bytes: Bytes::from(all), malformed }
    }

    /// The next piece of data, which is taken out of `came`; `None`: there is none left.
    fn next<'a>(&mut self, came: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            let Some(&byte) = came.first() else { return Ok(None) };
            match self.state {
                State::Done => {
                    self.surplus = true;
                    *came = &[];
                    return Ok(None);
                }
                State::UntilClose => return Ok(Some(std::mem::take(came))),
                State::Length | State::Chunk => {
                    let here = usize::try_from(self.left).map_or(came.len(), |left| left.min(came.len()));
                    let (piece, rest) = came.split_at(here);
                    *came = rest;
                    self.left -= here as u64;
                    if self.left == 0 {
                        self.state = if self.state == State::Length { State::Done } else { State::ChunkCr };
                    }
                    return Ok(Some(piece));
                }
                _ => {
                    *came = &came[1..];
                    self.state = self.frame(byte)?;
                }
            }
        }
    }

    /// Takes a byte that is no data.
    fn frame(&mut self, byte: u8) -> Result<State, Malformed> {
        self.line += 1;
        if self.line > LONGEST_LINE {
            return Err("the extensions of a chunk or the trailers are too long");
        }
        Ok(match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let left = self.left.checked_mul(16).ok_or("the size of a chunk is too large")?;
                self.left = left + u64::from(digit);
                State::Size
            }
            (State::Size | State::Space, b' ' | b'\t') => State::Space,
            (State::Size | State::Space, b';') => State::Extension,
            (State::Size | State::Space | State::Extension, b'\r') => State::SizeLf,
            (State::Extension, byte) if byte != b'\n' => State::Extension,
            (State::SizeLf, b'\n') => {
                self.line = 0;
                if self.left == 0 { State::LastCr } else { State::Chunk }
            }
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => {
                self.line = 0;
                State::Start
            }
            (State::LastCr, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::Done,
            // What stands in a trailer isn't looked at (hyper parsed them): they are dropped.
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::LastCr | State::Trailer, _) => State::Trailer,
            (State::TrailerLf, b'\n') => State::LastCr,
            (State::Start | State::Size | State::Space | State::Extension | State::SizeLf, _) => {
                return Err("the size of a chunk is malformed");
            }
            (State::ChunkCr | State::ChunkLf, _) => return Err("a chunk is longer than its size"),
            _ => return Err("the trailers are malformed"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes out of these reads, how it ends, and whether it is whole.
    fn decode(mut decoder: BodyDecoder, reads: &[&[u8]]) -> (Vec<u8>, Result<BodyDecoder, Malformed>) {
        let mut data = Vec::new();
        for read in reads {
            let BodyData { bytes, malformed } = decoder.decode(read);
            data.extend_from_slice(&bytes);
            if let Some(why) = malformed {
                return (data, Err(why));
            }
        }
        (data, Ok(decoder))
    }

    fn chunked(text: &[u8]) -> (Vec<u8>, Result<BodyDecoder, Malformed>) {
        decode(BodyDecoder::chunked(), &[text])
    }

    #[test]
    fn sizes_extensions_and_trailers() {
        for text in [
            "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
            "003 \t;a=b\r\none\r\n3;\r\ntwo\r\n0;x=\"\u{e9}\"\r\nX-T: 1\r\nY: 2\r\n\r\n",
            "6\r\nonetwo\r\n00\r\n\r\n",
        ] {
            let (data, end) = chunked(text.as_bytes());
            let end = end.unwrap();
            assert_eq!(data, b"onetwo", "{text:?}");
            assert!(end.is_done() && !end.has_surplus(), "{text:?}");
        }
        assert_eq!(chunked(b"A\r\n0123456789\r\nb\r\n0123456789x").0.len(), 21);
    }

    #[test]
    fn what_is_malformed_is_said_behind_what_is_good() {
        for rest in [
            "\r\n",
            "x",
            "-1\r\n",
            "3x",
            "3 4\r\n",
            "3\n",
            "3;a\nb\r\n",
            "3\r\r\n",
            "ffffffffffffffff1\r\n",
            "1\r\nxy\r\n",
            "1\r\nx\n",
            "0\r\nX: 1\rY",
            "0\r\n\rx",
        ] {
            let (data, end) = chunked(format!("3\r\none\r\n{rest}").as_bytes());
            assert_eq!(
                data,
                if rest.starts_with("1\r\nx") { b"onex".as_slice() } else { b"one" },
                "{rest:?}"
            );
            assert!(end.is_err(), "{rest:?}");
        }
    }

    #[test]
    fn lines_have_bounds() {
        let long = "x".repeat(LONGEST_LINE);
        for text in [format!("1;{long}"), format!("0\r\nX: {long}"), "0".repeat(LONGEST_LINE + 1)] {
            assert!(chunked(text.as_bytes()).1.is_err(), "{}", &text[..5]);
        }
        let many = "X: 1\r\n".repeat(LONGEST_LINE);
        assert!(chunked(format!("0\r\n{many}").as_bytes()).1.is_err());
        // Each line has its own bound.
        let chunk = format!("1;{}\r\nx\r\n", "x".repeat(LONGEST_LINE / 2));
        assert_eq!(chunked(chunk.repeat(9).as_bytes()).0.len(), 9);
    }

    #[test]
    fn what_comes_behind_the_end_is_noticed() {
        for (decoder, text) in [
            (BodyDecoder::empty(), "x"),
            (BodyDecoder::of_length(0), "x"),
            (BodyDecoder::of_length(3), "onex"),
            (BodyDecoder::chunked(), "3\r\none\r\n0\r\n\r\n\r"),
        ] {
            let (data, end) = decode(decoder, &[text.as_bytes()]);
            let end = end.unwrap();
            assert!(end.is_done() && end.has_surplus() && (data.is_empty() || data == b"one"));
        }
    }

    #[test]
    fn a_largest_size_does_not_overflow() {
        let (data, end) = chunked(b"ffffffffffffffff\r\nabc");
        assert_eq!((data.as_slice(), end.unwrap().left), (b"abc".as_slice(), u64::MAX - 3));
        let (data, end) = decode(BodyDecoder::of_length(u64::MAX), &[b"abc"]);
        assert_eq!((data.as_slice(), end.unwrap().left), (b"abc".as_slice(), u64::MAX - 3));
    }

    /// Cuts a text at these places, wherever they are.
    fn cut<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
    }

    fn some_cuts() -> impl Strategy<Value = Vec<usize>> {
        proptest::collection::vec(any::<usize>(), 0..12)
    }

    proptest! {
        #[test]
        fn however_chunks_are_cut_the_same_comes_out(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            extension in "(;[a-z]{0,5}(=[a-z]{0,5})?)?",
            trailers in "([A-Z]: [a-z]{0,5}\r\n){0,3}",
            cuts in some_cuts(),
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
            let (data, end) = decode(BodyDecoder::chunked(), &cut(&text, &cuts));
            let end = end.unwrap();
            prop_assert_eq!(data, chunks.concat());
            prop_assert!(end.is_done() && !end.has_surplus());
            let (_, end) = decode(BodyDecoder::chunked(), &[&text[..text.len() - 1]]);
            prop_assert!(!end.unwrap().is_done());
        }

        #[test]
        fn however_garbage_is_cut_it_ends_the_same(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                "[0-3 ;\r\nx]{0,60}".prop_map(String::into_bytes),
                "([0-3]\r\n|x|\r\n|0\r\n){0,30}".prop_map(String::into_bytes),
            ],
            cuts in some_cuts(),
        ) {
            let (data, end) = chunked(&text);
            let (again, cut_end) = decode(BodyDecoder::chunked(), &cut(&text, &cuts));
            prop_assert_eq!(data, again);
            prop_assert_eq!(end.as_ref().err(), cut_end.as_ref().err());
            if let (Ok(one), Ok(other)) = (end, cut_end) {
                prop_assert_eq!((one.state, one.surplus), (other.state, other.surplus));
            }
        }

        #[test]
        fn a_length_is_kept(length in 0_usize..100, text in proptest::collection::vec(any::<u8>(), 0..200), cuts in some_cuts()) {
            let (data, end) = decode(BodyDecoder::of_length(length as u64), &cut(&text, &cuts));
            let end = end.unwrap();
            prop_assert_eq!(data.as_slice(), &text[..length.min(text.len())]);
            prop_assert_eq!(end.is_done(), text.len() >= length);
            prop_assert_eq!(end.has_surplus(), text.len() > length);
            let (data, end) = decode(BodyDecoder::until_close(), &cut(&text, &cuts));
            prop_assert_eq!(data, text);
            prop_assert!(!end.unwrap().is_done());
        }
    }
}
