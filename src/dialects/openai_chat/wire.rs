//! OpenAI Chat Completions as it stands on the wire: types and nothing else.
