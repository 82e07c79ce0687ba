//! wsimd as a codec, each message sent at once as in the README.

contestant::main!(contestant_wsimd::FramedAdapter<false>);
