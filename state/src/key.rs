//! A subject's key as the hot table holds it: within the entry when short, so that a look-up touches no further memory.

const INLINE_BYTES: usize = 46;

pub(crate) enum Key {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl Key {
    pub fn new(key: &[u8]) -> Key {
        if key.len() > INLINE_BYTES {
            return Key::Heap(key.into());
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..key.len()].copy_from_slice(key);
        Key::Inline { len: key.len() as u8, bytes }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Key::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Key::Heap(key) => key,
        }
    }

    pub fn heap_bytes(&self) -> usize {
        match self {
            Key::Inline { .. } => 0,
            // What the allocator adds to a small block, about.
            Key::Heap(key) => key.len() + 16,
        }
    }
}
