//! Makes a plain topic of eight partitions for a bench: `topic BOOTSTRAP NAME`.

use portcullis_benches::drain;
use portcullis_connectors::kafka::Settings;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, bootstrap, name] = &args[..] else { anyhow::bail!("topic BOOTSTRAP NAME") };
    drain::topic(&Settings::new(bootstrap.clone()), name)
}
