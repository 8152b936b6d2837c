//! The shape of the source: which crate may use which, how long files are, what must not be left in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 500;
const CRATES: [&str; 6] = ["catalog", "providers", "engine", "server", "tests", "benches"];

fn root() -> PathBuf {
    zxq_test_support::project()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for krate in CRATES {
        find(&root().join(krate), &mut found);
    }
    assert!(found.len() > 100, "only {} source files found", found.len());
    found
}

/// The Rust sources below a folder.
pub(crate) fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                find(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Names of the packages in `[dependencies]`, `[dev-dependencies]` and `[build-dependencies]`.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.contains("dependencies");
        } else if inside && let Some((name, _)) = line.split_once(['=', '.', ' ']) {
            names.insert(name.trim().to_owned());
        }
    }
    names
}

#[test]
fn crates_depend_in_one_direction() {
    let never = [
        ("catalog", &["zxq-providers", "zxq-engine", "zxq-server", "zxq-tests", "datafusion", "duckdb", "parquet"][..]),
        ("providers", &["zxq-engine", "zxq-server", "zxq-tests", "pgwire"][..]),
        ("engine", &["zxq-server", "zxq-tests", "pgwire", "clap", "duckdb", "deltalake-core"][..]),
        // DuckDB in memory answers the introspection queries of clients there; it is not a tier store.
        ("server", &["zxq-tests", "zxq-catalog", "zxq-providers", "deltalake-core"][..]),
    ];
    for (krate, forbidden) in never {
        let used = dependencies(krate);
        assert!(!used.is_empty(), "no dependencies found in {krate}/Cargo.toml");
        for name in forbidden {
            assert!(!used.contains(*name), "{krate} must not depend on {name}");
        }
    }
}

/// The modules of a crate, each of which uses only those before it.
const LAYERS: [(&str, &[&str]); 2] = [
    (
        "providers",
        &[
            "error",
            "guard",
            "scalar",
            "stats",
            "row_hash",
            "pruning",
            "sort",
            "adapt",
            "tier_store",
            "hot",
            "database",
            "lake",
            "external",
        ],
    ),
    (
        "engine",
        &[
            "error",
            "durable_file",
            "values",
            "supervisor",
            "sql",
            "config",
            "functions",
            "semantics",
            "constraints",
            "load",
            "nodes",
            "state",
            "roles",
            "jobs",
            "write",
            "scan",
            "optimizer",
            "context",
            "moves",
            "system_views",
            "session",
            "open",
        ],
    ),
];

/// Modules of the same crate that a source names, comments and its tests left out.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut used = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let rest = &code[at + found.len()..];
        if before.is_alphanumeric() || before == '_' {
            continue;
        }
        match rest.strip_prefix('{') {
            // `use crate::{a, b::c};` without groups inside.
            Some(list) => used.extend(list.split('}').next().unwrap_or_default().split(',').map(name)),
            None => _ = used.insert(name(rest)),
        }
    }
    used
}

#[test]
fn modules_use_only_those_below_them() {
    let mut wrong = Vec::new();
    for (krate, layers) in LAYERS {
        let source = root().join(krate).join("src");
        let mut files = Vec::new();
        find(&source, &mut files);
        for path in files {
            let inside = path.strip_prefix(&source).unwrap();
            let is_test = inside.components().any(|part| ["tests", "tests.rs"].iter().any(|t| part.as_os_str() == *t));
            let module = inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
            if is_test || module == "lib" {
                continue;
            }
            let place = layers.iter().position(|layer| *layer == module);
            let place = place.unwrap_or_else(|| panic!("{krate}: module {module} has no place in LAYERS"));
            let text = std::fs::read_to_string(&path).unwrap();
            for used in used_modules(&text) {
                if layers.iter().position(|layer| *layer == used).is_some_and(|other| other > place) {
                    wrong.push(format!("{krate}/src/{}: {module} uses {used}, which is above it", inside.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_share_no_source_files() {
    let attribute = ["#[pa", "th = \"../"].concat();
    let shared: Vec<String> = sources()
        .into_iter()
        .filter(|path| std::fs::read_to_string(path).unwrap().contains(&attribute))
        .map(|path| path.display().to_string())
        .collect();
    assert!(shared.is_empty(), "files of other crates are included: {shared:?}");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().display();
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{shown}: {lines} lines, at most {MOST_LINES}"));
        }
        let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!")).unwrap_or_default();
        // What a module's tests are about stands at the top of the module.
        let tests_of_a_module = path.components().any(|part| part.as_os_str() == "src")
            && path.components().any(|part| ["tests", "tests.rs"].iter().any(|name| part.as_os_str() == *name));
        if !first.starts_with("//!") && !tests_of_a_module {
            wrong.push(format!("{shown}: starts with no //! documentation"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_unfinished_is_left() {
    // Put together, so that this file does not find itself.
    let banned = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X:"].concat(), ["HA", "CK:"].concat()];
    let mut wrong = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = banned.iter().find(|word| line.contains(word.as_str())) {
                let shown = path.strip_prefix(root()).unwrap().display();
                wrong.push(format!("{shown}:{}: {word}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Texts between back quotes that are paths from the project's folder.
fn named_paths(text: &str) -> BTreeSet<String> {
    let is_path = |quoted: &&str| {
        let first = quoted.split('/').next().unwrap_or_default();
        quoted.contains('/')
            && (CRATES.contains(&first) || ["docs", "fuzz", "deploy"].contains(&first))
            && quoted.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c))
            && !quoted.contains("NAME")
    };
    text.split('`').skip(1).step_by(2).filter(is_path).map(str::to_owned).collect()
}

#[test]
fn documents_name_files_that_exist() {
    let mut missing = Vec::new();
    let mut found = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "docs/glossary.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for path in named_paths(&text) {
            found += 1;
            if !root().join(&path).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(found > 100, "only {found} paths found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn real_data_stays_out_of_the_project() {
    let mut found = Vec::new();
    find_data(&root(), 0, &mut found);
    assert!(found.is_empty(), "data files in the project: {found:?}");
}

fn find_data(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && depth < 8 {
            find_data(&path, depth + 1, found);
        } else if path.extension().is_some_and(|e| e == "parquet" || e == "dbn") {
            found.push(path);
        }
    }
}
