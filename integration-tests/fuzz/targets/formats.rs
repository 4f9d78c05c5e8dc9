//! A raw record of any format: never a panic, and what leaves is an event that our own log takes and gives back unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_connectors::formats::custom::Mapping;
use portcullis_connectors::formats::{Format, Input, Item, decode};
use portcullis_schemas::{decode_event, encode_event};
use std::sync::{Arc, LazyLock};

static MAPPED: LazyLock<Input> = LazyLock::new(|| {
    let text = "time: { at: ts, as: seconds }\ntype: { at: event.name, when: { login: auth.login } }\noutcome: { at: result, when: { ok: success }, otherwise: failure }\nidentity.id: [user.id, user.name]\nsource.ip: peer\nrequest.route: { at: url.path, as: route }\n";
    let mapping = Mapping::parse("fuzz.yaml", text).unwrap_or_else(|faults| panic!("{faults:?}"));
    Input { mapping: Some(Arc::new(mapping)), ..Input::operator("fuzz") }
});

fuzz_target!(|data: &[u8]| {
    let Some((first, raw)) = data.split_first() else { return };
    let format = Format::ALL[usize::from(*first) % Format::ALL.len()];
    let trusted = first & 0x80 == 0;
    let input = if format == Format::Custom { MAPPED.clone() } else { Input::operator("fuzz") };
    let input = if trusted { input } else { Input { trust_control: false, tenant_from_record: false, ..input } };
    let mut expected = 0;
    decode(format, raw, &input, &mut |index, item| {
        assert_eq!(index, expected, "events are numbered in order");
        expected += 1;
        let Item::Event(event) = item else { return };
        assert!(trusted || !event.kind.is_control(), "{} came by an input that may not say it", event.kind);
        let mut bytes = Vec::new();
        encode_event(&event, &mut bytes);
        assert_eq!(decode_event(&bytes).as_ref(), Ok(&event));
    });
    assert!(expected > 0, "something is said of every record");
});
