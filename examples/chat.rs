//! A chat with rooms. The path of the request names the room.
//!
//! ```text
//! cargo run --release --example chat -- 127.0.0.1:8765    a server, until Ctrl-C
//! ```
//!
//! A member that does not read is closed with 1008, and delays no other member.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wsimd::{CloseCode, Config, Error, Handle, Message, Opening, ServerBuilder, net::Stream};

/// The members of each room.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, HashSet<Handle>>>);

impl Rooms {
    fn join(&self, room: &str, member: Handle) {
        let mut rooms = self.lock();
        rooms.entry(room.to_owned()).or_default().insert(member);
    }

    fn leave(&self, room: &str, member: &Handle) {
        let mut rooms = self.lock();
        if let Some(members) = rooms.get_mut(room) {
            members.remove(member);
            if members.is_empty() {
                rooms.remove(room);
            }
        }
    }

    /// Sends to all members of a room without a wait. A member whose inbox is full is closed and leaves the room.
    fn broadcast(&self, room: &str, message: &Message) {
        let mut rooms = self.lock();
        let Some(members) = rooms.get_mut(room) else {
            return;
        };
        members.retain(|member| {
            let accepted = member.try_send(message.clone()).is_ok();
            if !accepted {
                let _ = member.try_close(CloseCode::POLICY_VIOLATION, "too slow");
            }
            accepted
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashSet<Handle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handler: the client is a member of its room as long as the connection is open.
async fn member(opening: Opening<Stream>, rooms: Arc<Rooms>) -> Result<(), Error> {
    let room = opening.path().to_owned();
    let mut ws = opening.upgrade().await?;
    let member = ws.handle();
    rooms.join(&room, member.clone());
    let end = async {
        while let Some(message) = ws.recv().await? {
            rooms.broadcast(&room, &message);
        }
        Ok(())
    }
    .await;
    rooms.leave(&room, &member);
    end
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1);
    let server = ServerBuilder::new()
        .config(Config::new().max_message_size(64 << 10))
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .bind(address.as_deref().unwrap_or("localhost:8765"))
        .await?;
    println!("listening on ws://{}", server.local_addr()?);
    let rooms = Arc::default();
    server
        .serve_openings(move |opening| member(opening, Arc::clone(&rooms)))
        .with_graceful_shutdown(tokio::signal::ctrl_c())
        .await;
    Ok(())
}
