from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.sources.download.web_ids import (
    canonical_url,
    is_youtube,
    listed_id,
    listing_url,
    one_line,
    video_id,
)

ID = "-MoFwJm_Ga4"


@pytest.mark.parametrize(
    "url",
    [
        f"https://www.youtube.com/watch?v={ID}",
        f"http://youtube.com/watch?v={ID}",
        f"  https://www.youtube.com/watch?v={ID}&t=42s\n",
        f"https://www.youtube.com/watch?app=desktop&list=PL123&v={ID}&index=3",
        f"https://m.youtube.com/watch?v={ID}#t=1m",
        f"https://music.youtube.com/watch?v={ID}&feature=share",
        f"https://youtu.be/{ID}?si=abc",
        f"https://www.youtube.com/shorts/{ID}",
        f"https://www.youtube.com/live/{ID}?feature=share",
        f"https://www.youtube.com/embed/{ID}?autoplay=1",
        f"https://www.youtube-nocookie.com/embed/{ID}",
        f"https://www.youtube.com/v/{ID}",
        f"HTTPS://WWW.YOUTUBE.COM/watch?v={ID}",
        f"https://www.youtube.com:443/watch?v={ID}",
        f"https://www.youtube.com/watch?v={ID}#__youtubedl_smuggle=%7B%22force_videoid%22%3A%22..%2Fx%22%7D",
    ],
)
def test_every_spelling_of_a_youtube_video_is_one_video(url):
    assert video_id(url) == ID
    assert canonical_url(url) == listing_url(url) == f"https://www.youtube.com/watch?v={ID}"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/@Medici.tv",
        "https://www.youtube.com/playlist?list=PL123456789",
        "https://www.youtube.com/embed/videoseries?list=PL123",
        "https://www.youtube.com/embed/live_stream?channel=UC1",
        "https://www.youtube.com/watch?v=short",
        f"https://www.youtube.com/watch?v={ID}x",
        f"https://www.youtube.com/watch?x={ID}",
        f"https://youtube.com.evil.example/watch?v={ID}",
        f"https://notyoutube.com/watch?v={ID}",
        f"https://youtube.com@evil.example/watch?v={ID}",
        f"https://evil.example/https://www.youtube.com/watch?v={ID}",
        f"https://www.yоutube.com/watch?v={ID}",  # the second o is Cyrillic
        "https://youtu.be/../../etc/x",
    ],
)
def test_what_only_looks_like_a_youtube_video_gets_the_id_of_its_address(url):
    assert video_id(url) != ID
    assert len(video_id(url)) > 11
    assert canonical_url(url) == url


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://piano.example/recitals/Op10_No5.mp3", "op10-no5"),
        ("https://piano.example/recitals/Étude%20n%C2%BA%205.m4a?token=x", "etude-no-5"),
        ("https://piano.example/Frédéric Chopin.opus", "frederic-chopin"),
        ("https://piano.example/", "audio"),
        ("https://piano.example", "audio"),
        ("https://piano.example/ショパン.mp3", "audio"),
        ("https://piano.example/сhopin.mp3", "hopin"),  # the c is Cyrillic
        ("https://piano.example/ｃｈｏｐｉｎ.mp3", "chopin"),
        ("https://piano.example/a/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://piano.example/%00%0a.mp3", "audio"),
        ("https://piano.example/" + "x" * 300 + ".mp3", "x" * 40),
        ("https://piano.example/con.mp3", "con"),
    ],
)
def test_any_other_address_gets_a_slug_and_a_hash(url, slug):
    found = video_id(url)
    assert found.rpartition("-")[0] == slug
    assert len(found.rpartition("-")[2]) == 10
    assert set(found.rpartition("-")[2]) <= set("0123456789abcdef")


def test_an_id_is_the_same_on_every_machine_and_in_every_version():
    assert video_id("https://piano.example/recitals/Op10_No5.mp3") == "op10-no5-9f34f7fe50"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://piano.example/a.mp3", "HTTPS://Piano.Example:443/a.mp3#t=10"),
        ("http://piano.example/a.mp3", "http://piano.example:80/a.mp3"),
        ("http://piano.example", "http://piano.example/"),
        ("https://piano.example/é.mp3", "https://piano.example/%C3%A9.mp3"),
        ("https://piano.example/%c3%a9.mp3", "https://piano.example/%C3%A9.mp3"),
    ],
)
def test_spellings_of_one_address_share_an_id(one, other):
    assert video_id(one) == video_id(other)


@pytest.mark.parametrize(
    "other",
    [
        "https://piano.example/b/a.mp3",
        "https://piano.example/a.m4a",
        "https://piano.example/A.mp3",
        "https://piano.example/a.mp3?take=2",
        "https://piano.example:8443/a.mp3",
        "http://piano.example/a.mp3",
        "https://other.example/a.mp3",
    ],
)
def test_other_addresses_have_other_ids(other):
    assert video_id("https://piano.example/a.mp3") != video_id(other)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("file:///etc/passwd", "begins with 'file:'"),
        ("ftp://piano.example/a.mp3", "begins with 'ftp:'"),
        ("data:audio/wav;base64,AAAA", "begins with 'data:'"),
        ("javascript:alert(1)", "begins with 'javascript:'"),
        ("ytsearch5:chopin", "begins with 'ytsearch5:'"),
        ("piano.example/a.mp3", "has no scheme"),
        ("/etc/passwd", "has no scheme"),
        ("-o/tmp/x", "has no scheme"),
        ("", "has no scheme"),
        ("https://", "names no host"),
        ("https:///a.mp3", "names no host"),
        ("http://[::1/a.mp3", "no address"),
        ("http://piano.example:99999/a.mp3", "no address"),
        ("http://piano.example/a\x00.mp3", "control character"),
        ("ht\ntp://piano.example/a.mp3", "control character"),
        ("http://piano.example/\ud800.mp3", "control character"),
    ],
)
@pytest.mark.parametrize("function", [video_id, canonical_url, listing_url])
def test_what_is_no_web_address_is_refused_with_what_is_wrong(function, url, fault):
    with pytest.raises(SetupError, match=fault):
        function(url)
    assert not is_youtube(url)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_path_or_query_makes_an_unsafe_id(path, query):
    url = f"https://piano.example/{path}?{query}"
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in url.strip()):
        with pytest.raises(SetupError, match="control character"):
            video_id(url)
        return
    found = video_id(url)
    assert checked_id(found) == found
    assert set(found) <= set(string.ascii_lowercase + string.digits + "-")
    assert len(found) <= 51


@given(st.text())
def test_an_entry_without_an_address_still_gets_a_safe_id(text):
    assert checked_id(listed_id(text)) == listed_id(text)


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("https://www.youtube.com/@ChopinInstitute", "https://www.youtube.com/@ChopinInstitute/videos"),
        ("https://youtube.com/@Medici.tv/", "https://www.youtube.com/@Medici.tv/videos"),
        ("https://www.youtube.com/@PaulBarton/featured", "https://www.youtube.com/@PaulBarton/videos"),
        ("https://www.youtube.com/@PaulBarton?si=x", "https://www.youtube.com/@PaulBarton/videos"),
        ("https://www.youtube.com/channel/UC123", "https://www.youtube.com/channel/UC123/videos"),
        ("https://www.youtube.com/c/Fazioli", "https://www.youtube.com/c/Fazioli/videos"),
        ("https://www.youtube.com/user/Bachtrack", "https://www.youtube.com/user/Bachtrack/videos"),
        ("https://www.youtube.com/@PaulBarton/streams", "https://www.youtube.com/@PaulBarton/streams"),
        ("https://www.youtube.com/playlist?list=PL1#x", "https://www.youtube.com/playlist?list=PL1"),
        ("https://piano.example/@feed", "https://piano.example/@feed"),
    ],
)
def test_a_channel_without_a_tab_means_its_videos(url, listed):
    assert listing_url(url) == listed


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Étude <b>Op. 10</b> & more", "Étude <b>Op. 10</b> & more"),
        ("a\x00b\x07c", "a b c"),
        ("one\r\ntwo\tthree\u2028four  five", "one two three four five"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\u202egpj.exe\u200b", "gpj.exe"),
        ("half \ud800 character", "half character"),
        ("E\u0301tude", "Étude"),
        ("ショパン – Étude №5 “x”", "ショパン – Étude №5 “x”"),
        (None, ""),
        (7, "7"),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_titles_become_one_printable_line(text, line):
    assert one_line(text) == line


@given(st.text())
def test_a_title_never_breaks_a_line_or_an_encoding(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 300
    assert line.encode().decode() == line
    assert one_line(line) == line
