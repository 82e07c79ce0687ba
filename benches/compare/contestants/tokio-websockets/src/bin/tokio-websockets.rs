//! tokio-websockets, each message sent at once.

contestant::main!(contestant_tokio_websockets::Adapter<false>);
