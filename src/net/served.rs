//! A [`Stream`] under `serve`, and the ends of it that the server keeps.

use super::{
    Stream,
    cork::{self, Cork},
    io::Io,
};
use crate::{
    config::Config,
    connection::{Handle, Left, Mail, served::CorkFunctions},
};

/// Wakes the task that polls a handler of `serve`, and exchanges mail with its connection.
pub(crate) type TaskWaker = Cork<Io, Left<Stream>, Mail>;

/// The task that polls a handler of `serve`.
pub(crate) type HandlerTask = cork::HandlerTask<Io, Left<Stream>, Mail>;

impl Stream {
    /// Returns the functions with which a connection uses the cork.
    pub(crate) fn cork_functions() -> CorkFunctions<Self> {
        CorkFunctions {
            take_progress: |stream| stream.0.take_progress(),
            take_back: |left| {
                let cork = left.get_ref().0.clone();
                cork.take_back(left);
            },
            has_mail: |stream| stream.0.has_mail(),
            claim_inbox: |stream, config| {
                let claim = |mail: &mut Option<Mail>| Mail::claim(mail, config);
                stream.0.read_mail(claim)
            },
            is_task: |stream, waker| stream.0.is_task(waker),
        }
    }

    /// Returns the end of the stream that the server keeps.
    pub(crate) fn task_waker(&self) -> TaskWaker {
        self.0.clone()
    }

    /// Returns the handle with which the handler task polls the handler.
    pub(crate) fn handler_task(&self) -> HandlerTask {
        self.0.handler_task()
    }
}

impl TaskWaker {
    /// Returns a handle of the connection. Creates the inbox, with `config`, if there is none.
    pub(crate) fn handle(&self, config: &Config) -> Handle {
        let handle = self.write_mail(|mail| {
            let is_new = mail.is_none();
            let mail = mail.get_or_insert_with(|| Mail::new(config));
            (mail.handle(), is_new)
        });
        self.wake_task();
        handle
    }
}
