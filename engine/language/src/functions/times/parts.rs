//! Moments plus intervals, and intervals with one another: the arithmetic itself.

use arrow::datatypes::IntervalMonthDayNano;

use crate::values::civil::add_months;
use crate::values::text::TIMESTAMPS;
use crate::values::zone::Zone;

pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;
pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
/// Days of a month, where a month has to have a length.
pub(super) const DAYS_PER_MONTH: i64 = 30;

/// Local microseconds plus months, then days. `None` out of range.
fn plus_calendar(local: i64, interval: IntervalMonthDayNano) -> Option<i64> {
    let (mut day, time) = (local.div_euclid(MICROS_PER_DAY), local.rem_euclid(MICROS_PER_DAY));
    if interval.months != 0 {
        day = add_months(day, i64::from(interval.months));
    }
    day.checked_add(i64::from(interval.days))?.checked_mul(MICROS_PER_DAY)?.checked_add(time)
}

/// A moment plus an interval: months and days by the zone's calendar, time by the clock that never changes.
pub(super) fn plus_zoned(moment: i64, interval: IntervalMonthDayNano, zone: Zone) -> Option<i64> {
    let moved = if interval.months == 0 && interval.days == 0 {
        moment
    } else {
        zone.from_local(plus_calendar(zone.to_local(moment)?, interval)?)?
    };
    moved.checked_add(interval.nanoseconds / 1_000).filter(|micros| TIMESTAMPS.contains(micros))
}

/// The interval with the other sign. `None` where there is none.
pub(super) fn negated(interval: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        interval.months.checked_neg()?,
        interval.days.checked_neg()?,
        interval.nanoseconds.checked_neg()?,
    ))
}

/// Unit by unit. `None` out of range.
pub(super) fn sum(a: IntervalMonthDayNano, b: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        a.months.checked_add(b.months)?,
        a.days.checked_add(b.days)?,
        a.nanoseconds.checked_add(b.nanoseconds)?,
    ))
}

/// A length in days of 24 hours and the rest. `None` out of range.
pub(super) fn of_micros(micros: i64) -> Option<IntervalMonthDayNano> {
    let days = i32::try_from(micros / MICROS_PER_DAY).ok()?;
    Some(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * 1_000))
}

/// Microseconds of months of 30 days and days of 24 hours: by these PostgreSQL compares.
pub(super) fn length(interval: IntervalMonthDayNano) -> i128 {
    let days = i128::from(interval.months) * i128::from(DAYS_PER_MONTH) + i128::from(interval.days);
    days * i128::from(MICROS_PER_DAY) + i128::from(interval.nanoseconds / 1_000)
}
