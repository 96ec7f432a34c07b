//! Trusted proxies: whose word about a client's address is taken.
//!
//! A proxy adds to `X-Forwarded-For` the address from which it was called. Anybody may send that header, so it is read from
//! its end, and only as far as each address on the way is a trusted proxy's.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address, or all that begin with the same bits (CIDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    /// How many of the bits count. IPv4 addresses are taken as those that IPv6 maps.
    bits: u32,
}

/// Before an IPv4 address in 128 bits.
const MAPPED: u32 = 96;

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(Ipv6Addr::BITS - bits).unwrap_or(0)
}

impl Network {
    /// Whether the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        (number(address) ^ self.address) & mask(self.bits) == 0
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        let (most, before) = if address.is_ipv4() { (32, MAPPED) } else { (128, 0) };
        let length = match length {
            None => most,
            Some(text) => text
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(|| format!("/{text} is no length of a network: 0 to {most}"))?,
        };
        let bits = before + length;
        let number = number(address);
        if number & !mask(bits) != 0 {
            return Err(format!("{text:?} has bits behind its first {length}"));
        }
        Ok(Self { address: number, bits })
    }
}

/// From where a request really comes: the peer of its connection, or what trusted proxies say of it. `forwarded`: the values of
/// `X-Forwarded-For`, in their order.
pub fn client<'a>(
    peer: IpAddr,
    trusted: &[Network],
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    for entry in forwarded.rev().flat_map(|value| value.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        // What is no address ends the chain: the last proxy that is known speaks for whoever it was.
        let Some(address) = address(entry.trim()) else { break };
        client = address;
    }
    client
}

/// An address as proxies write it: alone, with a port, an IPv6 one in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((v4, port)) if !port.contains(':') => v4,
            _ => text,
        },
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_mistakes_named() {
        let within = |network: &str, address: &str| networks(&[network])[0].contains(ip(address));
        assert!(within("10.0.0.0/8", "10.255.0.1") && !within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("10.0.0.7", "10.0.0.7") && !within("10.0.0.7", "10.0.0.8"));
        assert!(within("10.0.0.0/8", "::ffff:10.1.2.3") && within("0.0.0.0/0", "192.0.2.1"));
        assert!(within("fd00::/8", "fd12::1") && !within("fd00::/8", "fe80::1"));
        assert!(within("::/0", "192.0.2.1") && !within("0.0.0.0/0", "fd00::1"));
        for (wrong, words) in [
            ("proxy.example", "no IP address"),
            ("10.0.0.0/33", "0 to 32"),
            ("::/129", "0 to 128"),
            ("10.0.0.1/8", "behind its first 8"),
            ("10.0.0.0/", "no length"),
            ("", "no IP address"),
        ] {
            let error = wrong.parse::<Network>().unwrap_err();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = networks(&["127.0.0.1", "10.0.0.0/8", "::1"]);
        for (peer, forwarded, expected) in [
            ("192.0.2.9", &["203.0.113.1"][..], "192.0.2.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("::1", &["203.0.113.1:4711"], "203.0.113.1"),
            ("::ffff:127.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            // The client's own lie stands before the proxies' words.
            ("127.0.0.1", &["198.51.100.66, 203.0.113.1"], "203.0.113.1"),
            ("127.0.0.1", &["198.51.100.66", "203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("127.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("127.0.0.1", &["203.0.113.1, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("127.0.0.1", &[""], "127.0.0.1"),
        ] {
            assert_eq!(client(ip(peer), &trusted, forwarded.iter().copied()), ip(expected), "{forwarded:?}");
        }
        assert_eq!(client(ip("127.0.0.1"), &[], ["203.0.113.1"].into_iter()), ip("127.0.0.1"));
    }

    proptest! {
        /// Whatever a client puts before the words of the proxies changes nothing.
        #[test]
        fn a_client_can_not_choose_its_address(lie in "[ -~]{0,40}", real in any::<u32>()) {
            let trusted = networks(&["127.0.0.1"]);
            let real = IpAddr::V4(real.into());
            prop_assume!(!trusted[0].contains(real));
            let header = format!("{lie}, {real}");
            prop_assert_eq!(client(ip("127.0.0.1"), &trusted, [header.as_str()].into_iter()), real);
        }
    }
}
