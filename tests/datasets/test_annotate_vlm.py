"""The annotators that ask a model: an HTTP server that behaves and misbehaves, and a tiny real model."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlingnav_datasets.annotate import (
    AnnotationConfig,
    AnnotatorUnavailable,
    BadAnswer,
    Label,
    Lexicon,
    Request,
    annotate_episode,
)
from vlingnav_datasets.annotate.knowledge import Knowledge
from vlingnav_datasets.annotate.vlm import (
    EndpointAnnotator,
    EndpointConfig,
    Sampling,
    TransformersAnnotator,
    parse_answer,
    question,
)
from vlingnav_datasets.facts import Intent, Motion, RoomKnown, StepFacts
from vlingnav_policy.types import Goal

LEXICON = Lexicon(("chair", "bed"), ("kitchen",), ("red", "blue"))
STEP = StepFacts(
    stamp=0.0,
    pose=(0.0, 0.0, 0.0),
    room=0,
    items=(),
    people=(),
    doors=(),
    rooms=(RoomKnown(0, None, 0.0, 0.0, 0.3),),
    target=None,
    intent=Intent("explore", 1.0, 0.0),
    action="turn left",
    motion=Motion(0.0, 0.0, 0.0, 0.0, 0.0),
)
GOAL = Goal("find the red chair")
FRAMES = [np.full((12, 16, 3), 20 * number, np.uint8) for number in range(10)]
LABEL = Label("Nothing is here but walls. I turn left to see more.", "Room one has bare walls.")
ANSWER = json.dumps({"chain_of_thought": LABEL.thought, "summary": LABEL.summary})


def completion(content: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def request(**changes: Any) -> Request:
    knowledge = Knowledge()
    knowledge.add(STEP)
    plain = Request(GOAL, knowledge, "1th: A door is behind me.", 0.0, "start", tuple(FRAMES), (0, 1))
    return replace(plain, **changes)


class Endpoint(ThreadingHTTPServer):
    """Answers the first question with the first of `behaviours` and so on, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviours: list[Callable[[_Handler], None]] = []
        self.asked: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.closing = threading.Event()

    def config(self, **changes: Any) -> EndpointConfig:
        url = f"http://127.0.0.1:{self.server_port}/v1"
        return replace(EndpointConfig(url, "a-model", timeout_s=10.0, attempts=4, backoff_s=0.01), **changes)


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/chat/completions":
            return self.send_error(404)
        number = len(self.server.asked)
        self.server.asked.append(json.loads(body))
        self.server.tokens.append(self.headers["Authorization"])
        self.server.behaviours[min(number, len(self.server.behaviours) - 1)](self)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def says(body: bytes, status: int = 200, **headers: str) -> Callable[[_Handler], None]:
    def behave(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def hangs(handler: _Handler) -> None:
    handler.server.closing.wait(20.0)


def dribbles(handler: _Handler) -> None:
    """A byte now and then: no single read ever takes long."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.server.closing.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    except OSError:
        pass


def breaks_off(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


GOOD = says(completion(ANSWER))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_asked_and_what_is_answered(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    endpoint.behaviours = [GOOD]
    monkeypatch.setenv("A_TOKEN", "s3cret")
    annotator = EndpointAnnotator(endpoint.config(token_variable="A_TOKEN"))
    assert annotator.annotate(request(complaints=("it says turn right",))) == LABEL
    system, user = endpoint.asked[0]["messages"]
    *images, text = user["content"]
    assert endpoint.asked[0]["model"] == "a-model" and endpoint.tokens == ["Bearer s3cret"]
    assert system["role"] == "system" and user["role"] == "user" and len(images) == 10
    data = [base64.b64decode(part["image_url"]["url"].partition("base64,")[2]) for part in images]
    shown = [np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in data]
    assert [abs(int(image[0, 0, 0]) - 20 * k) <= 2 for k, image in enumerate(shown)] == [True] * 10
    for words in (
        "find the red chair",
        "it turns left",
        "A door is behind me",
        "never mention",
        "turn right",
    ):
        assert words in text["text"]


def test_without_a_token_none_is_sent(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.behaviours = [GOOD]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert EndpointAnnotator(endpoint.config()).annotate(request()) == LABEL
    assert endpoint.tokens == [None]


def test_a_goal_image_comes_first(endpoint: Endpoint) -> None:
    endpoint.behaviours = [GOOD]
    goal = Goal("go to the place in the image", "image", FRAMES[9])
    EndpointAnnotator(endpoint.config()).annotate(request(goal=goal))
    content = endpoint.asked[0]["messages"][1]["content"]
    assert len(content) == 12 and "first image shows what to find" in content[-1]["text"]
    assert content[0] == content[-2]


@pytest.mark.parametrize(
    "trouble",
    [
        says(b"slow down", 429, Retry_After="0"),
        says(b"oops", 500),
        says(b"<html>bad gateway</html>", 503),
        says(b"<html>all is well</html>"),
        says(b'{"error": "no choices"}'),
        says(completion(None)),
        says(b"[" * 100_000),
        says(b" " * 2_000_000),
        breaks_off,
    ],
)
def test_trouble_that_passes_is_waited_out(endpoint: Endpoint, trouble: Callable[[_Handler], None]) -> None:
    endpoint.behaviours = [trouble, trouble, GOOD]
    assert EndpointAnnotator(endpoint.config()).annotate(request()) == LABEL
    assert len(endpoint.asked) == 3
    endpoint.asked.clear()
    with pytest.raises(AnnotatorUnavailable, match="in 2 attempts"):
        EndpointAnnotator(endpoint.config(attempts=2)).annotate(request())


@pytest.mark.parametrize("trouble", [hangs, dribbles])
def test_an_answer_that_takes_too_long_is_asked_for_again(
    endpoint: Endpoint, trouble: Callable[[_Handler], None]
) -> None:
    endpoint.behaviours = [trouble, GOOD]
    annotator = EndpointAnnotator(endpoint.config(timeout_s=0.3))
    with pytest.raises(AnnotatorUnavailable, match="Timeout|timed out"):
        EndpointAnnotator(endpoint.config(timeout_s=0.3, attempts=1)).annotate(request())
    assert annotator.annotate(request()) == LABEL


def test_as_long_as_the_endpoint_asks_is_waited_but_not_longer_than_we_will(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("vlingnav_datasets.annotate.vlm.time.sleep", waits.append)
    endpoint.behaviours = [
        says(b"", 429),
        says(b"", 429, Retry_After="7"),
        says(b"", 429, Retry_After="900"),
        GOOD,
    ]
    EndpointAnnotator(endpoint.config(backoff_s=1.0, longest_wait_s=30.0)).annotate(request())
    assert waits == [1.0, 7.0, 30.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_final(endpoint: Endpoint, status: int) -> None:
    endpoint.behaviours = [says(b"no such model", status), GOOD]
    with pytest.raises(AnnotatorUnavailable, match=f"HTTP {status} .* no such model"):
        EndpointAnnotator(endpoint.config()).annotate(request())
    assert len(endpoint.asked) == 1


def test_nobody_at_home_and_no_address_are_told_apart(endpoint: Endpoint) -> None:
    endpoint.server_close()
    with pytest.raises(AnnotatorUnavailable, match="in 2 attempts"):
        EndpointAnnotator(endpoint.config(attempts=2)).annotate(request())
    with pytest.raises(ValueError, match="no address of an endpoint"):
        EndpointAnnotator(EndpointConfig("localhost:8000", "a-model"))


def test_bad_answers_are_counted_and_asked_for_again_and_an_outage_ends_the_episode(
    endpoint: Endpoint,
) -> None:
    right = json.dumps(
        {"chain_of_thought": "Walls only. I turn right to see more here.", "summary": LABEL.summary}
    )
    endpoint.behaviours = [
        says(completion("I would rather not.")),
        says(completion(right)),
        GOOD,
        says(b"", 500),
    ]
    annotator = EndpointAnnotator(endpoint.config())
    steps = [STEP, replace(STEP, stamp=9.0, room=1)]
    labels, report = annotate_episode(
        GOAL, steps[:1], annotator, AnnotationConfig(LEXICON), frames=FRAMES[:1]
    )
    assert labels == (LABEL,) and report.rejected == {"answer": 1, "agreement": 1}
    assert "rejected" in endpoint.asked[2]["messages"][1]["content"][-1]["text"]
    with pytest.raises(AnnotatorUnavailable, match="HTTP 500"):
        annotate_episode(GOAL, steps[1:], annotator, AnnotationConfig(LEXICON), frames=FRAMES[:1])


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is: {} I hope it helps."])
def test_an_answer_may_be_wrapped(around: str) -> None:
    assert parse_answer(around.replace("{}", ANSWER)) == LABEL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "}{",
        "[1, 2]",
        '{"chain_of_thought": "I stop."}',
        ANSWER[:-1] + ', "confidence": 1}',
        ANSWER.replace("chain_of_thought", "thought"),
        '{"chain_of_thought": "I stop.", "summary": ""}',
        '{"chain_of_thought": ["I stop."], "summary": "A door."}',
        '{"a":' * 5000 + "1" + "}" * 5000,
    ],
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(BadAnswer):
        parse_answer(text)


def test_images_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs frames"):
        EndpointAnnotator(EndpointConfig("http://localhost:1/v1", "a-model")).annotate(request(frames=()))
    with pytest.raises(ValueError, match="no model in"):
        TransformersAnnotator(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA of some thousand random weights with a vocabulary of its own, saved as any model is."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("tiny")
    words = sorted(set(question(request()).split()) | {"<pad>", "</s>", "<unk>", "<image>"})
    table = {word: number for number, word in enumerate(words)}
    raw = tokenizers.Tokenizer(tokenizers.models.WordLevel(table, unk_token="<unk>"))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
    )
    template = (
        "{% for message in messages %}{% for part in message.content %}"
        "{% if part.type == 'image' %} <image> {% else %}{{ part.text }} {% endif %}{% endfor %}{% endfor %}"
    )
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    )
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(image_size=16, patch_size=8, **small),
        text_config=transformers.LlamaConfig(vocab_size=len(words), num_key_value_heads=2, **small),
        image_token_index=table["<image>"],
        vision_feature_layer=-1,
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_a_model_in_a_folder_is_asked_and_its_babble_is_refused(tiny_model: Path) -> None:
    annotator = TransformersAnnotator(tiny_model, sampling=Sampling(max_tokens=8))
    with pytest.raises(BadAnswer):
        annotator.annotate(request())


def test_a_model_in_a_folder_sees_all_images_and_its_answer_is_read(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are random, so what they write is put in its place at the last moment."""
    annotator = TransformersAnnotator(tiny_model, sampling=Sampling(max_tokens=2))
    read: list[int] = []

    def decode(tokens: Any, **kwargs: Any) -> str:
        read.append(len(tokens))
        return ANSWER

    images: list[int] = []
    generate = annotator._model.generate
    monkeypatch.setattr(
        annotator._model,
        "generate",
        lambda **inputs: images.append(len(inputs["pixel_values"])) or generate(**inputs),
    )
    monkeypatch.setattr(annotator._processor, "decode", decode)
    assert annotator.annotate(request()) == LABEL
    assert images == [10] and 1 <= read[0] <= 2
