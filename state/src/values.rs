//! The values of the core as the store keeps them.

use crate::value::Value;
use portcullis_core::gate::GateState;
use portcullis_core::profile::Profile;
use portcullis_core::time::Time;

impl Value for Profile {
    fn encode(&self, out: &mut Vec<u8>) {
        Profile::encode(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Profile, String> {
        Profile::decode(bytes)
    }

    fn weight_bytes(&self) -> usize {
        Profile::weight_bytes(self)
    }

    fn blocks(&self, depth: u8, each: &mut dyn FnMut(*const u8, usize)) {
        self.memory.blocks(depth, each);
    }

    // `expired` stays false: each pass of a batch forgets its own part of a profile at its own record, which asking here would
    // anticipate. Compaction asks of what no batch holds, where both passes would find the same.
    fn expired_encoded(bytes: &[u8], log_time_ms: i64) -> bool {
        Profile::decode(bytes).is_ok_and(|profile| profile.is_expired(Time(log_time_ms)))
    }
}

impl Value for GateState {
    fn encode(&self, out: &mut Vec<u8>) {
        GateState::encode(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<GateState, String> {
        GateState::decode(bytes)
    }

    fn weight_bytes(&self) -> usize {
        GateState::weight_bytes(self)
    }
}
