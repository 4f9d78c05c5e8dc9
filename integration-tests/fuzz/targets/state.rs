//! Values of the state and keys of the log: a file that was damaged, or a checkpoint that was tampered with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::gate::GateState;
use portcullis_core::profile::{Profile, STATE_VERSION};
use portcullis_core::subject::SubjectRef;

fuzz_target!(|data: &[u8]| {
    if let Ok(profile) = Profile::decode(data) {
        let mut bytes = Vec::new();
        profile.encode(&mut bytes);
        assert_eq!(u32::from(bytes[0]), STATE_VERSION);
        let mut again = Vec::new();
        Profile::decode(&bytes).unwrap_or_else(|e| panic!("{e}")).encode(&mut again);
        assert_eq!(again, bytes);
    }
    if let Ok(state) = GateState::decode(data) {
        let mut bytes = Vec::new();
        state.encode(&mut bytes);
        assert!(GateState::decode(&bytes).is_ok());
    }
    if let Some(subject) = SubjectRef::from_key(data) {
        assert_eq!(subject.key(), data);
    }
});
