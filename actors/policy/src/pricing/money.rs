//! Money and prices as whole numbers, and their decimal spelling.

use std::fmt;
use std::str::FromStr;

/// A cost that no [`Money`] can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoneyOverflow;

impl fmt::Display for MoneyOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cost is too big to be counted")
    }
}

impl std::error::Error for MoneyOverflow {}

/// An amount, in 10^-12 of the currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u128);

/// A price, in 10^-6 of the currency's unit per million tokens, per hour or per kWh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u64);

const MONEY_DIGITS: usize = 12;
const PRICE_DIGITS: usize = 6;
/// Units of money in one of a price: 10^(12 - 6).
const MONEY_PER_PRICE: u128 = 1_000_000;

/// Why a decimal is no price or amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDecimal {
    Empty,
    Negative,
    /// `1e3`: written out instead.
    Exponent,
    /// Not digits with at most one point between them.
    NotANumber,
    /// More digits after the point than are counted.
    TooFine {
        digits: usize,
    },
    TooBig,
}

impl fmt::Display for BadDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty; write a decimal like \"0.8\""),
            Self::Negative => f.write_str("is negative"),
            Self::Exponent => f.write_str("has an exponent; write all digits"),
            Self::NotANumber => f.write_str("is not a decimal like \"0.8\""),
            Self::TooFine { digits } => write!(f, "has more than {digits} digits after the point"),
            Self::TooBig => f.write_str("is too big"),
        }
    }
}

impl std::error::Error for BadDecimal {}

fn parse(text: &str, digits: usize) -> Result<u128, BadDecimal> {
    if text.is_empty() {
        return Err(BadDecimal::Empty);
    }
    if text.starts_with('-') {
        return Err(BadDecimal::Negative);
    }
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        let is_float = text.bytes().any(|byte| byte | 0x20 == b'e') && text.parse::<f64>().is_ok();
        return Err(if is_float { BadDecimal::Exponent } else { BadDecimal::NotANumber });
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > digits {
        return Err(BadDecimal::TooFine { digits });
    }
    let padding = std::iter::repeat_n(b'0', digits - fraction.len());
    let mut value: u128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).chain(padding) {
        let next = value.checked_mul(10).and_then(|tens| tens.checked_add(u128::from(digit - b'0')));
        value = next.ok_or(BadDecimal::TooBig)?;
    }
    Ok(value)
}

fn print(f: &mut fmt::Formatter<'_>, value: u128, digits: usize) -> fmt::Result {
    let text = format!("{value:0>width$}", width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let fraction = fraction.trim_end_matches('0');
    f.write_str(whole)?;
    if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
}

impl Money {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(u128::MAX);

    /// From 10^-12 of the currency's unit.
    pub const fn from_units(units: u128) -> Self {
        Self(units)
    }

    /// In 10^-12 of the currency's unit.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// The same for a database.
    pub fn as_i64(self) -> Result<i64, MoneyOverflow> {
        i64::try_from(self.0).map_err(|_| MoneyOverflow)
    }

    pub fn plus(self, other: Self) -> Result<Self, MoneyOverflow> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyOverflow)
    }
}

impl Price {
    /// From 10^-6 of the currency's unit.
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// In 10^-6 of the currency's unit.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Of this many tokens at this price per million: exact, for the product of two `u64` fits.
    pub(super) fn of_tokens(self, tokens: u64) -> Money {
        Money(u128::from(self.0) * u128::from(tokens))
    }

    /// Of this many of which `per` make 10^-6 of what the price is for, to the nearest, halves up.
    pub(super) fn times(self, count: u64, per: u32) -> Result<Money, MoneyOverflow> {
        let product = u128::from(self.0) * u128::from(count);
        let per = u128::from(per);
        let rest = product % per;
        (product / per).checked_add(u128::from(rest * 2 >= per)).map(Money).ok_or(MoneyOverflow)
    }

    /// Of this many seconds at this price per hour, to the nearest, halves up.
    pub(super) fn of_seconds(self, seconds: u64) -> Result<Money, MoneyOverflow> {
        // 10^6 / 3600 = 2500 / 9
        const { assert!(MONEY_PER_PRICE * 9 == 2500 * 3600) };
        let product = u128::from(self.0) * u128::from(seconds);
        let (nines, rest) = (product / 9, product % 9);
        let rest = (rest * 2500 * 2 + 9) / 18;
        nines.checked_mul(2500).and_then(|whole| whole.checked_add(rest)).map(Money).ok_or(MoneyOverflow)
    }
}

impl FromStr for Money {
    type Err = BadDecimal;

    fn from_str(text: &str) -> Result<Self, BadDecimal> {
        parse(text, MONEY_DIGITS).map(Self)
    }
}

impl FromStr for Price {
    type Err = BadDecimal;

    fn from_str(text: &str) -> Result<Self, BadDecimal> {
        u64::try_from(parse(text, PRICE_DIGITS)?).map(Self).map_err(|_| BadDecimal::TooBig)
    }
}

/// Without zeros at the end: `0`, `1.5`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.0, MONEY_DIGITS)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, u128::from(self.0), PRICE_DIGITS)
    }
}

/// Three capital letters, in the form of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    pub fn new(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
