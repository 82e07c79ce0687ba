//! The masking keys of a client's frames (RFC 6455 §5.3).

use std::cell::RefCell;

use chacha20::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{
    config::Config,
    frame::{MaskingKey, Role},
};

/// Returns the key that the next frame is masked with: `None` for a server, which does not mask
/// (RFC 6455 §5.1).
pub(crate) fn masking_key(role: Role, config: &Config) -> Option<MaskingKey> {
    match role {
        Role::Client => Some(config.settings.masking_keys.unwrap_or(random_masking_key)()),
        Role::Server => None,
    }
}

/// Draws an unpredictable masking key (RFC 6455 §5.3, §10.3).
///
/// Each thread has a ChaCha12 generator, seeded once from the operating system's random source.
///
/// # Panics
///
/// When the operating system has no random source.
pub fn random_masking_key() -> MaskingKey {
    thread_local! {
        static KEYS: RefCell<ChaCha12Rng> = RefCell::new(seeded());
    }
    MaskingKey::new(KEYS.with_borrow_mut(Rng::next_u32).to_le_bytes())
}

#[cold]
fn seeded() -> ChaCha12Rng {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has a random source");
    ChaCha12Rng::from_seed(seed)
}
