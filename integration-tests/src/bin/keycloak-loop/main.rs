//! The closed loop on a real identity provider and a real secrets manager: `make test-keycloak`.
//!
//! A person's session is taken over: it is ended at Keycloak, its refresh token is dead, the fact is published. A workload's client secret is used
//! from elsewhere: its rotation is approved, the responder rotates it at Keycloak and in OpenBao, the old one is refused, the workload reads
//! the new one and goes on. A privileged session is begun without a checkout: it is ended. Each step says what it has seen; a step that
//! fails ends with 101.

mod executor;
mod lab;
mod person;
mod privileged;
mod workload;

fn main() {
    let mut lab = lab::Lab::open();
    person::taken_over(&mut lab);
    workload::secret_stolen(&mut lab);
    privileged::without_checkout(&mut lab);
    lab.audit();
    println!("the loop is closed, three times");
}
