//! The Kafka under the seeds: one broker or three, kept from seed to seed and made anew now and then.

use super::schedule::Ground;
use crate::kafka::{Broker, Options, unique};
use portcullis_connectors::kafka::Settings;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Topics add up, and so do their files.
const SEEDS_MAX: u32 = 20;
/// Room for a seed's topics, and little more.
const SMALL_DISK: &str = "600m";

#[derive(Default)]
pub struct World {
    kept: Option<(Ground, Kafka, u32)>,
}

/// Brokers that run.
pub struct Kafka {
    // Dropped before what they stand on.
    pub brokers: Vec<Broker>,
    pub disk: Option<Disk>,
}

impl World {
    /// Brokers that are well.
    ///
    /// # Errors
    /// What to install, or the tail of a broker's log.
    pub fn kafka(&mut self, ground: Ground) -> Result<&mut Kafka, String> {
        let fits = |(kept, kafka, seeds): &(Ground, Kafka, u32)| {
            *kept == ground && *seeds < SEEDS_MAX && kafka.disk.is_none() && kafka.brokers.iter().all(Broker::is_running)
        };
        if !self.kept.as_ref().is_some_and(fits) {
            self.kept = None;
            self.kept = Some((ground, Kafka::start(ground)?, 0));
        }
        match &mut self.kept {
            Some((_, kafka, seeds)) => {
                *seeds += 1;
                Ok(kafka)
            }
            None => Err("no broker".into()),
        }
    }

    /// Whatever a seed left behind is no ground for the next one.
    pub fn discard(&mut self) {
        self.kept = None;
    }
}

impl Kafka {
    fn start(ground: Ground) -> Result<Kafka, String> {
        let disk = if ground == Ground::Small { Some(Disk::mount(SMALL_DISK)?) } else { None };
        let data = disk.as_ref().map(|disk| disk.path().to_owned());
        // Segments are not to fill a small disk by being made.
        let properties =
            vec![("log.index.size.max.bytes".into(), "65536".into()), ("log.cleaner.dedupe.buffer.size".into(), "8388608".into())];
        let options = Options { proxied: true, data, properties, ..Options::default() };
        let count = if ground == Ground::Three { 3 } else { 1 };
        Ok(Kafka { brokers: Broker::start_cluster(count, options)?, disk })
    }

    /// The judge's own way, past the proxies.
    pub fn settings(&self) -> Settings {
        Settings::new(self.brokers.iter().map(Broker::bootstrap).collect::<Vec<_>>().join(","))
    }

    /// The engine's way.
    pub fn proxied(&self) -> String {
        self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.proxy().port())).collect::<Vec<_>>().join(",")
    }

    pub fn replication(&self) -> i32 {
        self.brokers.len() as i32
    }
}

/// A small file system in memory, to be filled. Needs root.
pub struct Disk(PathBuf);

impl Disk {
    /// # Errors
    /// Where this process may not mount anything.
    pub fn mount(size: &str) -> Result<Disk, String> {
        let path = std::env::temp_dir().join(unique("portcullis-disk"));
        std::fs::create_dir_all(&path).map_err(|e| format!("creating {}: {e}", path.display()))?;
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path).output();
        match done {
            Ok(output) if output.status.success() => Ok(Disk(path)),
            Ok(output) => Err(format!("mount: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves no room.
    pub fn fill(&self) {
        use std::io::Write;
        let Ok(mut file) = std::fs::File::create(self.0.join("ballast")) else { return };
        let piece = vec![0; 64 * 1024];
        while file.write_all(&piece).is_ok() {}
        // The last bytes one by one, as it were.
        while file.write_all(&[0]).is_ok() {}
    }

    pub fn free(&self) {
        let _ = std::fs::remove_file(self.0.join("ballast"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        let _ = std::fs::remove_dir(&self.0);
    }
}
