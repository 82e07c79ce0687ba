//! The environment of a process. The rules have tests beside their source.

use std::{env, process::Command};

use wsimd::ClientBuilder;

/// Prints the client of the environment. The next test runs it in a process of its own.
#[test]
#[ignore = "needs an environment of its own"]
fn client_of_the_environment() {
    match ClientBuilder::new().proxy_from_env() {
        Ok(client) => println!("{client:?}"),
        Err(error) => println!("error: {error}"),
    }
}

/// Returns the output of a process whose environment has these variables.
fn run(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    for name in ["http", "https", "all", "no"].map(|name| format!("{name}_proxy")) {
        command.env_remove(name.to_uppercase()).env_remove(name);
    }
    command.envs(variables.iter().copied());
    let name = "proxy::environment::client_of_the_environment";
    let output = command.args(["--exact", "--ignored", "--nocapture", name]);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_variables_are_those_of_the_process() {
    let none = run(&[]);
    assert!(none.contains("plain: None, secure: None"), "{none}");
    let set = run(&[
        ("http_proxy", "http://user:sesame@plain:1"),
        ("HTTPS_PROXY", "socks5h://secure:2"),
    ]);
    assert!(
        set.contains("http://plain:1") && set.contains("socks5h://secure:2"),
        "{set}"
    );
    assert!(!set.contains("sesame"), "{set}");
    let invalid = run(&[("all_proxy", "ftp://user:sesame@host")]);
    let error =
        "error: invalid all_proxy \"***@host\": its scheme is not http, https, socks5 or socks5h";
    assert!(invalid.contains(error), "{invalid}");
}
