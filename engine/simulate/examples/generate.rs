//! Writes a simulation and says how long it took: `cargo run --release -p portcullis-simulate --example generate -- SEED EVENTS DIR`.

use portcullis_simulate::{Settings, Simulation};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, seed, events, dir] = args.as_slice() else { return Err("usage: generate SEED EVENTS DIR".into()) };
    let begun = std::time::Instant::now();
    let simulation = Simulation::new(Settings { seed: seed.parse()?, events: events.parse()?, ..Settings::default() })?;
    let (planned, identities) = (begun.elapsed(), simulation.identities());
    let written = simulation.write_to(dir.as_ref(), |_| {})?;
    let all = begun.elapsed();
    println!(
        "{} lines, {} labels, {identities} identities; planned in {planned:.2?}, all in {all:.2?}: {:.0} lines/s",
        written.lines,
        written.label_count,
        written.lines as f64 / all.as_secs_f64()
    );
    Ok(())
}
