//! wsimd as a codec, flushed when no more is ready.

contestant::main!(contestant_wsimd::FramedAdapter<true>);
