"""What the fields of catalogue files may hold: texts, names and addresses, cleaned and checked.

Each complaint follows the name of its field ("'url' is ..."). Not here: what an edition or a channel is made of
(`edition_file`, `channels`), and reading YAML (`catalogue_yaml`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from crescendai_assets.sources.catalogue_words import code_point
from crescendai_assets.sources.download.web_ids import is_youtube, youtube_id

_LONGEST_TEXT = 300
_MARKUP = re.compile(r"</?[a-z!][^<>]*>|&(#\d+|#x[0-9a-f]+|[a-z][a-z0-9]*);", re.IGNORECASE)
_JOINERS = "\u200c\u200d"  # spelled in names of some scripts


class CatalogueModel(BaseModel):
    """What every model of a catalogue file starts from: no unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


def clean_text(text: str) -> str:
    """A name or title with single spaces and composed accents.

    Raises:
        ValueError: It is empty or overlong, or holds markup, control or invisible characters; says so in words.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text:
        raise ValueError("is empty; fill it in")
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"is longer than {_LONGEST_TEXT} characters; shorten it")
    if odd := next((c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c not in _JOINERS), None):
        raise ValueError(f"holds the invisible character {code_point(odd)}; remove it")
    if markup := _MARKUP.search(text):
        raise ValueError(f"holds the markup '{markup[0]}'; write the plain text")
    return text


def clean_name(text: str) -> str:
    """As `clean_text`, and it holds a letter."""
    text = clean_text(text)
    if not any(c.isalpha() for c in text):
        raise ValueError(f"is '{text}', which holds no letter; write the name")
    return text


def checked_address(text: str) -> str:
    """An http(s) address with a host and no password.

    Raises:
        ValueError: It is none; says why in words.
    """
    text = text.strip()
    if any(c.isspace() or unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in text):
        raise ValueError(f"is {text!r}, which holds a space or invisible character; copy the address again")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is '{text}', which is no address ({error})") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"is '{text}', which is no address on the web; start it with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password, which would end up in tables and logs; leave them out")
    return text


def _listing_address(text: str) -> str:
    text = checked_address(text)
    if youtube_id(text) and "list=" not in text:
        raise ValueError(f"is '{text}', which is one video; give the address of a channel or playlist")
    return text


def _one_recording(text: str) -> str:
    text = checked_address(text)
    if is_youtube(text) and not youtube_id(text):
        raise ValueError(f"is '{text}', which is no single video; give 'channel' or 'playlist' instead of 'addresses'")
    return text


def _path_text(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) == "Cc" for c in text):
        raise ValueError("is empty or holds a control character; write the folder's path")
    return text


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(clean_text)]
"""One line of text."""

OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]
"""One line of text that may be left out or blank."""

PathText = Annotated[str, AfterValidator(_path_text)]
"""A path, with its spaces as they are."""

Name = Annotated[str, AfterValidator(clean_name)]
"""A name of a person or thing."""

Texts = Annotated[list[Text], BeforeValidator(_as_list)]
"""Several texts; one alone needs no brackets."""

Address = Annotated[str, AfterValidator(checked_address)]
"""A page on the web."""

ListingAddress = Annotated[str, AfterValidator(_listing_address)]
"""A channel or playlist."""

RecordingAddress = Annotated[str, AfterValidator(_one_recording)]
"""One recording."""
