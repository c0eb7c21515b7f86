"""The google-genai package."""

import asyncio

from cases import BASE, CITY, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, raises, run
from google import genai
from google.genai import errors, types


def connected(key):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=BASE))


client = connected(KEY)
stranger = connected("sk-wrong-0123456789")
DECLARATION = {
    "name": "get_weather",
    "description": "The weather.",
    "parameters_json_schema": CITY,
}
TOOLS = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[DECLARATION])])


def get_weather(city: str) -> str:
    """The weather in a city."""
    return WEATHER


def generate_answers():
    answer = client.models.generate_content(model=MODEL, contents=SAY)
    assert WORD in answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata.prompt_token_count


def generate_streams():
    chunks = client.models.generate_content_stream(model=MODEL, contents=SAY)
    texts = [chunk.text or "" for chunk in chunks]
    assert len([text for text in texts if text]) > 1, "it came in one piece"
    assert WORD in "".join(texts)


def generate_streams_asynchronously():
    async def texts():
        chunks = await client.aio.models.generate_content_stream(model=MODEL, contents=SAY)
        return [chunk.text or "" async for chunk in chunks]

    assert WORD in "".join(asyncio.run(texts()))


def generate_calls_a_tool_and_reads_its_result():
    question = types.Content(role="user", parts=[types.Part(text=USE_TOOL)])
    answer = client.models.generate_content(model=MODEL, contents=[question], config=TOOLS)
    (call,) = answer.function_calls
    assert call.name == "get_weather" and call.args["city"]
    result = types.Part.from_function_response(name=call.name, response={"result": WEATHER})
    turns = [question, answer.candidates[0].content, types.Content(role="user", parts=[result])]
    answer = client.models.generate_content(model=MODEL, contents=turns, config=TOOLS)
    assert WEATHER in answer.text


def a_function_is_called_automatically():
    config = types.GenerateContentConfig(tools=[get_weather])
    answer = client.models.generate_content(model=MODEL, contents=USE_TOOL, config=config)
    assert WEATHER in answer.text


def a_chat_goes_on():
    chat = client.chats.create(model=MODEL)
    assert "apricot" in chat.send_message("Say apricot.").text
    assert WORD in chat.send_message(SAY).text


def tokens_are_counted():
    assert client.models.count_tokens(model=MODEL, contents=SAY).total_tokens > 0


def models_are_listed():
    names = [model.name for model in client.models.list()]
    assert names and names[0].startswith("models/")
    assert client.models.get(model=names[0]).name == names[0]


def a_wrong_key_is_a_client_error():
    def generate():
        stranger.models.generate_content(model=MODEL, contents=SAY)

    for call in generate, lambda: list(stranger.models.list()):
        error = raises(errors.ClientError, call)
        assert error.code == 401 and error.status == "UNAUTHENTICATED"
        assert "x-goog-api-key" in error.message


run(
    "python google-genai",
    [
        generate_answers,
        generate_streams,
        generate_streams_asynchronously,
        generate_calls_a_tool_and_reads_its_result,
        a_function_is_called_automatically,
        a_chat_goes_on,
        tokens_are_counted,
        models_are_listed,
        a_wrong_key_is_a_client_error,
    ],
)
