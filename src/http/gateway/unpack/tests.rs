use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

const LIMIT: usize = 4 << 20;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn bare(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

/// `{"model":"m","stream":true}`, as Node's zlib packs it.
const BROTLI: &[u8] =
    b"\x1b\x1a\x00\xe0\x8c\xd4\x62\xcd\x19\xee\xd4\x22\x6d\x7b\x7d\x8b\x45\xa7\x15\x91\x64\x12\x5a\
    \x94\x27\xd4\x80\x2b\x24\x94\x73";

async fn unpack(coding: Coding, packed: &[u8], step: usize) -> Result<Bytes, UnpackError> {
    let mut unpacker = Unpacker::new(coding, LIMIT)?;
    for chunk in packed.chunks(step.max(1)) {
        unpacker.push(chunk).await?;
    }
    unpacker.finish()
}

#[actix_web::test]
async fn what_was_packed_comes_out_however_it_is_cut() {
    let plain = br#"{"model":"m","stream":true}"#;
    for (coding, packed) in [
        (Coding::Gzip, gzip(plain)),
        (Coding::Deflate, zlib(plain)),
        (Coding::Deflate, bare(plain)),
        (Coding::Zstd, zstd(plain)),
        (Coding::Brotli, BROTLI.to_vec()),
    ] {
        for step in [1, 7, packed.len()] {
            assert_eq!(unpack(coding, &packed, step).await.unwrap().as_ref(), plain, "{coding:?} {step}");
        }
        let cut = unpack(coding, &packed[..packed.len() - 1], 5).await;
        assert!(matches!(cut, Err(UnpackError::Broken { .. })), "{coding:?}: {cut:?}");
        let wrong = unpack(coding, b"{\"model\":\"m\"}", 50).await;
        assert!(matches!(wrong, Err(UnpackError::Broken { .. })), "{coding:?}: {wrong:?}");
        assert!(unpack(coding, b"", 1).await.is_err(), "{coding:?}");
    }
    // Several members, and several frames, are one body (RFC 1952, 2.2; RFC 8878, 3).
    let two = [gzip(b"ab"), gzip(b"cd")].concat();
    assert_eq!(unpack(Coding::Gzip, &two, 3).await.unwrap().as_ref(), b"abcd");
    let two = [zstd(b"ab"), zstd(b"cd")].concat();
    assert_eq!(unpack(Coding::Zstd, &two, 3).await.unwrap().as_ref(), b"abcd");
}

#[test]
fn an_answer_comes_out_as_it_goes_in() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut unpacker = Unpacker::new(Coding::Gzip, LIMIT).unwrap();
    for event in ["data: one\n\n", "data: two\n\n"] {
        encoder.write_all(event.as_bytes()).unwrap();
        encoder.flush().unwrap();
        let packed = std::mem::take(encoder.get_mut());
        assert_eq!(unpacker.pass(&packed).unwrap(), event.as_bytes());
    }
    let end = encoder.finish().unwrap();
    assert_eq!(unpacker.pass(&end).unwrap(), "");
    assert_eq!(unpacker.finish().unwrap(), "");
}

#[actix_web::test]
async fn a_bomb_is_refused_before_it_goes_off() {
    let plain = vec![b' '; 100 << 20];
    for (coding, packed) in
        [(Coding::Gzip, gzip(&plain)), (Coding::Deflate, zlib(&plain)), (Coding::Zstd, zstd(&plain))]
    {
        let mut unpacker = Unpacker::new(coding, LIMIT).unwrap();
        let pushed = unpacker.push(&packed).await;
        assert!(matches!(pushed, Err(UnpackError::TooLarge { limit: LIMIT, .. })), "{coding:?}");
        assert!(unpacker.sink().bytes.capacity() <= 2 * LIMIT);
    }
    // A frame that wants a window of 2 GiB.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x00, 0x00];
    assert!(matches!(unpack(Coding::Zstd, &window, 8).await, Err(UnpackError::Broken { .. })));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(packed: Vec<u8>) {
        actix_rt::System::new().block_on(async {
            for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Brotli] {
                drop(unpack(coding, &packed, 9).await);
            }
        });
    }
}
