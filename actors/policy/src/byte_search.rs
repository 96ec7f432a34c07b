//! Finds bytes in many at once.

const ONES: u64 = 0x0101_0101_0101_0101;

/// Marks the bytes that are this one. A borrow can only mark bytes behind one that is truly there: the first mark is right.
const fn marks(word: u64, byte: u8) -> u64 {
    let zeros = word ^ (ONES * byte as u64);
    zeros.wrapping_sub(ONES) & !zeros & (ONES << 7)
}

/// Where the first `"` or `\` is, or the length.
pub(crate) fn quote(bytes: &[u8]) -> usize {
    // Most strings are short: eight bytes at a time, then as many as one instruction compares.
    const SHORT: usize = 4;
    let (words, _) = bytes.as_chunks::<8>();
    let mut from = 0;
    for word in words.iter().take(SHORT) {
        let word = u64::from_le_bytes(*word);
        let found = marks(word, b'"') | marks(word, b'\\');
        if found != 0 {
            return from + found.trailing_zeros() as usize / 8;
        }
        from += 8;
    }
    let may = |byte: u8| (byte ^ b'"').min(byte ^ b'\\') == 0;
    from + find(bytes.get(from..).unwrap_or_default(), may, |byte| matches!(byte, b'"' | b'\\'))
}

/// Where the first `"`, `\` or line end is, or the length. For short texts: eight bytes at a time.
pub(crate) fn text_end(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut from = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let found = marks(word, b'"') | marks(word, b'\\') | marks(word, b'\n') | marks(word, b'\r');
        if found != 0 {
            return from + found.trailing_zeros() as usize / 8;
        }
        from += 8;
    }
    let rest = bytes.get(from..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\r');
    from + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Where the first line end is, or the length.
pub(crate) fn line_end(bytes: &[u8]) -> usize {
    let may = |byte: u8| (byte ^ b'\n').min(byte ^ b'\r') == 0;
    find(bytes, may, |byte| matches!(byte, b'\n' | b'\r'))
}

/// Where the first quote or bracket is, or the length.
pub(crate) fn bracket(bytes: &[u8]) -> usize {
    // The four brackets are the same but for the bits of 0x26. Few other bytes are, and none of them is in a number.
    find(
        bytes,
        |byte| (byte | 0x26 == 0x7f) | (byte == b'"'),
        |byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'),
    )
}

/// Where the first such byte is, or the length. `may` is true of more bytes, and quick.
fn find(bytes: &[u8], may: impl Fn(u8) -> bool, is: impl Fn(u8) -> bool) -> usize {
    const BLOCK: usize = 64;
    const SHORT: usize = 16;
    // Most strings are short.
    if let Some(at) = bytes.iter().take(SHORT).position(|&byte| is(byte)) {
        return at;
    }
    let mut from = bytes.len().min(SHORT);
    loop {
        let (blocks, _) = bytes.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
        // Without a branch for each byte the compiler compares the whole block at once.
        let has_none = |block: &&[u8; BLOCK]| !block.iter().fold(false, |found, &byte| found | may(byte));
        from += blocks.iter().take_while(has_none).count() * BLOCK;
        let rest = bytes.get(from..).unwrap_or_default();
        let block = rest.get(..BLOCK).unwrap_or(rest);
        match block.iter().position(|&byte| is(byte)) {
            Some(at) => return from + at,
            None if block.len() == rest.len() => return bytes.len(),
            None => from += BLOCK,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// `y` looks like a bracket to whoever looks quickly.
    #[test]
    fn a_block_that_only_looks_like_it_is_passed() {
        for length in [15, 16, 17, 80, 81, 200] {
            let text = [vec![b'y'; length], b"{".to_vec()].concat();
            assert_eq!(super::bracket(&text), length);
            assert_eq!(super::bracket(text.get(..length).unwrap()), length);
        }
    }

    /// Among bytes that look like nothing that is looked for.
    #[test]
    fn a_single_byte_is_found_anywhere() {
        for at in [0, 15, 16, 63, 64, 130, 199] {
            let text = |byte: u8| {
                let mut text = vec![b'x'; 200];
                text[at] = byte;
                text
            };
            assert_eq!([b'"', b'\\'].map(|byte| super::quote(&text(byte))), [at, at]);
            assert_eq!([b'\n', b'\r'].map(|byte| super::line_end(&text(byte))), [at, at]);
            assert_eq!(b"\"{}[]".map(|byte| super::bracket(&text(byte))), [at; 5]);
        }
    }

    proptest! {
        #[test]
        fn all_ways_find_the_same(bytes in proptest::collection::vec(
            prop_oneof![20 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => Just(b'{'), 1 => Just(b']')], 0..400,
        )) {
            let first = |wanted: &[u8]| bytes.iter().position(|byte| wanted.contains(byte)).unwrap_or(bytes.len());
            prop_assert_eq!(super::quote(&bytes), first(b"\"\\"));
            prop_assert_eq!(super::line_end(&bytes), first(b"\n\r"));
            prop_assert_eq!(super::bracket(&bytes), first(b"\"{}[]"));
            prop_assert_eq!(super::text_end(&bytes), first(b"\"\\\n\r"));
        }
    }

    /// Blocks of nothing but bytes that are looked for.
    #[test]
    fn a_whole_block_of_them_is_not_passed() {
        for byte in *b"\"\\\n\r{}[]" {
            let text = [vec![b'x'; 16], vec![byte; 64], vec![b'x'; 64]].concat();
            let of = |is: bool| if is { 16 } else { text.len() };
            assert_eq!(super::quote(&text), of(b"\"\\".contains(&byte)), "{byte}");
            assert_eq!(super::line_end(&text), of(b"\n\r".contains(&byte)), "{byte}");
            assert_eq!(super::bracket(&text), of(b"\"{}[]".contains(&byte)), "{byte}");
        }
    }
}
