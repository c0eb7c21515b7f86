"""The openai package, both of its dialects."""

import json

import openai
from cases import BASE, CITY, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, raises, run

client = openai.OpenAI(api_key=KEY, base_url=f"{BASE}/v1", max_retries=0)
stranger = openai.OpenAI(api_key="sk-wrong-0123456789", base_url=f"{BASE}/v1", max_retries=0)
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY},
}
TOOL = {"type": "function", "name": "get_weather", "description": "The weather.", "parameters": CITY}


def asked(text):
    return [{"role": "user", "content": text}]


def chat_answers():
    answer = client.chat.completions.create(model=MODEL, messages=asked(SAY))
    assert WORD in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens and answer.usage.completion_tokens


def chat_streams():
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=asked(SAY), stream=True, stream_options={"include_usage": True}
        )
    )
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert len([text for text in texts if text]) > 1, "it came in one piece"
    assert WORD in "".join(text or "" for text in texts)
    assert chunks[-1].usage.completion_tokens


def chat_stream_helper_finds_the_end():
    with client.chat.completions.stream(model=MODEL, messages=asked(SAY)) as stream:
        answer = stream.get_final_completion()
    assert WORD in answer.choices[0].message.content


def chat_calls_a_tool_and_reads_its_result():
    messages = asked(USE_TOOL)
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "get_weather" and json.loads(call.function.arguments)["city"]
    messages += [
        answer.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": WEATHER},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
    assert WEATHER in answer.choices[0].message.content


def chat_streams_a_tool_call():
    with client.chat.completions.stream(
        model=MODEL, messages=asked(USE_TOOL), tools=[CHAT_TOOL]
    ) as stream:
        answer = stream.get_final_completion()
    (call,) = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments)["city"]


def responses_answers():
    answer = client.responses.create(model=MODEL, input=SAY)
    assert WORD in answer.output_text and answer.status == "completed"
    assert answer.usage.input_tokens and answer.usage.output_tokens


def responses_streams():
    events = list(client.responses.create(model=MODEL, input=SAY, stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1, "it came in one piece"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "".join(deltas)
    assert WORD in "".join(deltas)


def responses_calls_a_tool_and_reads_its_result():
    items = asked(USE_TOOL)
    with client.responses.stream(model=MODEL, input=items, tools=[TOOL]) as stream:
        answer = stream.get_final_response()
    (call,) = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "get_weather" and json.loads(call.arguments)["city"]
    items += [
        {
            "type": "function_call",
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
        },
        {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER},
    ]
    answer = client.responses.create(model=MODEL, input=items, tools=[TOOL])
    assert WEATHER in answer.output_text


def responses_counts_tokens():
    assert client.responses.input_tokens.count(model=MODEL, input=SAY).input_tokens > 0


def models_are_listed():
    names = [model.id for model in client.models.list()]
    assert names
    assert client.models.retrieve(names[0]).id == names[0]


def a_base_url_without_v1_is_understood():
    bare = openai.OpenAI(api_key=KEY, base_url=BASE, max_retries=0)
    answer = bare.chat.completions.create(model=MODEL, messages=asked(SAY))
    assert WORD in answer.choices[0].message.content


def a_wrong_key_is_an_authentication_error():
    def chat():
        stranger.chat.completions.create(model=MODEL, messages=asked(SAY))

    for call in chat, stranger.models.list, lambda: stranger.responses.create(input=SAY, model=MODEL):
        error = raises(openai.AuthenticationError, call)
        assert "x-api-key" in error.message and error.request_id


def a_wrong_path_is_a_not_found_error():
    wrong = openai.OpenAI(api_key=KEY, base_url=f"{BASE}/nowhere", max_retries=0)
    error = raises(openai.NotFoundError, lambda: wrong.fine_tuning.jobs.list())
    assert f"{BASE}/v1" in error.message


run(
    "python openai",
    [
        chat_answers,
        chat_streams,
        chat_stream_helper_finds_the_end,
        chat_calls_a_tool_and_reads_its_result,
        chat_streams_a_tool_call,
        responses_answers,
        responses_streams,
        responses_calls_a_tool_and_reads_its_result,
        responses_counts_tokens,
        models_are_listed,
        a_base_url_without_v1_is_understood,
        a_wrong_key_is_an_authentication_error,
        a_wrong_path_is_a_not_found_error,
    ],
)
