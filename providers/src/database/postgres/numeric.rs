//! PostgreSQL's binary `numeric`: digits of base 10,000, to and from integers with a scale.

use bytes::{BufMut, BytesMut};

/// Sign words of the format.
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Digits of base 10,000 that 38 decimal digits, split anywhere, can need.
const MOST_DIGITS: usize = 11;

/// Appends a value, with its length in front.
pub(super) fn encode(unscaled: i128, scale: i8, out: &mut BytesMut) {
    let scale = u32::try_from(scale).unwrap_or(0);
    let unit = 10_u128.pow(scale);
    let (mut whole, mut fraction) = (unscaled.unsigned_abs() / unit, unscaled.unsigned_abs() % unit);
    // Written from the back: the last place of the array is the last digit.
    let mut digits = [0_u16; MOST_DIGITS + 1];
    let mut at = digits.len();
    let mut put = |at: &mut usize, digit: u128| {
        *at -= 1;
        if let Some(place) = digits.get_mut(*at) {
            *place = u16::try_from(digit).unwrap_or(0);
        }
    };
    let rest = scale % 4;
    if rest > 0 {
        let cut = 10_u128.pow(rest);
        put(&mut at, fraction % cut * 10_u128.pow(4 - rest));
        fraction /= cut;
    }
    for _ in 0..scale / 4 {
        put(&mut at, fraction % 10_000);
        fraction /= 10_000;
    }
    let mut weight = -1_i16;
    while whole > 0 {
        put(&mut at, whole % 10_000);
        whole /= 10_000;
        weight += 1;
    }
    let mut digits = digits.get(at..).unwrap_or_default();
    while let [0, rest @ ..] = digits {
        digits = rest;
        weight -= 1;
    }
    while let [rest @ .., 0] = digits {
        digits = rest;
    }
    if digits.is_empty() {
        weight = 0;
    }
    let count = i16::try_from(digits.len()).unwrap_or(0);
    out.put_i32(8 + 2 * i32::from(count));
    out.put_i16(count);
    out.put_i16(weight);
    out.put_u16(if unscaled < 0 { NEGATIVE } else { POSITIVE });
    out.put_i16(i16::try_from(scale).unwrap_or(0));
    for digit in digits {
        out.put_u16(*digit);
    }
}

/// The value with `scale` digits after the point; the reason when it is not a number with so few digits.
pub(super) fn decode(bytes: &[u8], scale: i8) -> Result<i128, &'static str> {
    let word = |at: usize| match bytes.get(2 * at..2 * at + 2) {
        Some([a, b]) => Ok(u16::from_be_bytes([*a, *b])),
        _ => Err("it is cut off"),
    };
    let (count, weight, sign) = (usize::from(word(0)?), i32::from(word(1)? as i16), word(2)?);
    if sign != POSITIVE && sign != NEGATIVE {
        return Err("it is NaN or infinite");
    }
    if bytes.len() != 8 + 2 * count {
        return Err("its length is wrong");
    }
    let mut sum = 0_i128;
    for at in 0..count {
        let digit = i128::from(word(4 + at)?);
        let exponent = 4 * (weight - at as i32) + i32::from(scale);
        let part = if exponent >= 0 {
            let unit = 10_i128.checked_pow(exponent.unsigned_abs());
            unit.and_then(|unit| digit.checked_mul(unit)).or((digit == 0).then_some(0))
        } else {
            let unit = 10_i128.checked_pow(exponent.unsigned_abs()).unwrap_or(i128::MAX);
            if digit % unit != 0 {
                return Err("it has more digits after the point");
            }
            Some(digit / unit)
        };
        sum = part.and_then(|part| sum.checked_add(part)).ok_or("it has too many digits")?;
    }
    Ok(if sign == NEGATIVE { -sum } else { sum })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{decode, encode};

    const MOST: i128 = 10_i128.pow(38) - 1;

    proptest! {
        #[test]
        fn every_number_comes_back(value in -MOST..=MOST, scale in 0_i8..=38) {
            let mut out = BytesMut::new();
            encode(value, scale, &mut out);
            prop_assert_eq!(decode(&out[4..], scale), Ok(value));
        }
    }

    #[test]
    fn edges() {
        for value in [0, 1, -1, 9_999, 10_000, 10_i128.pow(37), MOST, -MOST] {
            for scale in 0..=38 {
                let mut out = BytesMut::new();
                encode(value, scale, &mut out);
                assert_eq!(i32::from_be_bytes(out[..4].try_into().unwrap()) as usize, out.len() - 4);
                assert_eq!(decode(&out[4..], scale), Ok(value), "{value} {scale}");
            }
        }
        assert!(decode(&[0, 0, 0, 0, 0xC0, 0, 0, 0], 2).is_err(), "NaN");
        let mut out = BytesMut::new();
        encode(125, 2, &mut out);
        assert_eq!(decode(&out[4..], 4), Ok(12_500));
        assert!(decode(&out[4..], 1).is_err());
    }
}
