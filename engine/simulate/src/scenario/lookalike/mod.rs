//! What only looks like an attack. None of this should reach `high`.

pub mod machine;
pub mod money;
pub mod network;
pub mod operations;
pub mod people;
