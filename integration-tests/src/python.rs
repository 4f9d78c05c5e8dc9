//! A Python that has what `docs/examples/responder.py` needs: the system's own, or a virtual environment in the user's cache, made once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MODULES: &[&str] = &["confluent-kafka==2.15.0", "pyjwt[crypto]==2.13.0"];
const IMPORTS: &str = "import confluent_kafka, cryptography, jwt";

/// The interpreter, or why there is none.
///
/// # Errors
/// What is missing, and what to install.
pub fn python() -> Result<PathBuf, String> {
    let system = PathBuf::from("python3");
    if has_modules(&system) {
        return Ok(system);
    }
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep Python's modules")?.join("portcullis/tools");
    let made = || -> std::io::Result<PathBuf> {
        fs::create_dir_all(&cache)?;
        let lock = File::create(cache.join("responder-py.lock"))?;
        lock.lock()?;
        let folder = cache.join("responder-py");
        let python = folder.join("bin/python3");
        if !has_modules(&python) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(MODULES))?;
        }
        Ok(python)
    };
    made()
        .map_err(|e| format!("no Python 3 with {}: {e}; on Debian `apt-get install python3-venv`, or install them", MODULES.join(" and ")))
}

fn has_modules(python: &Path) -> bool {
    let asked = Command::new(python).args(["-c", IMPORTS]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> std::io::Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    let said = || String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default().to_owned();
    if done.status.success() { Ok(()) } else { Err(std::io::Error::other(said())) }
}
