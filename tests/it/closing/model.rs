//! The expected end of a case, from RFC 6455 §7 and the documentation of the crate.

use wsimd::Role;

use super::{
    MESSAGES, UNREAD,
    cases::{Case, Data, Peer, Who},
};

/// The code of a Close frame, `None` for an empty one.
pub(super) type Code = Option<u16>;

/// The result of the call that reports the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// `Ok`.
    Ended,
    /// `Error::Closed` with this code.
    Closed(u16),
    Timeout,
    Violation,
    /// `Error::Io`, or `Error::Closed` with 1006.
    Lost,
}

/// The moment of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Once the facts are known.
    Soon,
    /// At most a second later, for the peer to close the socket.
    Linger,
    /// At `Config::close_timeout`.
    Deadline,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) report: Report,
    pub(super) when: When,
    /// Our Close frame, in our report and on the wire.
    pub(super) sent: Option<Code>,
    /// The peer's Close frame in our report.
    pub(super) received: Option<Code>,
    /// The number of our messages that the peer reads before our Close frame, if that is certain.
    pub(super) delivered: Option<usize>,
    /// The number of the peer's messages that our application receives, if that is certain.
    pub(super) messages: Option<usize>,
}

pub(super) fn expected(case: &Case) -> Expected {
    let answered = case.who.we_close() && case.peer.answers();
    let received = (answered || case.who.peer_closes()).then_some(case.code);
    let sent = sent(case);
    Expected {
        report: report(case, received),
        when: when(case),
        sent,
        received,
        delivered: sent.map(|_| delivered(case)),
        messages: messages(case),
    }
}

/// The Close frame that we write. A socket that takes no byte takes no Close frame.
fn sent(case: &Case) -> Option<Code> {
    if case.peer == Peer::Full {
        return None;
    }
    match case.who {
        Who::Both => Some(Some(super::OUR_CODE)),
        Who::PeerClose => Some(case.code),
        Who::PeerViolation => Some(Some(1002)),
        who if who.we_close() => Some(case.code),
        _ => None,
    }
}

fn report(case: &Case, received: Option<Code>) -> Report {
    match case.who {
        Who::HandleAbort | Who::Drop | Who::PeerFin => Report::Closed(1006),
        Who::PeerReset => Report::Lost,
        Who::PeerViolation => Report::Violation,
        _ if when(case) == When::Deadline => Report::Timeout,
        Who::Close | Who::Both => Report::Ended,
        _ => match received.flatten() {
            None | Some(1000 | 1001) => Report::Ended,
            Some(code) => Report::Closed(code),
        },
    }
}

fn when(case: &Case) -> When {
    let is_full = case.peer == Peer::Full;
    let closes_socket = case.peer == Peer::Behaves;
    match case.who {
        Who::HandleAbort | Who::Drop | Who::PeerFin | Who::PeerReset => When::Soon,
        _ if is_full => When::Deadline,
        who if who.we_close() && !case.peer.answers() => When::Deadline,
        _ if closes_socket => When::Soon,
        // The noise after the end is drained, so that no reset overtakes our Close frame.
        Who::PeerViolation => When::Linger,
        Who::PeerClose | Who::Both if case.unread => When::Linger,
        // The server closes the socket first (§7.1.1), and a client waits a little for that.
        _ if case.role == Role::Client => When::Linger,
        _ => When::Soon,
    }
}

/// Everything that was accepted leaves before our Close frame, unless `try_close` goes past it.
fn delivered(case: &Case) -> usize {
    let is_dropped = case.who == Who::HandleTryClose;
    if case.data.is_queued() && !is_dropped {
        MESSAGES
    } else {
        0
    }
}

/// Everything that arrived before the end is received, unless `close` discards it.
fn messages(case: &Case) -> Option<usize> {
    let whole = if case.unread && case.data != Data::Half {
        UNREAD
    } else {
        0
    };
    match case.who {
        Who::Close | Who::Both | Who::HandleAbort | Who::Drop | Who::PeerReset => None,
        // `send_close` waits in vain for the socket, and parks one message meanwhile.
        Who::SendClose if case.peer == Peer::Full => None,
        _ => Some(whole),
    }
}
