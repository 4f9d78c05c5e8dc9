//! A partition's RocksDB: opening, reading, the write that a flush is, and putting it on disk.

use crate::fault::StateFault;
use crate::identity::PartitionIdentity;
use crate::layout::{self, IDENTITY, META};
use crate::meta::Meta;
use crate::shared::Shared;
use crate::value::Value;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, ColumnFamilyDescriptor, CompactionDecision, DB, DBCompressionType, DBPinnableSlice,
    DEFAULT_COLUMN_FAMILY_NAME, DataBlockIndexType, Direction, FlushOptions, IteratorMode, Options, WriteBatch, WriteOptions,
    checkpoint::Checkpoint,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Position and log time of a written state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stand {
    position: i64,
    log_time_ms: i64,
}

/// Row key and row.
type Row = (Box<[u8]>, Box<[u8]>);

pub(crate) struct Store {
    db: DB,
    pub dir: PathBuf,
    without_log: WriteOptions,
    /// State version of what was found at the opening.
    pub found_version: u32,
    /// The identity row that the next write brings along: what was found is of an older state version.
    raised: Option<Vec<u8>>,
    /// Handed to RocksDB.
    written: Option<Stand>,
    /// On its way to disk.
    persisting: Option<Stand>,
    /// On disk.
    persisted: Option<Stand>,
    /// Log time that a crash cannot take back. Compaction may drop only what had expired by then: whoever replays
    /// after a crash starts at this state or a later one, and so would find absent what was dropped.
    persisted_log_time_ms: Arc<AtomicI64>,
}

impl Store {
    pub fn open<V: Value>(dir: &Path, shared: &Shared, identity: &PartitionIdentity) -> Result<(Store, Option<Meta>), StateFault> {
        let io = |doing| move |source: std::io::Error| StateFault::Io { dir: dir.into(), doing, source: Box::new(source) };
        std::fs::create_dir_all(dir).map_err(io("creating the state directory"))?;
        refuse_foreign_files(dir).map_err(io("reading the state directory"))?.map_or(Ok(()), Err)?;

        let persisted_log_time_ms = Arc::new(AtomicI64::new(i64::MIN));
        let options = options::<V>(shared, persisted_log_time_ms.clone());
        let family = ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, options.clone());
        let db = DB::open_cf_descriptors(&options, dir, [family]).map_err(|e| StateFault::of(dir, "opening the state", e))?;
        let mut without_log = WriteOptions::default();
        without_log.disable_wal(true);
        let mut store = Store {
            db,
            dir: dir.into(),
            without_log,
            written: None,
            persisting: None,
            persisted: None,
            persisted_log_time_ms,
            found_version: identity.state_version,
            raised: None,
        };

        let recorded = store.get(IDENTITY)?.map(|row| row.to_vec());
        match recorded {
            Some(recorded) => {
                let found = identity.check(&recorded, dir)?;
                store.found_version = found;
                store.raised = (found != identity.state_version).then(|| identity.encode());
            }
            None => store.record_identity(identity)?,
        }
        let meta = match store.get(META)? {
            Some(row) => Some(Meta::decode(&row).map_err(|what| StateFault::Corrupt { dir: dir.into(), what })?),
            None => None,
        };
        if let Some(meta) = &meta {
            store.written = Some(Stand { position: meta.position, log_time_ms: meta.log_time_ms });
            store.set_persisted(store.written);
        }
        Ok((store, meta))
    }

    /// On disk before anything else, so that no values can be found without saying whose they are.
    fn record_identity(&self, identity: &PartitionIdentity) -> Result<(), StateFault> {
        let doing = "recording whose state this is";
        if self.rows(&[]).next().is_some() {
            return Err(StateFault::NotAState { dir: self.dir.clone(), found: "a RocksDB without a partition's identity".into() });
        }
        self.db.put_opt(IDENTITY, identity.encode(), &self.without_log).map_err(|e| self.fault(doing, e))?;
        self.db.flush().map_err(|e| self.fault(doing, e))
    }

    fn fault(&self, doing: &'static str, error: rocksdb::Error) -> StateFault {
        StateFault::of(&self.dir, doing, error)
    }

    pub fn get(&self, row_key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StateFault> {
        self.db.get_pinned(row_key).map_err(|e| self.fault("reading the state", e))
    }

    /// Rows for sorted row keys, in their order.
    pub fn get_sorted<'a>(
        &'a self,
        row_keys: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<Result<Option<DBPinnableSlice<'a>>, rocksdb::Error>>, StateFault> {
        let Some(family) = self.db.cf_handle(DEFAULT_COLUMN_FAMILY_NAME) else {
            return Err(StateFault::Corrupt { dir: self.dir.clone(), what: "the default column family is not open".into() });
        };
        Ok(self.db.batched_multi_get_cf(family, row_keys, true))
    }

    /// Rows from `from` on, in key order.
    pub fn rows(&self, from: &[u8]) -> impl Iterator<Item = Result<Row, StateFault>> + '_ {
        let rows = self.db.iterator(IteratorMode::From(from, Direction::Forward));
        rows.map(|row| row.map_err(|e| self.fault("reading the state", e)))
    }

    /// Hands a flush to RocksDB. Atomic: see the crate's documentation for what a crash leaves.
    pub fn write(&mut self, mut batch: WriteBatch, meta: &Meta) -> Result<(), StateFault> {
        self.check_background()?;
        batch.put(META, meta.encode());
        if let Some(identity) = &self.raised {
            batch.put(IDENTITY, identity);
        }
        self.db.write_opt(batch, &self.without_log).map_err(|e| self.fault("writing the state", e))?;
        self.raised = None;
        self.written = Some(Stand { position: meta.position, log_time_ms: meta.log_time_ms });
        Ok(())
    }

    /// RocksDB treats a compaction that finds no space as passing and tries again for ever, while the files it should merge pile up until
    /// writes block. A thread that holds a partition must not wait for that: the first such error is a fault.
    fn check_background(&self) -> Result<(), StateFault> {
        let errors = self.db.property_int_value(rocksdb::properties::BACKGROUND_ERRORS).map_err(|e| self.fault("asking for errors", e))?;
        match errors {
            None | Some(0) => Ok(()),
            // What stopped RocksDB, a damaged file among it, answers every later write.
            Some(errors) => {
                match self.db.write_opt(WriteBatch::default(), &self.without_log).map_err(|e| self.fault("writing the state", e)) {
                    Err(fault @ StateFault::Corrupt { .. }) => Err(fault),
                    _ => Err(StateFault::Background { dir: self.dir.clone(), errors }),
                }
            }
        }
    }

    /// Puts everything written on disk and waits for it.
    pub fn persist(&mut self) -> Result<(), StateFault> {
        self.check_background()?;
        self.db.flush().map_err(|e| self.fault("putting the state on disk", e))?;
        self.set_persisted(self.written);
        Ok(())
    }

    /// Has everything written put on disk in the background; [`poll_persisted`](Store::poll_persisted) learns when that is done.
    pub fn start_persist(&mut self) -> Result<(), StateFault> {
        if self.persisting.is_some() || self.persisted == self.written {
            return Ok(());
        }
        self.check_background()?;
        let mut in_background = FlushOptions::default();
        in_background.set_wait(false);
        self.db.flush_opt(&in_background).map_err(|e| self.fault("putting the state on disk", e))?;
        self.persisting = self.written;
        Ok(())
    }

    /// Once no full memtable waits any more, the one that held `persisting` is on disk, since they leave in the order in which they filled.
    pub fn poll_persisted(&mut self) -> Result<(), StateFault> {
        if self.persisting.is_none() {
            return Ok(());
        }
        let waiting = self
            .db
            .property_int_value(rocksdb::properties::NUM_IMMUTABLE_MEM_TABLE)
            .map_err(|e| self.fault("asking what is on disk", e))?;
        if waiting == Some(0) {
            self.set_persisted(self.persisting);
        }
        Ok(())
    }

    pub fn is_persisting(&self) -> bool {
        self.persisting.is_some()
    }

    fn set_persisted(&mut self, stand: Option<Stand>) {
        (self.persisted, self.persisting) = (stand, None);
        if let Some(stand) = stand {
            self.persisted_log_time_ms.fetch_max(stand.log_time_ms, Ordering::Relaxed);
        }
    }

    /// Position up to which a crash of the process or the machine loses nothing.
    pub fn persisted_position(&self) -> Option<i64> {
        self.persisted.map(|stand| stand.position)
    }

    pub fn checkpoint(&mut self, target: &Path) -> Result<(), StateFault> {
        let doing = "making a checkpoint";
        let checkpoint = Checkpoint::new(&self.db).map_err(|e| StateFault::of(target, doing, e))?;
        checkpoint.create_checkpoint(target).map_err(|e| StateFault::of(target, doing, e))?;
        drop(checkpoint);
        // It writes out the memtables first.
        self.set_persisted(self.written);
        Ok(())
    }

    /// Of the files on disk, obsolete ones apart.
    pub fn disk_bytes(&self) -> Result<u64, StateFault> {
        let bytes =
            self.db.property_int_value(rocksdb::properties::LIVE_SST_FILES_SIZE).map_err(|e| self.fault("asking for its size", e))?;
        Ok(bytes.unwrap_or(0))
    }

    /// Rewrites all files now, dropping what has expired.
    pub fn compact(&self) {
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
    }
}

fn options<V: Value>(shared: &Shared, persisted_log_time_ms: Arc<AtomicI64>) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&shared.block_cache);
    // Indexes and filters count against the one budget, too, so that memory does not grow with the number of subjects.
    // In partitions: one block of index for a whole file may be larger than a shard of the cache, and then every read fetches it anew.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(16 << 10);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Most look-ups of a key that is not hot are of subjects never seen: ten bits a key answer 99 % of them without reading a block.
    blocks.set_bloom_filter(10.0, false);
    blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_manager(&shared.write_buffers);
    options.set_write_buffer_size((shared.options.write_buffer_bytes / 2).clamp(64 << 10, 64 << 20));
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    // Far above what a working compaction leaves: neither a write nor a flush may wait for one that fails (see `check_background`).
    options.set_level_zero_slowdown_writes_trigger(200);
    options.set_level_zero_stop_writes_trigger(400);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(4 << 20);
    options.set_compaction_filter("portcullis-retention", move |_level: u32, key: &[u8], row: &[u8]| {
        match layout::droppable::<V>(key, row, persisted_log_time_ms.load(Ordering::Relaxed)) {
            true => CompactionDecision::Remove,
            false => CompactionDecision::Keep,
        }
    });
    options
}

/// RocksDB would happily live among other people's files; a mistyped path is better told. A directory whose making was cut short is ours.
fn refuse_foreign_files(dir: &Path) -> std::io::Result<Option<StateFault>> {
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let ours = ["CURRENT", "IDENTITY", "LOCK", "LOG", "MANIFEST", "OPTIONS"].iter().any(|prefix| name.starts_with(prefix))
            || [".sst", ".log", ".dbtmp", ".blob"].iter().any(|suffix| name.ends_with(suffix));
        if !ours {
            return Ok(Some(StateFault::NotAState { dir: dir.into(), found: name }));
        }
    }
    Ok(None)
}

/// Deletes a partition's directory, after which it is rebuilt from a checkpoint or the log. Refuses while it is open, and where it is not a state.
pub fn destroy(dir: &Path) -> Result<(), StateFault> {
    let io = |source: std::io::Error| StateFault::Io { dir: dir.into(), doing: "deleting the state directory", source: Box::new(source) };
    if !dir.try_exists().map_err(io)? {
        return Ok(());
    }
    refuse_foreign_files(dir).map_err(io)?.map_or(Ok(()), Err)?;
    DB::destroy(&Options::default(), dir).map_err(|e| StateFault::of(dir, "deleting the state directory", e))?;
    std::fs::remove_dir_all(dir).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(io(e)) })
}
