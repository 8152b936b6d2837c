#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cmp::Ordering;

use proptest::prelude::*;

use super::Value;

fn round_trip(value: &Value) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[test]
fn values_of_one_kind_compare_and_others_do_not() {
    assert_eq!(Value::Int(1).compare(&Value::Int(2)), Some(Ordering::Less));
    assert_eq!(Value::Text("b".into()).compare(&Value::Text("a".into())), Some(Ordering::Greater));
    assert_eq!(Value::Decimal(-1).compare(&Value::Decimal(-1)), Some(Ordering::Equal));
    assert_eq!(Value::Int(1).compare(&Value::Float(1.0)), None);
    assert_eq!(Value::Float(f64::NAN).compare(&Value::Float(1.0)), None);
}

#[test]
fn values_are_shown_as_people_write_them() {
    assert_eq!(Value::Date(-1).to_string(), "1969-12-31");
    assert_eq!(Value::TimestampMicros(-1).to_string(), "1969-12-31 23:59:59.999999");
    assert_eq!(Value::Date(i32::MAX).to_string(), format!("{}d", i32::MAX));
    assert_eq!(Value::TimestampMicros(i64::MAX).to_string(), format!("{}us", i64::MAX));
}

#[test]
fn infinities_and_the_sign_of_zero_survive_json() {
    for number in [f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324] {
        assert_eq!(round_trip(&Value::Float(number)), Value::Float(number));
    }
    assert!(matches!(round_trip(&Value::Float(-0.0)), Value::Float(zero) if zero == 0.0 && zero.is_sign_negative()));
}

proptest! {
    #[test]
    fn numbers_survive_json_exactly(float in any::<f64>(), int in any::<i64>(), wide in any::<i128>()) {
        prop_assert_eq!(round_trip(&Value::Float(float)), Value::Float(float));
        prop_assert_eq!(round_trip(&Value::Int(int)), Value::Int(int));
        prop_assert_eq!(round_trip(&Value::Decimal(wide)), Value::Decimal(wide));
    }
}
