#!/usr/bin/env bash
# Prints the folder of the DuckDB library that zxq links: ready-made if it can be had, else built from source (long: 350
# files of C++). The build calls this by itself; by hand: `./duckdb.sh`, or `./duckdb.sh --from-source`.
#
# The library is kept in ${XDG_CACHE_HOME:-~/.cache}/zxq, whatever happens to `target/`. What is fetched is used only if its
# checksum is the one below. To raise DuckDB's version: change both versions here and `duckdb` in Cargo.toml together, then the
# checksums (`sha256sum` of the library in each package), then run `.ci/duckdb-from-source`.
set -euo pipefail

crate_version=1.10506.1 # libduckdb-sys, for the source
duckdb_version=1.5.6    # what that crate binds
npm_version=1.5.6-r.1   # the npm packages that carry it ready-made

say() { printf 'duckdb.sh: %s\n' "$*" >&2; }

case "$(uname -s) $(uname -m)" in
  "Linux x86_64")
    npm=linux-x64 release=linux-amd64 library=libduckdb.so
    checksum=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633
    ;;
  "Linux aarch64" | "Linux arm64")
    npm=linux-arm64 release=linux-arm64 library=libduckdb.so
    checksum=23686593dba4ec22c6e581bb1c843b3964e84c4bc4d0063d8b4daddd2e20e30a
    ;;
  "Darwin arm64" | "Darwin x86_64")
    npm=darwin-arm64 release=osx-universal library=libduckdb.dylib # one library for both
    checksum=75a519cb914ae36ca22cff0995a8a2e8c9a46990b8c0a479514f741a0d93f344
    ;;
  Linux*) npm='' release='' library=libduckdb.so checksum='' ;;
  *)
    say "no rule for $(uname -sm): set DUCKDB_LIB_DIR to a folder with DuckDB $duckdb_version's library, or build with --features bundled-duckdb"
    exit 1
    ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/zxq
ready=$cache/duckdb-$duckdb_version
from_source=$cache/duckdb-$duckdb_version-from-source

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }

# Moves FILE to FOLDER in one step, so that nobody finds half a library.
keep() { # FILE FOLDER
  mkdir -p "$2"
  mv -f "$1" "$2/.$library.new"
  mv -f "$2/.$library.new" "$2/$library"
}

from_npm() { # FOLDER
  command -v npm >/dev/null || { say "no npm here"; return 1; }
  (cd "$1" && npm pack --silent "@duckdb/node-bindings-$npm@$npm_version" >/dev/null && tar xzf ./*.tgz "package/$library" &&
    mv "package/$library" .)
}

from_release() { # FOLDER
  command -v curl >/dev/null || { say "no curl here"; return 1; }
  (cd "$1" &&
    curl -fsSL --retry 2 --connect-timeout 10 --max-time 600 -o release.zip \
      "https://github.com/duckdb/duckdb/releases/download/v$duckdb_version/libduckdb-$release.zip" &&
    if command -v unzip >/dev/null; then unzip -q release.zip "$library"; else python3 -m zipfile -e release.zip .; fi)
}

# The crate carries DuckDB's source; built once with it, as one shared library.
build() { # FOLDER
  say "building DuckDB $duckdb_version from source, once: this takes long (350 files of C++)"
  mkdir "$1/src"
  cat >"$1/Cargo.toml" <<EOF
[package]
name = "duckdb-from-source"
version = "0.0.0"
edition = "2024"
[dependencies]
libduckdb-sys = { version = "=$crate_version", features = ["bundled", "json", "parquet"] }
[workspace]
EOF
  cp "$(dirname "${BASH_SOURCE[0]}")/Cargo.lock" "$1/"
  echo '//! Nothing: only its dependency is wanted.' >"$1/src/lib.rs"
  # A build script's variables speak of the crate that it belongs to.
  (cd "$1" && env -u CARGO_TARGET_DIR -u CARGO_ENCODED_RUSTFLAGS -u TARGET -u HOST -u OPT_LEVEL -u PROFILE -u DEBUG -u OUT_DIR \
    "${CARGO:-cargo}" build --release --target-dir "$1/target" >&2)
  local archive
  archive=$(find "$1/target" -name libduckdb.a)
  case $library in
    *.so) "${CXX:-c++}" -shared -o "$1/$library" -Wl,-soname,"$library" \
      -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -ldl -lpthread ;;
    *) "${CXX:-c++}" -dynamiclib -o "$1/$library" -install_name "@rpath/$library" -Wl,-force_load,"$archive" ;;
  esac
}

mkdir -p "$cache"
work=$(mktemp -d "$cache/tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [[ ${1:-} != --from-source ]]; then
  if [[ -f $ready/$library ]]; then
    echo "$ready"
    exit
  fi
  for from in ${checksum:+from_npm from_release}; do
    mkdir "$work/$from"
    if "$from" "$work/$from" >&2; then
      found=$(sha256 "$work/$from/$library")
      if [[ $found == "$checksum" ]]; then
        keep "$work/$from/$library" "$ready"
        echo "$ready"
        exit
      fi
      say "$from: the library's checksum is $found, not $checksum: not used"
    fi
  done
  [[ -f $from_source/$library ]] || say "no ready-made DuckDB $duckdb_version could be fetched"
fi

if [[ ! -f $from_source/$library ]]; then
  mkdir "$work/build"
  build "$work/build"
  keep "$work/build/$library" "$from_source"
fi
echo "$from_source"
