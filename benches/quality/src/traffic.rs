//! Labelled events: a simulated world, or the files of another generator.

use anyhow::Context;
use portcullis_model::truth::Label;
use portcullis_simulate::{Settings, Simulation};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// Where labelled events come from.
pub enum Traffic {
    Simulated(Settings),
    Files { events: PathBuf, labels: PathBuf },
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traffic::Simulated(settings) => write!(f, "seed {}", settings.seed),
            Traffic::Files { events, .. } => write!(f, "{}", events.display()),
        }
    }
}

impl Traffic {
    /// What took place. A simulation is played once for its labels alone: playing it again is cheaper than keeping its lines.
    pub fn labels(&self) -> anyhow::Result<Vec<Label>> {
        match self {
            Traffic::Simulated(settings) => {
                let mut simulation = Simulation::new(settings.clone())?;
                let mut line = Vec::new();
                while simulation.next_line(&mut line).is_some() {
                    line.clear();
                }
                // Through the text that `portcullis simulate` writes, so that both ways measure the same.
                simulation.labels().iter().map(|label| Ok(serde_json::from_value(serde_json::to_value(label)?)?)).collect()
            }
            Traffic::Files { labels, .. } => {
                let file = File::open(labels).with_context(|| format!("opening {}", labels.display()))?;
                let lines = BufReader::new(file).lines().enumerate();
                lines
                    .filter(|(_, line)| line.as_ref().is_ok_and(|l| !l.trim().is_empty()) || line.is_err())
                    .map(|(n, line)| serde_json::from_str(&line?).with_context(|| format!("{}, line {}", labels.display(), n + 1)))
                    .collect()
            }
        }
    }

    /// Each line in the order of arrival, without its line feed.
    pub fn for_each_line(&self, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
        match self {
            Traffic::Simulated(settings) => {
                let mut simulation = Simulation::new(settings.clone())?;
                let mut line = Vec::new();
                while simulation.next_line(&mut line).is_some() {
                    each(line.trim_ascii_end());
                    line.clear();
                }
            }
            Traffic::Files { events, .. } => {
                let mut file = BufReader::new(File::open(events).with_context(|| format!("opening {}", events.display()))?);
                let mut line = Vec::new();
                while file.read_until(b'\n', &mut line)? > 0 {
                    each(line.trim_ascii_end());
                    line.clear();
                }
            }
        }
        Ok(())
    }
}
