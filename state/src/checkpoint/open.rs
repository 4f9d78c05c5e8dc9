//! From a URL and options to a store.

use super::{CheckpointFault, Checkpoints, Keeping};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A takeover waits for the store no longer than this for one request; the caller asks again.
const RETRY_MAX: Duration = Duration::from_secs(20);
const RETRIES_MAX: usize = 4;

impl Checkpoints {
    /// The store at `url`. `options` are those of `object_store` for it (`aws_endpoint`, `aws_region`, ...), over the process's environment
    /// (`AWS_...`, `GOOGLE_...`, `AZURE_...`). Connects to nobody.
    ///
    /// # Errors
    /// A URL or an option that is none.
    pub fn open(url: &str, options: &[(String, String)], keeping: Keeping) -> Result<Checkpoints, CheckpointFault> {
        let fault = |what: String| CheckpointFault::Url { url: url.to_owned(), what };
        let parsed = Url::parse(url).map_err(|e| fault(e.to_string()))?;
        let (scheme, root) = ObjectStoreScheme::parse(&parsed).map_err(|e| fault(e.to_string()))?;
        for (name, _) in options {
            check_option(&scheme, &name.to_ascii_lowercase())?;
        }
        let environment = std::env::vars().filter(|(name, _)| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix)));
        let all: Vec<(String, String)> = environment.chain(options.iter().cloned()).collect();
        let store = store(&scheme, url, all).map_err(|e| fault(e.to_string()))?;
        Checkpoints::with_store(store, root, url, keeping).map_err(|e| fault(e.to_string()))
    }
}

/// Options that another store understands are left out: the environment may hold those of all.
macro_rules! built {
    ($builder:ty, $url:expr, $options:expr) => {{
        let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_MAX, ..RetryConfig::default() };
        let builder = <$builder>::new().with_url($url).with_retry(retry);
        let builder = $options.into_iter().fold(builder, |builder, (name, value)| match name.to_ascii_lowercase().parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
        Arc::new(builder.build()?)
    }};
}

fn store(scheme: &ObjectStoreScheme, url: &str, options: Vec<(String, String)>) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    Ok(match scheme {
        ObjectStoreScheme::Local => Arc::new(LocalFileSystem::new().with_fsync(true)),
        ObjectStoreScheme::AmazonS3 => built!(AmazonS3Builder, url, options),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder, url, options),
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder, url, options),
        other => return Err(object_store::Error::Generic { store: "URL", source: format!("{other:?} is no store of checkpoints").into() }),
    })
}

/// `object_store` ignores what it does not know.
fn check_option(scheme: &ObjectStoreScheme, name: &str) -> Result<(), CheckpointFault> {
    let (is_known, of, example) = match scheme {
        ObjectStoreScheme::AmazonS3 => (name.parse::<AmazonS3ConfigKey>().is_ok(), "AmazonS3ConfigKey", "aws_endpoint"),
        ObjectStoreScheme::GoogleCloudStorage => (name.parse::<GoogleConfigKey>().is_ok(), "GoogleConfigKey", "google_service_account"),
        ObjectStoreScheme::MicrosoftAzure => (name.parse::<AzureConfigKey>().is_ok(), "AzureConfigKey", "azure_storage_account_name"),
        _ => (false, "none", "an s3:// URL's"),
    };
    if is_known { Ok(()) } else { Err(CheckpointFault::Option { name: name.to_owned(), of, example }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_or_option_is_told() {
        let open = |url: &str, options: &[(&str, &str)]| {
            let options: Vec<(String, String)> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Checkpoints::open(url, &options, Keeping::default()).map(drop).map_err(|e| e.to_string())
        };
        for wrong in ["nonsense", "ftp://host/there", ""] {
            assert!(open(wrong, &[]).is_err_and(|e| e.contains("s3://bucket")), "{wrong}");
        }
        assert!(
            open("s3://bucket/there", &[("aws_endpiont", "x")]).is_err_and(|e| e.contains("aws_endpiont") && e.contains("aws_endpoint"))
        );
        assert!(open("file:///tmp/there", &[("aws_endpoint", "x")]).is_err());
        assert_eq!(open("file:///tmp/there", &[]), Ok(()));
        assert_eq!(open("s3://bucket/there", &[("aws_region", "eu-central-2"), ("aws_endpoint", "http://127.0.0.1:9")]), Ok(()));
    }
}
