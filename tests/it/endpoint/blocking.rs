//! The driver of `examples/blocking.rs`, against a server of this crate.

#[path = "../../../examples/blocking.rs"]
mod example;

#[test]
fn a_blocking_socket_can_carry_an_endpoint() {
    example::main().unwrap();
}
