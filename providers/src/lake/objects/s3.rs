//! Amazon S3, MinIO and other servers that speak S3, as the place of the cold tier.
//!
//! Reading order: [`S3Options`] (what is asked for), `credentials` and `profile` (who asks), `connect` (the client, and one
//! request that shows whether it works), `store` (uploads in parts, and what S3 leaves to its callers), `upload` (one object whose bytes come one after the other).

mod connect;
mod credentials;
mod options;
mod profile;
mod store;
mod upload;

#[cfg(test)]
mod tests;

pub use connect::connect;
pub use credentials::S3Credentials;
pub use options::{S3Encryption, S3Options, S3Retry};
pub use upload::ObjectUpload;

/// The name of this layer in messages.
pub(crate) const STORE: &str = "s3";
