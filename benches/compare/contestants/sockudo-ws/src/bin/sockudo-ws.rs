//! sockudo-ws, each message sent at once.

contestant::main!(contestant_sockudo_ws::Adapter<false>);
