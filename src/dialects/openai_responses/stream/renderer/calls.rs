//! Calls of a client's stream.

use super::{Open, Renderer, Written, added, done, whole};
use crate::dialects::openai_responses::stream::members::Members;
use crate::ir::request::CallKind;

impl Renderer {
    pub(super) fn begin_call(&mut self, mut call: Written, out: &mut Vec<u8>) {
        call.id = self.items.id(call.call("in_progress").prefix());
        if !call.is_built_in() {
            let item = call.call("in_progress").item(&call.id);
            added(&item, self.items.count, &mut self.sequence, out);
        }
        self.open = Open::Call(call);
    }

    pub(super) fn argue(&mut self, arguments: &str, out: &mut Vec<u8>) {
        let index = self.items.count;
        let Open::Call(call) = &mut self.open else { return };
        if arguments.is_empty() {
            return;
        }
        call.arguments.push_str(arguments);
        if call.is_built_in() {
            return;
        }
        let name = match call.kind {
            CallKind::Function => "response.function_call_arguments.delta",
            CallKind::Custom => "response.custom_tool_call_input.delta",
        };
        Members::begin(name, &mut self.sequence, out)
            .json("item_id", &call.id)
            .json("output_index", &index)
            .json("delta", arguments)
            .end();
    }

    pub(super) fn end_arguments(&mut self, out: &mut Vec<u8>) {
        let Open::Call(call) = &self.open else { return };
        if call.is_built_in() {
            return;
        }
        if call.kind == CallKind::Function && call.arguments.is_empty() {
            self.argue("{}", out);
        }
        let index = self.items.count;
        let Open::Call(call) = &self.open else { return };
        let (name, member) = match call.kind {
            CallKind::Function => ("response.function_call_arguments.done", "arguments"),
            CallKind::Custom => ("response.custom_tool_call_input.done", "input"),
        };
        Members::begin(name, &mut self.sequence, out)
            .json("item_id", &call.id)
            .json("output_index", &index)
            .json("name", &call.name)
            .json(member, &call.arguments)
            .end();
    }

    pub(super) fn end_call(&mut self, call: &Written, status: &'static str, out: &mut Vec<u8>) {
        let index = self.items.count;
        let item = self.items.push_call_as(&call.id, &call.call(status));
        if call.is_built_in() {
            whole(item, index, &mut self.sequence, out);
        } else {
            done(item, index, &mut self.sequence, out);
        }
        if let Some(seal) = &call.late_seal {
            self.call_seal(seal, &call.call_id, out);
        }
    }
}
