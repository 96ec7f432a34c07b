//! Room for a body: as much as has come, not as much as was announced.

/// Below this size, memory is doubled; from there on ...
const SMALL: usize = 1 << 20;
/// ... as much as was announced is taken, but not more than so many times what has come.
const TRUST: usize = 64;

/// Makes room for `more` bytes. A large one is moved but once on its way, so that no second copy of it is held.
pub(crate) fn grow(
    bytes: &mut Vec<u8>,
    more: usize,
    announced: usize,
) -> Result<(), std::collections::TryReserveError> {
    let wanted = bytes.len() + more;
    if wanted <= bytes.capacity() {
        return Ok(());
    }
    let trust = if wanted < SMALL { 2 } else { TRUST };
    let size = announced.min(wanted.saturating_mul(trust)).max(wanted);
    if size > wanted {
        return bytes.try_reserve_exact(size - bytes.len());
    }
    bytes.try_reserve(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_came() {
        let announced = 200 << 20;
        let mut bytes = Vec::new();
        grow(&mut bytes, 4096, announced).unwrap();
        assert!(bytes.capacity() <= 8192);
        bytes.resize(SMALL, 0);
        grow(&mut bytes, 1, announced).unwrap();
        assert!(bytes.capacity() > 64 << 20 && bytes.capacity() < 65 << 20);
        let mut whole = vec![0; 4 << 20];
        grow(&mut whole, 1, announced).unwrap();
        assert_eq!(whole.capacity(), announced);
        assert!(grow(&mut whole, usize::MAX / 4, 0).is_err());
    }
}
