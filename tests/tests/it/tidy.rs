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
        (
            "catalog",
            &[
                "zxq-language",
                "zxq-providers",
                "zxq-engine",
                "zxq-server",
                "zxq-tests",
                "datafusion",
                "duckdb",
                "parquet",
            ][..],
        ),
        // Where rows lie is nothing to it.
        (
            "engine/language",
            &["zxq-providers", "zxq-engine", "zxq-server", "zxq-tests", "duckdb", "object_store", "parquet", "pgwire"]
                [..],
        ),
        ("providers", &["zxq-language", "zxq-engine", "zxq-server", "zxq-tests", "pgwire"][..]),
        ("engine", &["zxq-server", "zxq-tests", "pgwire", "clap", "duckdb", "deltalake-core"][..]),
        // DuckDB in memory answers the introspection queries of clients there; it is not a tier store.
        ("server", &["zxq-tests", "zxq-catalog", "zxq-language", "zxq-providers", "deltalake-core"][..]),
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
const LAYERS: [(&str, &[&str]); 3] = [
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
            "names_apart",
            "hot",
            "database",
            "lake",
            "external",
        ],
    ),
    ("engine/language", &["error", "values", "sql", "functions", "semantics"]),
    (
        "engine",
        &[
            "error",
            "durable_file",
            "supervisor",
            "config",
            "constraints",
            "load",
            "export",
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
    let manuals = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let manuals = manuals.filter(|path| path.extension().is_some_and(|e| e == "md"));
    let pages = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].map(|page| root().join(page));
    for document in pages.into_iter().chain(manuals) {
        let text = std::fs::read_to_string(&document).unwrap();
        for path in named_paths(&text) {
            found += 1;
            if !root().join(&path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(found > 100, "only {found} paths found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What is compiled as a test of the documentation is what people copy from the README.
#[test]
fn the_readmes_example_compiles() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, example) = readme.split_once("```rust\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let page = std::fs::read_to_string(root().join("engine/src/lib.rs")).unwrap();
    let compiled = example.lines().map(|line| format!("//! {line}\n")).collect::<String>();
    assert!(page.contains(&compiled), "engine/src/lib.rs has not: {example}");
}

/// Where it says "`name` in `file`", the file has something of that name.
#[test]
fn entry_points_are_where_the_documents_say() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let between = "` in `";
    let (mut found, mut wrong) = (0, Vec::new());
    for (at, _) in text.match_indices(between) {
        let name = text[..at].rsplit('`').next().unwrap_or_default();
        let path = text[at + between.len()..].split('`').next().unwrap_or_default();
        let name = name.rsplit("::").next().unwrap_or(name);
        // Words of SQL are in capitals.
        if !path.ends_with(".rs")
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            || name == name.to_uppercase()
        {
            continue;
        }
        found += 1;
        let source = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        if !["fn", "struct", "enum", "trait"].iter().any(|kind| source.contains(&format!("{kind} {name}"))) {
            wrong.push(format!("{name} in {path}"));
        }
    }
    assert!(found > 30, "only {found} entry points found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_decision_is_listed_and_says_what_it_costs() {
    let folder = root().join("docs/decisions");
    let lists =
        [folder.join("README.md"), root().join("ARCHITECTURE.md")].map(|list| std::fs::read_to_string(list).unwrap());
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        found += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        for part in ["\nDate: ", "\n## Context\n", "\n## Choice\n", "\n## What it costs\n"] {
            assert!(text.contains(part), "{name} has no {:?}", part.trim());
        }
        let missing: Vec<String> = named_paths(&text).into_iter().filter(|path| !root().join(path).exists()).collect();
        assert!(missing.is_empty(), "{name} names {missing:?}");
        assert!(lists.iter().all(|list| list.contains(&name)), "{name} is not in both lists of decisions");
    }
    assert!(found > 10, "only {found} decisions found");
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
