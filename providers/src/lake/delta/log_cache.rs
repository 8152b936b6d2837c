//! The commits of remote Delta logs, kept in memory: each is read once.
//!
//! The library reads all commits since the last checkpoint whenever it looks a job up, so that a move of many partitions
//! would read each of its own commits again for every partition. A commit never changes once it is there; a log that is
//! dropped takes its commits along, and its name is not used again.

use std::fmt::{self, Display};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use moka::sync::Cache;
use object_store::path::Path;
use object_store::{Attributes, GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result};

use crate::lake::objects::over::{Front, Over};

/// Bytes of commits kept, for all tables together.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
/// A larger commit is read again each time.
const LARGEST: u64 = KEPT_BYTES / 8;

/// A store that remembers the commits it has read.
#[derive(Debug)]
pub(super) struct CachedCommits {
    inner: Arc<dyn ObjectStore>,
    kept: Cache<Path, (ObjectMeta, Bytes)>,
}

impl CachedCommits {
    pub(super) fn over(inner: Arc<dyn ObjectStore>) -> Over<Self> {
        let weight = |path: &Path, (_, bytes): &(ObjectMeta, Bytes)| {
            u32::try_from(path.as_ref().len() + bytes.len() + 256).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(KEPT_BYTES).weigher(weight).build();
        Over::new(CachedCommits { inner, kept })
    }
}

/// `…/_delta_log/00000000000000000012.json`
fn is_commit(path: &Path) -> bool {
    let mut parts: Vec<_> = path.parts().collect();
    let name = parts.pop();
    let number = name.as_ref().and_then(|name| name.as_ref().strip_suffix(".json"));
    number.is_some_and(|number| number.len() == 20 && number.bytes().all(|b| b.is_ascii_digit()))
        && parts.last().is_some_and(|folder| folder.as_ref() == "_delta_log")
}

/// True when all of a file is asked for, whatever state it is in.
fn is_plain(options: &GetOptions) -> bool {
    options.if_match.is_none()
        && options.if_none_match.is_none()
        && options.if_modified_since.is_none()
        && options.if_unmodified_since.is_none()
        && options.range.is_none()
        && options.version.is_none()
        && !options.head
}

fn result_of(meta: ObjectMeta, bytes: Bytes) -> GetResult {
    let range = 0..bytes.len() as u64;
    let payload = GetResultPayload::Stream(async move { Ok(bytes) }.into_stream().boxed());
    GetResult { payload, meta, range, attributes: Attributes::default() }
}

impl Display for CachedCommits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl Front for CachedCommits {
    type Inner = dyn ObjectStore;

    fn inner(&self) -> &dyn ObjectStore {
        self.inner.as_ref()
    }

    fn changes(&self, location: &Path) {
        self.kept.invalidate(location);
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !is_commit(location) || !is_plain(&options) {
            return self.inner.get_opts(location, options).await;
        }
        if let Some((meta, bytes)) = self.kept.get(location) {
            return Ok(result_of(meta, bytes));
        }
        let got = self.inner.get_opts(location, options).await?;
        if got.meta.size > LARGEST {
            return Ok(got);
        }
        let meta = got.meta.clone();
        let bytes = got.bytes().await?;
        self.kept.insert(location.clone(), (meta.clone(), bytes.clone()));
        Ok(result_of(meta, bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, PutPayload};

    use super::*;

    #[tokio::test]
    async fn a_commit_is_read_once_and_other_files_each_time() {
        let store = Arc::new(InMemory::new());
        let cached = CachedCommits::over(Arc::clone(&store) as Arc<dyn ObjectStore>);
        let commit = Path::from("t_1/_delta_log/00000000000000000000.json");
        let other = Path::from("t_1/_delta_log/_last_checkpoint");
        for path in [&commit, &other] {
            store.put(path, PutPayload::from_static(b"one")).await.unwrap();
            assert_eq!(cached.get(path).await.unwrap().bytes().await.unwrap(), "one");
            store.put(path, PutPayload::from_static(b"two")).await.unwrap();
        }
        assert_eq!(cached.get(&commit).await.unwrap().bytes().await.unwrap(), "one");
        assert_eq!(cached.get(&other).await.unwrap().bytes().await.unwrap(), "two");
        // Whoever asks whether it is still the same is not answered from memory.
        assert_eq!(cached.head(&commit).await.unwrap().size, 3);
        let range = GetOptions { range: Some((0..2).into()), ..GetOptions::default() };
        assert_eq!(cached.get_opts(&commit, range).await.unwrap().bytes().await.unwrap(), "tw");
        cached.delete(&commit).await.unwrap();
        assert!(cached.get(&commit).await.is_err());
    }

    #[test]
    fn commits_are_told_by_their_names() {
        assert!(is_commit(&Path::from("a/t_1/_delta_log/00000000000000000012.json")));
        assert!(is_commit(&Path::from("_delta_log/00000000000000000012.json")));
        for other in [
            "a/_delta_log/0000000000000000012.json",
            "a/_delta_log/00000000000000000012.crc",
            "a/_delta_log/_commits/00000000000000000012.json",
            "a/00000000000000000012.json",
            "00000000000000000012.json",
        ] {
            assert!(!is_commit(&Path::from(other)), "{other}");
        }
    }
}
