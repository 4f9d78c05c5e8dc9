//! What was committed goes to RocksDB, about once a second, in one sorted write; and on disk, when somebody relies on it.

use super::{CHANGES_AHEAD, Partition};
use crate::encoded::Span;
use crate::fault::StateFault;
use crate::key_order::{Sortable, sort_by_key};
use crate::layout::{self, NEVER};
use crate::value::Value;
use rocksdb::WriteBatch;
use std::path::Path;
use std::time::Instant;

impl<V: Value> Partition<V> {
    /// Flushes when a flush is due: about once a second, or when much has changed. To be called after each commit and when idle.
    /// `now` only decides when; it changes no outcome. Returns whether it flushed.
    pub fn flush_if_due(&mut self, now: Instant) -> Result<bool, StateFault> {
        let (options, since) = (self.share.options(), |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then)));
        let (flush_every, persist_every) = (options.flush_every, options.persist_every);
        let due = since(self.last_flush).is_some_and(|waited| waited >= flush_every)
            || self.hot.dirty_bytes.max(2 * self.encoded.len()) >= self.share.dirty_bytes_max();
        let persist_due = since(self.last_persist).is_some_and(|waited| waited >= persist_every);
        self.last_flush.get_or_insert(now);
        self.last_persist.get_or_insert(now);
        if !due {
            return Ok(false);
        }
        let flushed = self.behind;
        self.flush()?;
        self.last_flush = Some(now);
        self.store.poll_persisted()?;
        if persist_due {
            self.store.start_persist()?;
            self.last_persist = Some(now);
        }
        Ok(flushed)
    }

    /// Hands everything committed to RocksDB in one sorted write. A running batch is not part of it.
    pub fn flush(&mut self) -> Result<(), StateFault> {
        let (true, Some(meta)) = (self.behind, &mut self.meta) else { return Ok(()) };
        if let Some(beside) = self.beside.take() {
            meta.extra.clear();
            beside.encode(&mut meta.extra);
        }
        self.order.clear();
        self.order.extend(self.hot.dirty.iter().map(|place| Sortable::new(*place)));
        sort_by_key(&mut self.order, &|place| self.hot.entry(place).key.bytes(), &|place| self.hot.prefetch_key(place));

        let mut batch = WriteBatch::with_capacity_bytes(self.hot.dirty_bytes + self.hot.dirty_bytes / 4);
        let (mut row_key, mut row) = (Vec::new(), Vec::new());
        for (at, sortable) in self.order.iter().enumerate() {
            if let Some(ahead) = self.order.get(at + CHANGES_AHEAD) {
                self.hot.prefetch_place(ahead.item);
                self.encoded.prefetch(self.hot.entry(self.order[at + CHANGES_AHEAD / 2].item).encoded);
            }
            let entry = self.hot.entry(sortable.item);
            row_key.clear();
            layout::value_key(entry.key.bytes(), &mut row_key);
            let written = match entry.encoded.is_none() {
                true => layout::encode_row(entry.value.as_ref(), entry.due_ms, &mut row),
                false => layout::encoded_row(self.encoded.get(entry.encoded), entry.due_ms, &mut row),
            };
            if written {
                batch.put(&row_key, &row);
            } else {
                batch.delete(&row_key);
            }
        }
        for sortable in &self.order {
            let entry = self.hot.entry(sortable.item);
            if entry.timer_moved() {
                if entry.stored_due_ms != NEVER {
                    layout::timer_key(entry.stored_due_ms, entry.key.bytes(), &mut row_key);
                    batch.delete(&row_key);
                }
                if let Some(due_ms) = entry.timer_ms() {
                    layout::timer_key(due_ms, entry.key.bytes(), &mut row_key);
                    batch.put(&row_key, []);
                }
            }
        }
        self.store.write(batch, meta)?;
        self.hot.mark_clean();
        self.encoded.clear();
        for state in &mut self.overlay.slots {
            state.encoded = Span::NONE;
        }
        self.behind = false;
        Ok(())
    }

    /// Flushes, and waits until it is on disk: after this a crash loses nothing that was committed.
    pub fn persist(&mut self) -> Result<(), StateFault> {
        self.flush()?;
        self.store.persist()
    }

    /// Flushes, and has it put on disk in the background.
    pub fn start_persist(&mut self) -> Result<(), StateFault> {
        self.flush()?;
        self.store.start_persist()
    }

    /// What [`start_persist`](Partition::start_persist) began is under way still.
    pub fn is_persisting(&mut self) -> Result<bool, StateFault> {
        self.store.poll_persisted()?;
        Ok(self.store.is_persisting())
    }

    /// Persists and closes: a planned restart replays nothing. A running batch is dropped.
    pub fn close(mut self) -> Result<(), StateFault> {
        self.abort();
        self.persist()
    }

    /// A copy of the committed state in `target`, a directory that must not exist yet; files are hard links where the file system is the same.
    pub fn checkpoint(&mut self, target: &Path) -> Result<(), StateFault> {
        self.flush()?;
        self.store.checkpoint(target)
    }
}
