//! yawc, batched and with the buffers of its own benchmark.

contestant::main!(contestant_yawc::Adapter<true>);
