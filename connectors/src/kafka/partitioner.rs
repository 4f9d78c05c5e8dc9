//! Which partition a key belongs to: murmur2, as the Java client's default partitioner computes it.
//!
//! Everything that writes keyed topics must agree. librdkafka's own default is CRC32, so [`super::Sink`] sets `murmur2_random`; the
//! embedded mode has no broker and uses this function. No librdkafka here.

/// The partition of `key` among `partitions` (at least one): `murmur2(key) & 0x7fffffff mod partitions`,
/// as `org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey`.
///
/// # Panics
/// If `partitions` is not positive: a topic without partitions does not exist.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    assert!(partitions > 0, "a topic has at least one partition, not {partitions}");
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions
}

/// MurmurHash2 (Austin Appleby), 32 bits, with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut h = SEED ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, &byte) in rest.iter().enumerate() {
            h ^= u32::from(byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::bindings as rd;
    use std::ptr;

    /// The examples of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn known_values_of_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert_eq!(murmur2(b"abc") as i32, 479_470_107);
    }

    #[test]
    fn agrees_with_librdkafka_on_keys_of_every_length() {
        let bytes: Vec<u8> = (0..300_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for length in 0..bytes.len() {
            for partitions in [1, 2, 7, 12, 1000] {
                let key = &bytes[..length];
                // SAFETY: the partitioner only hashes the key; topic and opaques are not touched.
                let theirs = unsafe {
                    rd::rd_kafka_msg_partitioner_murmur2(
                        ptr::null(),
                        key.as_ptr().cast(),
                        key.len(),
                        partitions,
                        ptr::null_mut(),
                        ptr::null_mut(),
                    )
                };
                assert_eq!(partition_of(key, partitions), theirs, "{length} bytes, {partitions} partitions");
            }
        }
    }
}
