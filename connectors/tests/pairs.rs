//! The raw and the OCSF side of each published pair give the same event in every field that both carry; what differs is listed here,
//! with the reason.

use portcullis_connectors::file::{Batch, FileReader};
use portcullis_connectors::formats::{Format, Input, Item, decode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// (part of the file's name, field, why it differs). `*` fits every pair.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "AWS-v1.5.0-CloudTrail-Account_Change",
        "credential.issued_at",
        "the example's creation time was moved by its author's zone: 14:56:35Z became 14:56:35-04:00",
    ),
    ("AWS-v1.5.0-CloudTrail-Account_Change", "session.id", "contains that creation time"),
    ("Okta-v1.3.0-System_Logs-API_Activity", "time", "the OCSF side keeps no milliseconds"),
    ("Okta-v1.3.0-System_Logs-Authentication", "time", "the OCSF side keeps no milliseconds"),
    ("Okta-v1.3.0-System_Logs-Entity_Management", "time", "the OCSF side keeps no milliseconds"),
    ("Okta-v1.3.0-System_Logs-Group_Management", "time", "the OCSF side keeps no milliseconds"),
    ("Okta-v1.3.0-System_Logs-API_Activity", "credential.id", "the OCSF side has dropped the target, which is the token that was made"),
    (
        "Okta-v1.3.0-System_Logs-Authentication",
        "stamp.native_type",
        "misspelt in the OCSF example: user.sesion.start; the class still says that it is a log-in",
    ),
    ("GitHub", "outcome", "the OCSF side has no status"),
    ("GitHub", "provider.instance", "the OCSF side names no enterprise"),
    ("GitHub", "identity.issuer", "the OCSF side names the organisation by its number, or not at all"),
    ("GitHub", "identity.native_id", "the OCSF side has an e-mail address beside the name"),
    ("GitHub", "request.route", "OCSF keeps an operation of calls alone; and the action of one example is that of another"),
    ("GitHub", "request.object", "the OCSF side names by number, or not at all"),
    ("GitHub-v1.3.0-Github_Audit_Logs-API_Activity", "credential.id", "the OCSF side has dropped the token"),
    ("GitHub-v1.3.0-Github_Audit_Logs-API_Activity", "credential.kind", "the OCSF side has dropped the token"),
    ("GitHub-v1.3.0-Github_Audit_Logs-Account_Change", "id", "the OCSF side has dropped the request's id"),
    ("GitHub-v1.3.0-Github_Audit_Logs-Account_Change", "source.ip", "another address in the OCSF example"),
    ("GitHub-v1.3.0-Github_Audit_Logs-Entity_Management", "stamp.native_type", "the action of another example"),
    ("GitHub-v1.3.0-Github_Audit_Logs-Group_Management", "change.target", "another user in the OCSF example"),
];

fn flat(value: &Value, path: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| flat(v, &if path.is_empty() { k.clone() } else { format!("{path}.{k}") }, out)),
        _ => {
            out.insert(path.to_owned(), value.clone());
        }
    }
}

fn event(name: &str) -> Result<BTreeMap<String, Value>, String> {
    let (mut reader, mut batch, input) = (FileReader::open(name).unwrap(), Batch::default(), Input::operator(name));
    assert!(reader.next_batch(&mut batch).unwrap());
    let raw = batch.records().next().unwrap();
    if let Some(fault) = raw.fault {
        return Err(fault.to_owned());
    }
    let mut result = Err("nothing".to_owned());
    decode(Format::Auto, raw.bytes, &input, &mut |_, item| {
        result = match item {
            Item::Event(event) => {
                let mut out = BTreeMap::new();
                flat(&serde_json::to_value(&event).unwrap(), "", &mut out);
                Ok(out)
            }
            Item::Ignored { kind } => Err(kind.into_owned()),
            Item::Fault(fault) => Err(fault.to_string()),
        };
    });
    result
}

#[test]
fn both_sides_give_one_event() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/ocsf");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path().to_str().unwrap().to_owned())
        .filter(|n| n.ends_with(".raw.json"))
        .collect();
    names.sort();
    let (mut compared, mut unexpected) = (0, Vec::new());
    let mut unused: Vec<_> = DIFFERENCES.to_vec();
    for raw_name in names {
        let short = raw_name.rsplit('/').next().unwrap().trim_end_matches(".raw.json").to_owned();
        let (raw, ocsf) = match (event(&raw_name), event(&raw_name.replace(".raw.json", ".ocsf.json"))) {
            (Ok(raw), Ok(ocsf)) => (raw, ocsf),
            (raw, ocsf) => {
                println!("{short}: raw {:?}, ocsf {:?}", raw.err(), ocsf.err());
                continue;
            }
        };
        compared += 1;
        let fields: std::collections::BTreeSet<_> = raw.keys().chain(ocsf.keys()).collect();
        for field in fields {
            let (r, o) = (raw.get(field), ocsf.get(field));
            if r == o {
                continue;
            }
            let known = |d: &(&str, &str, &str)| (d.0 == "*" || short.contains(d.0)) && d.1 == field.as_str();
            unused.retain(|d| !known(d));
            if !DIFFERENCES.iter().any(known) {
                unexpected.push(format!("{short}: {field}: raw {r:?}, ocsf {o:?}"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(unused.is_empty(), "no longer different: {unused:?}");
    assert_eq!(compared, 17);
}
