//! What the benches share: the peers' traffic and work, the drains that are compared, and the measuring.

pub mod drain;
pub mod measure;
pub mod peer;
pub mod traffic;

/// The allocator of the service: what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
