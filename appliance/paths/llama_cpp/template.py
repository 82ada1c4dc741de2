"""A chat as tokens, through the model file's own Jinja template.

Rules kept here:
1. Only the template makes control tokens. Where a message spells one out, or a part of one at its edge, a
   noncharacter is put inside before rendering; the spelling is then plain text, and the noncharacter is taken out
   again. Everything else reaches the template untouched, so that `trim` and comparisons in it work as their author
   meant.
2. Templates run in Jinja's immutable sandbox: they come from model files.
3. Equal chats give equal prompts all day: what a template may ask of the clock is the date. A date that is wrong would
   cost answers, one that changes every second costs every prefix; this one costs a prefix a day.

Control tokens are found here, not by llama.cpp: `llama_tokenize` never sees `parse_special`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from typing import Any

import jinja2
import jinja2.sandbox
import numpy as np

from appliance.paths.contract import PathError
from appliance.paths.llama_cpp.library import Ints, Model
from appliance.records.request import Message

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]  # Unicode noncharacters: never meant for interchange


class TemplateRefusal(jinja2.TemplateError):
    """The template itself says no."""


def _raise(message: str) -> None:
    raise TemplateRefusal(message)


def _tojson(value: Any, indent: int | None = None, ensure_ascii: bool = False, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _today(form: str) -> str:
    """`strftime_now` of chat templates, with midnight for the time (rule 3)."""
    now = time.localtime()
    return time.strftime(form, (*now[:3], 0, 0, 0, *now[6:]))


class Chat:
    """Renders and tokenises for one model."""

    def __init__(self, model: Model) -> None:
        """Raises jinja2.TemplateError where the file's template is no template."""
        self._model = model
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = _today
        self._template = environment.from_string(model.template() or CHATML)
        specials = sorted((text for text in model.specials if len(text) > 1), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, specials)) if specials else r"(?!)")
        self._heads = {text[:size] for text in specials for size in range(1, len(text))}
        self._tails = {text[-size:] for text in specials for size in range(1, len(text))}
        self._longest = max(map(len, specials), default=1)

    def tokens(self, messages: tuple[Message, ...], *, continues: bool = False) -> Ints:
        """The prompt of a chat; where it `continues`, its last message is what the answer begins with.

        Raises PathError('rejected') where the template refuses it.
        """
        everything = "".join(f"{m.role}{m.content}{m.name or ''}" for m in messages)
        mark = next((mark for mark in _MARKS if mark not in everything), None)
        if mark is None:
            raise PathError("rejected", "The messages use every Unicode noncharacter; remove one of U+FDD0 to U+FDEF.")
        turns = [
            {"role": self._disarm(m.role, mark), "content": self._disarm(m.content, mark)}
            | ({"name": self._disarm(m.name, mark)} if m.name else {})
            for m in messages
        ]
        begun = turns.pop()["content"] if continues else ""
        model = self._model
        try:
            text = self._template.render(
                messages=turns,
                add_generation_prompt=True,
                bos_token=model.special_text(model.bos),
                eos_token=model.special_text(model.eos),
            )
        except TemplateRefusal as error:
            raise PathError("rejected", f"The model's chat template refuses this chat: {str(error)[:200]}") from None
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
            # Not the error's text: it could quote a message.
            raise PathError(
                "rejected", f"The model's chat template cannot render this chat ({type(error).__name__})."
            ) from None
        tokens = self._tokenize(text + begun, mark)
        if model.add_bos and model.bos >= 0 and (len(tokens) == 0 or tokens[0] != model.bos):
            tokens = np.concatenate([np.array([model.bos], np.int32), tokens])
        return tokens

    def _disarm(self, text: str, mark: str) -> str:
        """`text` with a mark inside every control token that it spells out, and at an edge that could complete one."""
        out = self._special.sub(lambda found: found[0][0] + mark + found[0][1:], text)
        # A spelling may also arise where a mark-free overlap remains; one more pass finds none in practice, and the
        # loop is bounded because every pass shortens the longest unmarked run.
        while self._special.search(out):
            out = self._special.sub(lambda found: found[0][0] + mark + found[0][1:], out)
        edge = range(1, min(self._longest, len(out)) + 1)
        if any(out[:size] in self._tails for size in edge):
            out = mark + out
        if any(out[-size:] in self._heads for size in edge):
            out += mark
        return out

    def _tokenize(self, text: str, mark: str) -> Ints:
        model = self._model
        parts: list[Ints] = []
        at = 0
        strip_left = False
        for found in self._special.finditer(text):
            token = model.specials[found[0]]
            left, right = model.strips.get(token, (False, False))
            parts.extend(self._plain(text[at : found.start()], mark, strip_left, left))
            parts.append(np.array([token], np.int32))
            at, strip_left = found.end(), right
        parts.extend(self._plain(text[at:], mark, strip_left, False))
        return np.concatenate(parts) if parts else np.empty(0, np.int32)

    def _plain(self, text: str, mark: str, strip_left: bool, strip_right: bool) -> Iterable[Ints]:
        text = text.lstrip() if strip_left else text
        text = (text.rstrip() if strip_right else text).replace(mark, "")
        if text:
            yield self._model.tokenize(text)
