//! yawc, each message sent at once, default buffers.

contestant::main!(contestant_yawc::Adapter<false>);
