//! Where in the log a state stands, and what else the caller keeps with it.

/// Written in the same batch as the values it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Offset of the next record to read: every record before it is in the state, none from it on.
    pub position: i64,
    /// Running maximum of the broker's append stamp, epoch ms. Decides what has expired; must not go back.
    pub log_time_ms: i64,
    /// The caller's own: active policy, samples, digest of the last journal record. Opaque here.
    pub extra: Vec<u8>,
}

/// Writes [`Meta::extra`] when a flush comes to need it: a commit happens far more often.
pub trait Beside: Send + Sync {
    fn encode(&self, out: &mut Vec<u8>);
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.extra.len());
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&self.log_time_ms.to_le_bytes());
        out.extend_from_slice(&self.extra);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Meta, String> {
        let short = || format!("the position row has {} bytes, at least 16 are needed", bytes.len());
        let (position, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let (log_time, extra) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        Ok(Meta { position: i64::from_le_bytes(*position), log_time_ms: i64::from_le_bytes(*log_time), extra: extra.to_vec() })
    }
}
