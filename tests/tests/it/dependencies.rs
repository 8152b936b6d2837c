//! What `Cargo.toml` files name is used, is used where they say, and is what was bargained for.
//!
//! cargo-machete and cargo-deny say more where they are installed (`.ci/run`); this is there on every machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::tidy::find;

fn root() -> PathBuf {
    zxq_test_support::project()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names on the left of each `=`, by section: `name.workspace = true` is `name`.
fn sections(manifest: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end().trim_end_matches(']').to_owned();
        } else if line.starts_with(|c: char| c.is_ascii_alphabetic())
            && let Some((name, _)) = line.split_once(['=', '.', ' '])
        {
            found.entry(section.clone()).or_default().insert(name.to_owned());
        }
    }
    found
}

/// Dependencies that no source need name: what `ignored` of cargo-machete lists.
fn excuses(manifest: &str) -> BTreeSet<String> {
    let list = manifest.split_once("[package.metadata.cargo-machete]").and_then(|(_, rest)| {
        let (_, list) = rest.split_once("ignored = [")?;
        Some(list.split_once(']')?.0)
    });
    list.unwrap_or_default()
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The crates of the workspace.
fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let list = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let members: Vec<String> = list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
    assert!(members.len() > 5, "{members:?}");
    members
}

/// The sources of a crate, those of crates in its folder left out.
fn sources(member: &str, members: &[String]) -> Vec<PathBuf> {
    let folder = root().join(member);
    let mut found = Vec::new();
    find(&folder, &mut found);
    let others: Vec<PathBuf> =
        members.iter().filter(|other| *other != member).map(|other| root().join(other)).collect();
    found.retain(|path| !others.iter().any(|other| other.starts_with(&folder) && path.starts_with(other)));
    found
}

/// Whether a path or a macro of the crate stands in the text: `name::`, `name;`, `#[name`, `name!`.
fn names(text: &str, krate: &str) -> bool {
    text.match_indices(krate).any(|(at, _)| {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        let after = text[at + krate.len()..].chars().next().unwrap_or(' ');
        // `rows.name;` is a field.
        let whole =
            !(before.is_alphanumeric() || matches!(before, '_' | '.') || after.is_alphanumeric() || after == '_');
        whole && (before == '[' || matches!(after, ':' | ';' | '!'))
    })
}

/// Whether the file is part of the crate itself, not of its tests.
fn is_product(path: &Path, member: &str) -> bool {
    let inside = path.strip_prefix(root().join(member)).unwrap();
    inside.starts_with("src")
        && !inside.components().any(|part| ["tests", "tests.rs"].iter().any(|test| part.as_os_str() == *test))
}

#[test]
fn every_dependency_is_used_where_it_is_named() {
    let members = members();
    let mut wrong = Vec::new();
    for member in &members {
        let sources: Vec<(PathBuf, String)> = sources(member, &members)
            .into_iter()
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (path, text)
            })
            .collect();
        // Nothing but tests is in these.
        let all_tests = member == "tests";
        let manifest = read(format!("{member}/Cargo.toml"));
        let excuses = excuses(&manifest);
        for (section, dependencies) in sections(&manifest) {
            if !section.ends_with("dependencies") {
                continue;
            }
            for name in dependencies {
                let krate = name.replace('-', "_");
                let by: Vec<&Path> =
                    sources.iter().filter(|(_, text)| names(text, &krate)).map(|(path, _)| path.as_path()).collect();
                let excused = excuses.contains(&name);
                if by.is_empty() != excused {
                    let what = if excused { "is named now: it needs no excuse" } else { "is used nowhere" };
                    wrong.push(format!("{member}/Cargo.toml: {name} {what}"));
                } else if section == "dependencies"
                    && !excused
                    && !all_tests
                    && !by.iter().any(|path| is_product(path, member))
                {
                    wrong.push(format!("{member}/Cargo.toml: only tests use {name}: it is one of [dev-dependencies]"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_workspace_names_no_dependency_that_no_crate_takes() {
    let manifests: Vec<BTreeMap<String, BTreeSet<String>>> =
        members().iter().map(|member| sections(&read(format!("{member}/Cargo.toml")))).collect();
    let all = sections(&read("Cargo.toml"));
    let unused: Vec<&String> = all["workspace.dependencies"]
        .iter()
        .filter(|name| {
            !manifests.iter().any(|manifest| {
                manifest.iter().any(|(section, names)| section.ends_with("dependencies") && names.contains(*name))
            })
        })
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn the_profile_names_crates_that_are_built() {
    let lock = read("Cargo.lock");
    let built: BTreeSet<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let all = sections(&read("Cargo.toml"));
    let gone: Vec<&String> = all["profile.dev.package"].iter().filter(|name| !built.contains(name.as_str())).collect();
    assert!(gone.is_empty(), "not in Cargo.lock: {gone:?}");
}

#[test]
fn everything_comes_from_the_registry() {
    let lock = read("Cargo.lock");
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let others: Vec<&str> = lock.lines().filter(|line| line.starts_with("source = ") && *line != registry).collect();
    assert!(lock.contains(registry), "Cargo.lock is written in another form");
    assert!(others.is_empty(), "{others:?}");
}
