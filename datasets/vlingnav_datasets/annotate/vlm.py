"""The annotator that asks a vision-language model: one behind an OpenAI-compatible endpoint or in a folder.

What is asked follows the paper's data engine (arXiv 2601.08665): a system instruction, the latest images, the
expert's action, which must not be mentioned, the memory, and the format of the answer, JSON with the keys
`chain_of_thought` and `summary`. A model that answers something else has given a `BadAnswer`; an endpoint
that gives no answer for as long as it is worth trying is an `AnnotatorUnavailable`.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.annotate.types import AnnotatorUnavailable, BadAnswer, Label, Request
from vlingnav_datasets.facts import Action

SYSTEM = (
    "You are the inner voice of a mobile robot that finds its way through a house by its camera alone. You "
    "are shown what the camera saw, what the robot has to do and what it remembers, and you write down what "
    "it thinks now. It knows nothing but what it has seen. Write plain, short English sentences."
)
ACTIONS: dict[Action, str] = {
    "stop": "it stops, because the task is done",
    "wait": "it waits",
    "forward": "it goes forward",
    "forward left": "it goes forward and bears left",
    "forward right": "it goes forward and bears right",
    "turn left": "it turns left",
    "turn right": "it turns right",
    "back": "it backs away",
}
_QUESTION = """Task: {task}
{images} The last one is what the camera sees now.
What the robot remembers: {memory}
What the robot will do now: {action}.

Think as the robot would, so that your thought leads to what it will do. Write it as the robot's own \
decision and never mention that it was given to you.
Answer with one JSON object and nothing else, with exactly these two keys:
"chain_of_thought": two to four sentences: what is in view that matters, whether the robot has been here \
before, what it is after, and last what it does now.
"summary": one to three sentences worth remembering: where things and doors are, which rooms are searched.
Name only what the images or the memory show. No coordinates, no lists, no mark-up.{complaint}"""

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_LARGEST_ANSWER = 1 << 20
_FEW = 200  # characters of a strange answer that an error quotes


@dataclass(frozen=True)
class Sampling:
    """How a model writes: `temperature`, and at most so many tokens."""

    temperature: float = 0.7
    max_tokens: int = 400


@dataclass(frozen=True)
class EndpointConfig:
    """Where a model answers and how patient we are.

    Attributes:
        url: base address, with the version: what comes before "/chat/completions".
        model: name of the model there.
        token_variable: environment variable that holds the access token; none is sent if it is not set.
        timeout_s: for one answer, from first byte sent to last byte read [s].
        attempts: how often one question is sent before the endpoint counts as unavailable.
        backoff_s: wait before the second attempt [s]; it doubles with each.
        longest_wait_s: no wait is longer [s], whatever the endpoint asks for.
    """

    url: str
    model: str
    token_variable: str = "OPENAI_API_KEY"
    timeout_s: float = 60.0
    attempts: int = 6
    backoff_s: float = 1.0
    longest_wait_s: float = 60.0
    sampling: Sampling = Sampling()


class EndpointAnnotator:
    """Asks a chat endpoint; an `Annotator`.

    Raises:
        ValueError: the address is none of the web.
    """

    def __init__(self, config: EndpointConfig) -> None:
        if not config.url.startswith(("http://", "https://")):
            raise ValueError(
                f"{config.url!r} is no address of an endpoint; write one like http://localhost:8000/v1"
            )
        self._config = config
        token = os.environ.get(config.token_variable)
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )

    def annotate(self, request: Request) -> Label:
        """Ask for one label."""
        images = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_jpeg(image)}"}}
            for image in _images(request)
        ]
        body = {
            "model": self._config.model,
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": [*images, {"type": "text", "text": question(request)}]},
            ],
            "temperature": self._config.sampling.temperature,
            "max_tokens": self._config.sampling.max_tokens,
            "seed": _seed(request),
        }
        return parse_answer(self._ask(json.dumps(body).encode()))

    def _ask(self, body: bytes) -> str:
        """The text of the answer, after as many attempts as it takes."""
        config, trouble = self._config, ""
        for attempt in range(config.attempts):
            wait = config.backoff_s * 2.0**attempt
            try:
                return _content(self._post(body))
            except urllib.error.HTTPError as error:
                with error:
                    detail = error.read(_FEW).decode(errors="replace")
                trouble = f"HTTP {error.code} {error.reason} {detail}".strip()
                if error.code not in _RETRIED:
                    raise AnnotatorUnavailable(f"{config.url} refuses to answer: {trouble}") from error
                asked = error.headers.get("Retry-After", "")
                wait = max(wait, float(asked)) if asked.isdigit() else wait
            except (OSError, http.client.HTTPException, ValueError) as error:
                trouble = f"{type(error).__name__}: {error}"
            if attempt + 1 < config.attempts:
                time.sleep(min(wait, config.longest_wait_s))
        raise AnnotatorUnavailable(f"{config.url} gave no answer in {config.attempts} attempts: {trouble}")

    def _post(self, body: bytes) -> bytes:
        """One attempt; a socket's own timeout begins anew with every byte, so the whole is timed here.

        Raises:
            OSError: it took too long, or the connection failed.
        """
        deadline = time.monotonic() + self._config.timeout_s
        address = f"{self._config.url.rstrip('/')}/chat/completions"
        post = urllib.request.Request(address, body, self._headers)
        answer = b""
        with urllib.request.urlopen(post, timeout=self._config.timeout_s) as response:
            while piece := response.read1(1 << 16):
                answer += piece
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the answer was not complete after {self._config.timeout_s} s")
                if len(answer) > _LARGEST_ANSWER:
                    raise ValueError(f"the answer has more than {_LARGEST_ANSWER} bytes")
        return answer


class TransformersAnnotator:
    """Asks an image-text-to-text model of `transformers` in a local folder; an `Annotator`.

    Raises:
        ValueError: there is no such folder.
    """

    def __init__(self, folder: Path, device: str = "cpu", sampling: Sampling = Sampling()) -> None:
        if not folder.is_dir():
            raise ValueError(f"there is no model in {folder}; name a folder that a model was saved to")
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self._device, self._sampling = device, sampling
        self._processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, dtype="auto")
        self._model = model.to(device).eval()

    def annotate(self, request: Request) -> Label:
        """Ask for one label."""
        import torch
        from PIL import Image

        images = [{"type": "image", "image": Image.fromarray(image)} for image in _images(request)]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
            {"role": "user", "content": [*images, {"type": "text", "text": question(request)}]},
        ]
        inputs = self._processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        ).to(self._device, dtype=self._model.dtype)
        torch.manual_seed(_seed(request))
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs,
                do_sample=True,
                temperature=self._sampling.temperature,
                max_new_tokens=self._sampling.max_tokens,
            )
        written = tokens[0, inputs["input_ids"].shape[1] :]
        return parse_answer(self._processor.decode(written, skip_special_tokens=True))


def question(request: Request) -> str:
    """What is asked, in words; the images stand before it."""
    count = len(request.frames)
    images = f"The {count} images before this show what the camera saw lately, in order."
    if request.goal.image is not None:
        images = f"The first image shows what to find. The {count} after it are what the camera saw."
    faults = "".join(f"\nAn earlier answer was rejected: {complaint}." for complaint in request.complaints)
    return _QUESTION.format(
        task=request.goal.instruction,
        images=images,
        memory=request.memory or "nothing yet.",
        action=ACTIONS[request.knowledge.now.action],
        complaint=faults,
    )


def parse_answer(text: str) -> Label:
    """The label in an answer, which may be fenced or have words round the JSON object.

    Raises:
        BadAnswer: there is no object with exactly the two keys and texts under them.
    """
    begin, end = text.find("{"), text.rfind("}")
    try:
        answer = json.loads(text[begin : end + 1])
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadAnswer("the answer was not one JSON object") from error
    if set(answer) != {"chain_of_thought", "summary"}:
        raise BadAnswer('the keys of the answer were not "chain_of_thought" and "summary"')
    if not all(isinstance(value, str) and value.strip() for value in answer.values()):
        raise BadAnswer("a value of the answer was no text")
    return Label(" ".join(answer["chain_of_thought"].split()), " ".join(answer["summary"].split()))


def _content(body: bytes) -> str:
    """The text that a chat completion holds.

    Raises:
        ValueError: the body is no chat completion.
    """
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"no chat completion but {body[:_FEW]!r}") from error
    if not isinstance(content, str):
        raise ValueError(f"no text in the chat completion but {content!r}")
    return content


def _images(request: Request) -> list[NDArray[np.uint8]]:
    """The goal image, if there is one, and the latest frames.

    Raises:
        ValueError: nobody recorded frames.
    """
    if not request.frames:
        raise ValueError(
            "a vision-language model needs frames; annotate episodes that were recorded with images"
        )
    return [*([] if request.goal.image is None else [request.goal.image]), *request.frames]


def _jpeg(image: NDArray[np.uint8]) -> str:
    """Base64 of a JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return base64.b64encode(buffer.getvalue()).decode()


def _seed(request: Request) -> int:
    return int(np.random.SeedSequence(request.seed).generate_state(1)[0] & 0x7FFFFFFF)
