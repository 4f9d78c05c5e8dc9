//! What the state stores: anything that can be written, read back, weighed and, in time, forgotten.

/// A value of the state, in practice the profile of a subject.
pub trait Value: Clone + Send + 'static {
    /// Appends the stored form to `out`. Equal values give equal bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads what [`encode`](Value::encode) wrote. The error says what is wrong with the bytes; the partition adds where they were.
    fn decode(bytes: &[u8]) -> Result<Self, String>;

    /// Memory in use, in bytes: `size_of::<Self>()` and what it owns on the heap. An estimate is enough; it decides what is evicted.
    fn weight_bytes(&self) -> usize;

    /// Names the blocks of memory that the value owns, so that they can be brought into the processor's cache before it is used: of `depth` 0 those
    /// that the value itself points to, of 1 those that they point to. A hint: naming none costs only time.
    fn blocks(&self, depth: u8, each: &mut dyn FnMut(*const u8, usize)) {
        let _ = (depth, each);
    }

    /// Whether the value counts as absent at `log_time_ms` (epoch ms) because it was idle for longer than its retention.
    ///
    /// Must be monotone: once expired at a log time, expired at every later one. Compaction may then remove it without
    /// changing any outcome, since whoever asks later gets the same answer.
    fn expired(&self, log_time_ms: i64) -> bool {
        let _ = log_time_ms;
        false
    }

    /// [`expired`](Value::expired) of stored bytes, for compaction, which asks it of every row: override it when the
    /// time can be read without decoding everything. Bytes that cannot be decoded are kept, so that the load names them.
    fn expired_encoded(bytes: &[u8], log_time_ms: i64) -> bool {
        Self::decode(bytes).is_ok_and(|value| value.expired(log_time_ms))
    }
}
