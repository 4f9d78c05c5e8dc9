//! A thread for calls into librdkafka that may never return.

use std::sync::mpsc;

/// A thread for calls that may never return; it is then left to itself.
pub(super) struct Caller(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Caller {
    pub fn new() -> Self {
        let (give, taken) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        std::thread::spawn(move || taken.into_iter().for_each(|call| call()));
        Self(give)
    }

    pub fn call<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
        let (tell, told) = mpsc::sync_channel(1);
        // Whoever gave up waiting does not listen any more. A thread that is gone answers nothing.
        drop(self.0.send(Box::new(move || drop(tell.send(call())))));
        told
    }
}
