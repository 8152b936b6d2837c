//! Counts in messages.

/// `1 row`, `2 rows`.
pub fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_not_many() {
        let shown: Vec<String> = [0, 1, 2, 1_000_000].iter().map(|count| counted(*count, "row")).collect();
        assert_eq!(shown, ["0 rows", "1 row", "2 rows", "1000000 rows"]);
    }
}
