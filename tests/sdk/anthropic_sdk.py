"""The anthropic package."""

import anthropic
from cases import BASE, CITY, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, raises, run

client = anthropic.Anthropic(api_key=KEY, base_url=BASE, max_retries=0)
stranger = anthropic.Anthropic(api_key="sk-wrong-0123456789", base_url=BASE, max_retries=0)
TOOL = {"name": "get_weather", "description": "The weather.", "input_schema": CITY}


def asked(text):
    return {
        "model": MODEL,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": text}],
    }


def said(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def messages_answers():
    answer = client.messages.create(**asked(SAY))
    assert WORD in said(answer) and answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens and answer.usage.output_tokens


def messages_streams():
    with client.messages.stream(**asked(SAY)) as stream:
        texts = list(stream.text_stream)
        answer = stream.get_final_message()
    assert len(texts) > 1, "it came in one piece"
    assert WORD in "".join(texts) and said(answer) == "".join(texts)
    assert answer.stop_reason == "end_turn" and answer.usage.output_tokens


def messages_streams_its_raw_events():
    events = [event.type for event in client.messages.create(**asked(SAY), stream=True)]
    assert events[0] == "message_start" and events[-1] == "message_stop", events


def messages_calls_a_tool_and_reads_its_result():
    request = asked(USE_TOOL) | {"tools": [TOOL]}
    for streamed in False, True:
        if streamed:
            with client.messages.stream(**request) as stream:
                answer = stream.get_final_message()
        else:
            answer = client.messages.create(**request)
        assert answer.stop_reason == "tool_use"
        (call,) = [block for block in answer.content if block.type == "tool_use"]
        assert call.name == "get_weather" and call.input["city"]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": WEATHER}
    request["messages"] += [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [result]},
    ]
    assert WEATHER in said(client.messages.create(**request))


def tokens_are_counted():
    request = asked(SAY)
    del request["max_tokens"]
    assert client.messages.count_tokens(**request).input_tokens > 0


def beta_features_are_taken():
    answer = client.beta.messages.create(**asked(SAY), betas=["interleaved-thinking-2025-05-14"])
    assert WORD in said(answer)


def models_are_listed():
    names = [model.id for model in client.models.list()]
    assert names
    assert client.models.retrieve(names[0]).id == names[0]


def an_auth_token_is_a_key_too():
    bearer = anthropic.Anthropic(auth_token=KEY, api_key=None, base_url=BASE, max_retries=0)
    assert WORD in said(bearer.messages.create(**asked(SAY)))


def a_base_url_with_v1_is_understood():
    doubled = anthropic.Anthropic(api_key=KEY, base_url=f"{BASE}/v1", max_retries=0)
    assert WORD in said(doubled.messages.create(**asked(SAY)))


def a_wrong_key_is_an_authentication_error():
    for call in lambda: stranger.messages.create(**asked(SAY)), stranger.models.list:
        error = raises(anthropic.AuthenticationError, call)
        assert "x-api-key" in error.message
        assert error.body["error"]["type"] == "authentication_error"


run(
    "python anthropic",
    [
        messages_answers,
        messages_streams,
        messages_streams_its_raw_events,
        messages_calls_a_tool_and_reads_its_result,
        tokens_are_counted,
        beta_features_are_taken,
        models_are_listed,
        an_auth_token_is_a_key_too,
        a_base_url_with_v1_is_understood,
        a_wrong_key_is_an_authentication_error,
    ],
)
