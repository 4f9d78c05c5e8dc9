//! A real Kafka broker for benches and for trying things out: prints its address, runs until its standard input ends.
//!
//! ```text
//! taskset -c 0 target/release/kafka-broker [PROPERTY=VALUE...]     # Enter or Ctrl-D ends it, and its data
//! ```

use portcullis_integration_tests::kafka::{Broker, Options};

fn main() -> Result<(), String> {
    let given = std::env::args().skip(1);
    let property =
        |arg: String| arg.split_once('=').map(|(name, value)| (name.into(), value.into())).ok_or(format!("{arg}: no PROPERTY=VALUE"));
    let properties = given.map(property).collect::<Result<_, String>>()?;
    let broker = Broker::start_with(Options { heap: "2g".into(), light: false, properties, ..Options::default() })?;
    println!("{}", broker.bootstrap());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| e.to_string())?;
    Ok(())
}
