//! One conversation, put in the order that every target takes: what clients leave loose is joined, paired and made unique.

use std::collections::{HashMap, HashSet};

use super::Text;
use super::request::{CallKind, Part, ReasoningPart, Request, Role, ToolCall, ToolResult, Turn};

/// Puts a request's turns in order:
/// - blank texts are dropped, and turns that they leave empty;
/// - consecutive turns of one role are one turn, save System and Developer ones;
/// - the results of an Assistant turn's calls stand in one Tool turn right behind it, in the order of the calls; one that
///   answers no earlier call stays where it is;
/// - a call id that comes again gets a new one, with its result; each result learns its call's name and kind.
pub fn tidy(request: &mut Request<'_>) {
    let mut tidier = Tidier::default();
    for turn in &request.turns {
        tidier.used.extend(calls(turn).map(|call| call.id.clone()));
    }
    for turn in std::mem::take(&mut request.turns) {
        tidier.take(turn);
    }
    request.turns = tidier.turns();
}

#[derive(Default)]
struct Tidier<'a> {
    slots: Vec<Slot<'a>>,
    calls: Vec<Call<'a>>,
    /// The calls of each id, as the client said it.
    by_id: HashMap<Text<'a>, Vec<usize>>,
    /// Every id that the conversation says or was given here.
    used: HashSet<Text<'a>>,
}

/// A turn and the results that belong right behind it, each with the number of its call.
struct Slot<'a> {
    turn: Turn<'a>,
    results: Vec<(usize, ToolResult<'a>)>,
}

/// What a result learns of its call.
struct Call<'a> {
    id: Text<'a>,
    name: Text<'a>,
    kind: CallKind,
    slot: usize,
    answered: bool,
}

impl<'a> Tidier<'a> {
    fn take(&mut self, mut turn: Turn<'a>) {
        turn.parts.retain_mut(says_something);
        if turn.role == Role::Tool {
            turn.parts = turn.parts.into_iter().filter_map(|part| self.pair(part)).collect();
        }
        if turn.parts.is_empty() {
            return;
        }
        let joins = self.slots.last().is_some_and(|last| {
            last.turn.role == turn.role
                && last.results.is_empty()
                && !matches!(turn.role, Role::System | Role::Developer)
        });
        let slot = if joins { self.slots.len().saturating_sub(1) } else { self.slots.len() };
        for part in &mut turn.parts {
            if let Part::ToolCall(call) = part {
                self.note(call, slot);
            }
        }
        match self.slots.last_mut() {
            Some(last) if joins => last.turn.parts.append(&mut turn.parts),
            _ => self.slots.push(Slot { turn, results: Vec::new() }),
        }
    }

    /// Remembers a call, and gives it an id of its own where another call has the same.
    fn note(&mut self, call: &mut ToolCall<'a>, slot: usize) {
        let same = self.by_id.entry(call.id.clone()).or_default();
        same.push(self.calls.len());
        if same.len() > 1 || call.id.is_empty() {
            let base = if call.id.is_empty() { "call" } else { &call.id };
            let fresh = (2..=u64::MAX)
                .map(|n| Text::Owned(format!("{base}_{n}")))
                .find(|id| !self.used.contains(id));
            call.id = fresh.unwrap_or_default();
            self.used.insert(call.id.clone());
        }
        self.calls.push(Call {
            id: call.id.clone(),
            name: call.name.clone(),
            kind: call.kind,
            slot,
            answered: false,
        });
    }

    /// Puts a result behind the turn of its call; gives it back where there is none.
    fn pair(&mut self, part: Part<'a>) -> Option<Part<'a>> {
        let Part::ToolResult(mut result) = part else { return Some(part) };
        let Some(same) = self.by_id.get(&result.call) else {
            return Some(Part::ToolResult(result));
        };
        let is_open = |number: &&usize| self.calls.get(**number).is_some_and(|call| !call.answered);
        let open = same.iter().find(is_open).or_else(|| same.last()).copied();
        let (number, call) = open.and_then(|number| Some((number, self.calls.get_mut(number)?)))?;
        let slot = self.slots.get_mut(call.slot)?;
        if std::mem::replace(&mut call.answered, true) {
            // A second answer to one call, which every provider refuses: both are said as one.
            let first = slot.results.iter_mut().find(|(known, _)| *known == number)?;
            first.1.parts.append(&mut result.parts);
            first.1.failed |= result.failed;
            return None;
        }
        result.call.clone_from(&call.id);
        result.kind = call.kind;
        result.name.get_or_insert_with(|| call.name.clone());
        slot.results.push((number, result));
        None
    }

    fn turns(self) -> Vec<Turn<'a>> {
        let mut turns = Vec::with_capacity(self.slots.len() * 2);
        for mut slot in self.slots {
            turns.push(slot.turn);
            if slot.results.is_empty() {
                continue;
            }
            slot.results.sort_by_key(|(number, _)| *number);
            let parts = slot.results.into_iter().map(|(_, result)| Part::ToolResult(result));
            turns.push(Turn { role: Role::Tool, parts: parts.collect() });
        }
        turns
    }
}

fn calls<'t, 'a>(turn: &'t Turn<'a>) -> impl Iterator<Item = &'t ToolCall<'a>> {
    turn.parts
        .iter()
        .filter_map(|part| if let Part::ToolCall(call) = part { Some(call) } else { None })
}

/// Whether a part says anything; blank texts inside a result are taken out of it.
fn says_something(part: &mut Part<'_>) -> bool {
    match part {
        Part::Text(text) | Part::Refusal(text) => !text.trim().is_empty(),
        Part::Reasoning(ReasoningPart { text, seal }) => seal.is_some() || !text.trim().is_empty(),
        Part::ToolResult(result) => {
            result.parts.retain_mut(says_something);
            true
        }
        Part::Image(_)
        | Part::File(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::ToolCall(_)
        | Part::Hosted(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(role: Role, text: &'static str) -> Turn<'static> {
        Turn { role, parts: vec![Part::Text(text.into())] }
    }

    fn ask(ids: &[&'static str]) -> Turn<'static> {
        let part = |id: &&'static str| {
            Part::ToolCall(ToolCall {
                id: (*id).into(),
                name: "run".into(),
                namespace: None,
                arguments: "{}".into(),
                kind: CallKind::Custom,
                seal: None,
            })
        };
        Turn { role: Role::Assistant, parts: ids.iter().map(part).collect() }
    }

    fn answer(results: &[(&'static str, &'static str)]) -> Turn<'static> {
        let part = |(call, text): &(&'static str, &'static str)| {
            Part::ToolResult(ToolResult {
                call: (*call).into(),
                name: None,
                parts: vec![Part::Text((*text).into()), Part::Text("\n ".into())],
                failed: false,
                kind: CallKind::Function,
            })
        };
        Turn { role: Role::Tool, parts: results.iter().map(part).collect() }
    }

    /// The conversation in short: `U a b | A #1 | T 1=x`.
    fn told(turns: Vec<Turn<'static>>) -> String {
        let mut request = Request { turns, ..Request::default() };
        tidy(&mut request);
        let say = |part: &Part<'_>| match part {
            Part::Text(text) => text.to_string(),
            Part::ToolCall(call) => format!("#{}", call.id),
            Part::ToolResult(result) => {
                let texts: Vec<_> = result.parts.iter().map(|part| format!("{part:?}")).collect();
                let known = result.name.is_some() && result.kind == CallKind::Custom;
                format!("{}={}{}", result.call, if known { "" } else { "?" }, texts.join("+"))
                    .replace("Text(\"", "")
                    .replace("\")", "")
            }
            Part::Refusal(_)
            | Part::Reasoning(_)
            | Part::Image(_)
            | Part::File(_)
            | Part::Audio(_)
            | Part::Video(_)
            | Part::Hosted(_) => format!("{part:?}"),
        };
        let turn = |turn: &Turn<'_>| {
            let parts: Vec<String> = turn.parts.iter().map(say).collect();
            format!("{:.1} {}", format!("{:?}", turn.role), parts.join(" "))
        };
        request.turns.iter().map(turn).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn texts() {
        use Role::{Assistant, Developer, System, User};
        let cases = [
            (vec![text(User, "a"), text(User, " "), text(User, "b")], "U a b"),
            (vec![text(System, "s"), text(System, "t"), text(Developer, "d")], "S s | S t | D d"),
            (vec![text(User, "a"), text(Assistant, "\n"), text(User, "b")], "U a b"),
            (vec![text(User, "a"), text(System, "s"), text(User, "b")], "U a | S s | U b"),
        ];
        for (turns, expected) in cases {
            assert_eq!(told(turns), expected);
        }
    }

    #[test]
    fn results() {
        use Role::{Assistant, System, User};
        let cases = [
            // Split calls and results, in another order.
            (
                vec![ask(&["1"]), ask(&["2"]), answer(&[("2", "y")]), answer(&[("1", "x")])],
                "A #1 #2 | T 1=x 2=y",
            ),
            // Something between.
            (
                vec![ask(&["1"]), text(System, "s"), text(User, "u"), answer(&[("1", "x")])],
                "A #1 | T 1=x | S s | U u",
            ),
            // A turn of its own for each.
            (
                vec![ask(&["1"]), answer(&[("1", "x")]), ask(&["2"]), answer(&[("2", "y")])],
                "A #1 | T 1=x | A #2 | T 2=y",
            ),
            // Late results find their turns, and the user's turns around them join.
            (
                vec![
                    ask(&["1"]),
                    text(User, "u"),
                    ask(&["2"]),
                    text(User, "v"),
                    answer(&[("2", "y"), ("1", "x")]),
                    text(User, "w"),
                ],
                "A #1 | T 1=x | U u | A #2 | T 2=y | U v w",
            ),
            // Text after the results is another turn of the assistant's.
            (vec![ask(&["1"]), answer(&[("1", "x")]), text(Assistant, "t")], "A #1 | T 1=x | A t"),
            // No such call: it stays.
            (vec![text(User, "u"), answer(&[("9", "x")])], "U u | T 9=?x"),
            // Two answers to one call.
            (vec![ask(&["1"]), answer(&[("1", "x"), ("1", "y")])], "A #1 | T 1=x+y"),
        ];
        for (turns, expected) in cases {
            assert_eq!(told(turns), expected);
        }
    }

    #[test]
    fn repeated_ids() {
        let cases = [
            (
                vec![ask(&["1"]), answer(&[("1", "x")]), ask(&["1"]), answer(&[("1", "y")])],
                "A #1 | T 1=x | A #1_2 | T 1_2=y",
            ),
            (
                vec![ask(&["1", "1", "1_2"]), answer(&[("1", "x"), ("1", "y"), ("1_2", "z")])],
                "A #1 #1_3 #1_2 | T 1=x 1_3=y 1_2=z",
            ),
            (
                vec![ask(&["", ""]), answer(&[("", "x"), ("", "y")])],
                "A #call_2 #call_3 | T call_2=x call_3=y",
            ),
        ];
        for (turns, expected) in cases {
            assert_eq!(told(turns), expected);
        }
    }
}
