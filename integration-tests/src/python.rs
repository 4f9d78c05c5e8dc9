//! A Python that has what a program needs: the system's own, or a virtual environment in the user's cache, made once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a program imports, and where it comes from.
pub struct Needs {
    /// Of the virtual environment.
    name: &'static str,
    modules: &'static [&'static str],
    imports: &'static str,
}

/// `docs/examples/responder.py`.
pub const RESPONDER: Needs = Needs {
    name: "responder-py",
    modules: &["confluent-kafka==2.15.0", "pyjwt[crypto]==2.13.0"],
    imports: "import confluent_kafka, cryptography, jwt",
};

/// `validate_outputs.py`: the schemas of OCSF, and a JOSE library.
pub const VALIDATOR: Needs = Needs {
    name: "outputs-py",
    modules: &["ocsf-json-schema==1.2.0", "jsonschema==4.26.0", "pyjwt[crypto]==2.13.0"],
    imports: "import cryptography, jsonschema, jwt, ocsf_json_schema, referencing",
};

/// Confluent's client of a schema registry.
pub const REGISTRY: Needs = Needs {
    name: "registry-py",
    modules: &["confluent-kafka[avro,schemaregistry]==2.15.0"],
    imports: "import confluent_kafka.schema_registry.avro",
};

/// The interpreter, or why there is none.
///
/// # Errors
/// What is missing, and what to install.
pub fn python(needs: &Needs) -> Result<PathBuf, String> {
    let system = PathBuf::from("python3");
    if has_modules(&system, needs) {
        return Ok(system);
    }
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep Python's modules")?.join("portcullis/tools");
    let made = || -> std::io::Result<PathBuf> {
        fs::create_dir_all(&cache)?;
        let lock = File::create(cache.join(format!("{}.lock", needs.name)))?;
        lock.lock()?;
        let folder = cache.join(needs.name);
        let python = folder.join("bin/python3");
        if !has_modules(&python, needs) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(needs.modules))?;
        }
        Ok(python)
    };
    made().map_err(|e| {
        let modules = needs.modules.join(" and ");
        format!("no Python 3 with {modules}: {e}; on Debian `apt-get install python3-venv`, or install them")
    })
}

/// What `validate_outputs.py` says of lines.
///
/// # Panics
/// If it finds a fault, with what it says, or there is no Python for it.
pub fn validate(args: &[&str], lines: &[String]) -> String {
    let python = python(&VALIDATOR).unwrap_or_else(|e| panic!("{e}"));
    let mut child = Command::new(python)
        .args(["-c", include_str!("validate_outputs.py")])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting Python");
    let mut input = child.stdin.take().expect("a pipe");
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    // Beside us: it may write before it has read everything.
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let done = child.wait_with_output().expect("Python's answer");
    // Where it ended early, its own words say why.
    let _whole = writing.join();
    assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn has_modules(python: &Path, needs: &Needs) -> bool {
    let asked = Command::new(python).args(["-c", needs.imports]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> std::io::Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    let said = || String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default().to_owned();
    if done.status.success() { Ok(()) } else { Err(std::io::Error::other(said())) }
}
