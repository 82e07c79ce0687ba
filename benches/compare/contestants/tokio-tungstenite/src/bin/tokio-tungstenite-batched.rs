//! tokio-tungstenite, flushed when no more is ready, as `forward` in its echo example does.

contestant::main!(contestant_tokio_tungstenite::Adapter<true>);
