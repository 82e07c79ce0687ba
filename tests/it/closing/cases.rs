//! The axes of the matrix, and the cases that combine their values.

use wsimd::Role;

use crate::support::frames::ROLES;

/// Who ends the connection, and how. "We" are the side that is a `WebSocket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Close,
    SendClose,
    HandleClose,
    HandleTryClose,
    HandleAbort,
    Drop,
    /// The peer has sent its Close frame, which we have not read, when we call `close`.
    Both,
    PeerClose,
    PeerFin,
    PeerReset,
    PeerViolation,
}

impl Who {
    pub(super) const ALL: [Self; 11] = [
        Self::Close,
        Self::SendClose,
        Self::HandleClose,
        Self::HandleTryClose,
        Self::HandleAbort,
        Self::Drop,
        Self::Both,
        Self::PeerClose,
        Self::PeerFin,
        Self::PeerReset,
        Self::PeerViolation,
    ];

    /// Returns whether the peer sends a Close frame of its own accord.
    pub(super) const fn peer_closes(self) -> bool {
        matches!(self, Self::Both | Self::PeerClose)
    }

    /// Returns whether we begin the closing handshake.
    pub(super) const fn we_close(self) -> bool {
        matches!(
            self,
            Self::Close | Self::SendClose | Self::HandleClose | Self::HandleTryClose
        )
    }

    /// Returns the codes of the first Close frame.
    const fn codes(self) -> &'static [Option<u16>] {
        const CODES: &[Option<u16>] = &[
            Some(1000),
            Some(1001),
            Some(1008),
            Some(3000),
            Some(4999),
            None,
        ];
        match self {
            // `close` takes a code.
            _ if self.we_close() => CODES.split_at(5).0,
            _ if self.peer_closes() => CODES,
            _ => &[None],
        }
    }
}

/// What is on its way when the end begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Nothing,
    /// Messages that we have queued and not written: those of a handle if a handle closes.
    Queued,
    /// The first half of a message of the peer.
    Half,
    /// As `Queued`, compressed.
    Compressed,
}

impl Data {
    const ALL: [Self; 4] = [Self::Nothing, Self::Queued, Self::Half, Self::Compressed];

    pub(super) const fn is_queued(self) -> bool {
        matches!(self, Self::Queued | Self::Compressed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Answers Close, and closes the socket as its role requires.
    Behaves,
    /// Reads, and writes nothing.
    Silent,
    /// Neither reads nor writes, and keeps the socket.
    Gone,
    /// Answers Close, and keeps the socket.
    KeepsOpen,
    /// As `Gone`. Its receive buffer is full, and our send buffer as well.
    Full,
}

impl Peer {
    const ALL: [Self; 5] = [
        Self::Behaves,
        Self::Silent,
        Self::Gone,
        Self::KeepsOpen,
        Self::Full,
    ];

    pub(super) const fn answers(self) -> bool {
        matches!(self, Self::Behaves | Self::KeepsOpen)
    }

    /// Returns whether the peer reads before we have reported the end.
    pub(super) const fn reads(self) -> bool {
        !matches!(self, Self::Gone | Self::Full)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Our role.
    pub(super) role: Role,
    pub(super) who: Who,
    /// The code of the first Close frame, `None` for an empty one.
    pub(super) code: Option<u16>,
    pub(super) data: Data,
    /// Whether bytes that we have not read are in the socket: messages before the end, and noise after a
    /// Close frame or violation of the peer.
    pub(super) unread: bool,
    pub(super) peer: Peer,
    pub(super) unix: bool,
}

/// Returns every combination of all axes but the last, over TCP, and each seventh of them over a Unix socket.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for role in ROLES {
        for who in Who::ALL {
            for &code in who.codes() {
                for data in Data::ALL {
                    for unread in [false, true] {
                        for peer in Peer::ALL {
                            cases.push(Case {
                                role,
                                who,
                                code,
                                data,
                                unread,
                                peer,
                                unix: false,
                            });
                        }
                    }
                }
            }
        }
    }
    let over_unix: Vec<_> = cases.iter().copied().step_by(7).collect();
    let over_unix = over_unix
        .into_iter()
        // A Unix socket has no reset without unread bytes.
        .filter(|case| case.who != Who::PeerReset)
        .map(|case| Case { unix: true, ..case });
    cases.extend(over_unix);
    cases
}
