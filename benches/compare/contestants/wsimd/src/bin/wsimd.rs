//! wsimd with `recv` and `send`.

contestant::main!(contestant_wsimd::Adapter<false>);
