//! tokio-tungstenite, each message sent at once.

contestant::main!(contestant_tokio_tungstenite::Adapter<false>);
