//! What the brokers let us do with topics, asked before work begins: all that is missing is told at once then, and not one by one by
//! transactions that fail.

use super::access::{Access, Operation, Resource, User};
use super::connect;
use super::fault::KafkaFault;
use super::fetcher::Queue;
use super::settings::Settings;
use super::topics::Topic;
use rdkafka::bindings as rd;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::slice;
use std::time::Duration;

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What a user needs on topics of the plan and is not allowed. Nothing where the brokers do not say (Kafka before 2.3, a topic that is
/// missing): the first call that is denied tells then.
///
/// # Errors
/// A property that librdkafka refuses.
pub fn denied(settings: &Settings, user: User, plan: &[Topic]) -> Result<Vec<Access>, KafkaFault> {
    let names: Vec<&str> = plan.iter().map(|topic| topic.name.as_str()).collect();
    let allowed = allowed(settings, &names)?;
    let mut denied = Vec::new();
    for topic in plan {
        let Some(allowed) = allowed.get(&topic.name) else { continue };
        let missing = topic.operations(user).into_iter().filter(|operation| !allowed.contains(operation));
        denied.extend(missing.map(|operation| Access::new(operation, Resource::Topic, &topic.name)));
    }
    Ok(denied)
}

/// What is allowed on each topic that the brokers say something of.
fn allowed(settings: &Settings, names: &[&str]) -> Result<BTreeMap<String, Vec<Operation>>, KafkaFault> {
    let client = connect::client(settings)?;
    let native = client.client().native_ptr();
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let mut allowed = BTreeMap::new();
    // SAFETY: the client outlives the queue, which is destroyed before it (declared later); names are copied by the call; what the event
    // holds is read before it is destroyed.
    unsafe {
        let Some(queue) = Queue::own(rd::rd_kafka_queue_new(native)) else { return Ok(allowed) };
        let options = rd::rd_kafka_AdminOptions_new(native, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        rd::rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MAX.as_millis() as i32, ptr::null_mut(), 0);
        rd::rd_kafka_error_destroy(rd::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1));
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        rd::rd_kafka_DescribeTopics(native, collection, options, queue.0.as_ptr());
        rd::rd_kafka_TopicCollection_destroy(collection);
        rd::rd_kafka_AdminOptions_destroy(options);
        let event = rd::rd_kafka_queue_poll(queue.0.as_ptr(), ANSWER_MAX.as_millis() as i32);
        if event.is_null() {
            return Ok(allowed);
        }
        let result = rd::rd_kafka_event_DescribeTopics_result(event);
        if !result.is_null() {
            let mut count = 0;
            let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            for topic in list(topics.cast_const(), count) {
                let name = CStr::from_ptr(rd::rd_kafka_TopicDescription_name(*topic)).to_string_lossy().into_owned();
                if let Some(operations) = operations_of(*topic) {
                    allowed.insert(name, operations);
                }
            }
        }
        rd::rd_kafka_event_destroy(event);
    }
    Ok(allowed)
}

/// # Safety
/// The description is alive.
unsafe fn operations_of(topic: *const rd::rd_kafka_TopicDescription_t) -> Option<Vec<Operation>> {
    // SAFETY: by the caller; the operations live as long as the description.
    unsafe {
        let error = rd::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            match Code::from(rd::rd_kafka_error_code(error)) {
                Code::NoError => {}
                Code::TopicAuthorizationFailed => return Some(Vec::new()),
                _ => return None,
            }
        }
        let mut count = 0;
        let operations = rd::rd_kafka_TopicDescription_authorized_operations(topic, &mut count);
        let known = |operation: &rd::rd_kafka_AclOperation_t| match operation {
            rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ => Some(Operation::Read),
            rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE => Some(Operation::Write),
            rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_CREATE => Some(Operation::Create),
            rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE => Some(Operation::Describe),
            rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS => Some(Operation::DescribeConfigs),
            _ => None,
        };
        let operations = list(operations, count);
        (!operations.is_empty()).then(|| operations.iter().filter_map(known).collect())
    }
}

/// # Safety
/// `first` points to `count` items, or is null.
unsafe fn list<'a, T>(first: *const T, count: usize) -> &'a [T] {
    // SAFETY: by the caller.
    if first.is_null() { &[] } else { unsafe { slice::from_raw_parts(first, count) } }
}
