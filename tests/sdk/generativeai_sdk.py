"""The google-generativeai package, over REST."""

import warnings

warnings.filterwarnings("ignore")

import google.generativeai as genai
from cases import BASE, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, raises, run
from google.api_core import exceptions
from google.generativeai import protos

ONCE = {"retry": None, "timeout": 60}
DECLARATION = {
    "name": "get_weather",
    "description": "The weather.",
    "parameters": {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}},
        "required": ["city"],
    },
}


def connect(key):
    genai.configure(api_key=key, transport="rest", client_options={"api_endpoint": BASE})


def get_weather(city: str):
    """The weather in a city."""
    return WEATHER


def generate_answers():
    answer = genai.GenerativeModel(MODEL).generate_content(SAY, request_options=ONCE)
    assert WORD in answer.text
    assert answer.usage_metadata.prompt_token_count


def generate_streams():
    model = genai.GenerativeModel(MODEL)
    chunks = model.generate_content(SAY, stream=True, request_options=ONCE)
    texts = [part.text for chunk in chunks for part in chunk.parts]
    assert len(texts) > 1, "it came in one piece"
    assert WORD in "".join(texts)


def generate_calls_a_tool_and_reads_its_result():
    model = genai.GenerativeModel(MODEL, tools=[{"function_declarations": [DECLARATION]}])
    chat = model.start_chat()
    answer = chat.send_message(USE_TOOL, request_options=ONCE)
    (call,) = [part.function_call for part in answer.parts if part.function_call]
    assert call.name == "get_weather" and call.args["city"]
    result = protos.FunctionResponse(name=call.name, response={"result": WEATHER})
    content = protos.Content(role="user", parts=[protos.Part(function_response=result)])
    assert WEATHER in chat.send_message(content, request_options=ONCE).text


def a_function_is_called_automatically():
    chat = genai.GenerativeModel(MODEL, tools=[get_weather]).start_chat(
        enable_automatic_function_calling=True
    )
    assert WEATHER in chat.send_message(USE_TOOL, request_options=ONCE).text


def tokens_are_counted():
    counted = genai.GenerativeModel(MODEL).count_tokens(SAY, request_options=ONCE)
    assert counted.total_tokens > 0


def models_are_listed():
    names = [model.name for model in genai.list_models(request_options=ONCE)]
    assert names
    assert genai.get_model(names[0], request_options=ONCE).name == names[0]


def a_wrong_key_is_unauthorized():
    connect("sk-wrong-0123456789")
    try:
        error = raises(exceptions.Unauthorized, generate_answers)
    finally:
        connect(KEY)
    assert "x-goog-api-key" in error.message


connect(KEY)
run(
    "python google-generativeai",
    [
        generate_answers,
        generate_streams,
        generate_calls_a_tool_and_reads_its_result,
        a_function_is_called_automatically,
        tokens_are_counted,
        models_are_listed,
        a_wrong_key_is_unauthorized,
    ],
)
