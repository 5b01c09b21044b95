from __future__ import annotations

import errno
import io
import pickle

import pytest

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.sources.download.errors import Blocked, FetchError, causes, classify, fetch_error, shown

YOUTUBE = "https://www.youtube.com/watch?v=-MoFwJmGGa4"
ELSEWHERE = "https://piano.example/a.mp3"
LOGIN_HINT = (
    "Use --cookies-from-browser or --cookies for the authentication. "
    "See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ#how-do-i-pass-cookies-to-yt-dlp  for how to manually pass cookies. "
    "Also see  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#exporting-youtube-cookies  for tips on effectively "
    "exporting YouTube cookies"
)
RATE_LIMITED = (
    "Video unavailable. This content isn't available, try again later. The current session has been rate-limited by "
    "YouTube for up to an hour. It is recommended to use `-t sleep` to add a delay between video requests to avoid "
    "exceeding the rate limit. For more information, refer to  "
    "https://github.com/yt-dlp/yt-dlp/wiki/Extractors#this-content-isnt-available-try-again-later"
)


def as_raised(error, wrapped=True):
    """The exception that leaves yt-dlp when an extractor raises another."""
    import yt_dlp

    client = yt_dlp.YoutubeDL(
        {"quiet": True, "no_warnings": True, "logger": Silent(), "color": "always"}, auto_init=False
    )
    try:
        try:
            raise error
        except Exception as caught:
            if not wrapped:
                raise
            client.report_error(str(caught))
    except Exception as outer:  # noqa: BLE001  whatever leaves yt-dlp
        return outer
    raise AssertionError("nothing was raised")


class Silent:
    def debug(self, message):
        """Say nothing."""

    warning = error = debug


def extractor_error(message, **more):
    from yt_dlp.utils import ExtractorError

    return ExtractorError(message, **{"expected": True, "video_id": "-MoFwJmGGa4", "ie": "youtube", **more})


def http_error(status, reason="Reason"):
    from yt_dlp.networking.common import Response
    from yt_dlp.networking.exceptions import HTTPError

    return HTTPError(Response(io.BytesIO(), ELSEWHERE, {}, status, reason))


def download_page_error(status):
    """What `_request_webpage` makes of a status."""
    from yt_dlp.networking.exceptions import HTTPError
    from yt_dlp.utils import ExtractorError

    try:
        raise http_error(status)
    except HTTPError as error:
        return ExtractorError(f"Unable to download webpage: {error}", cause=error, video_id="a", ie="generic")


BLOCKED_BY = "This video contains content from SME, who has blocked it"
TERMINATED = (
    "This video is no longer available because the YouTube account associated with this video has been terminated."
)

# messages of yt-dlp's YouTube extractor, and reasons of YouTube that it hands on
MESSAGES = [
    ("blocked", f"Sign in to confirm you're not a bot. {LOGIN_HINT}"),
    ("blocked", f"Sign in to confirm you’re not a bot. {LOGIN_HINT}"),
    ("blocked", "All player responses are invalid. Your IP is likely being blocked by Youtube"),
    ("blocked", "Video unavailable. YouTube is requiring a captcha challenge before playback"),
    ("blocked", "HTTP Error 429: Too Many Requests"),
    ("retry", RATE_LIMITED),
    ("retry", "Video unavailable. This content isn’t available."),
    ("retry", "Premieres in 5 hours"),
    ("retry", "Premiere will begin shortly"),
    ("retry", "This live event will begin in a few moments."),
    ("retry", "This live event will begin in 3 days."),
    ("retry", "This live event has ended."),
    ("retry", "No video formats found!"),
    ("retry", "Failed to extract any player response"),
    ("retry", "Requested format is not available. Use --list-formats for a list of available formats"),
    ("retry", "Incomplete yt initial data received"),
    ("retry", "This video is not available"),
    ("retry", "The following content is not available on this app.. Watch on the latest version of YouTube"),
    ("retry", "Something nobody has ever said"),
    ("needs_user", f"Sign in to confirm your age. This video may be inappropriate for some users. {LOGIN_HINT}"),
    ("needs_user", "This video is age-restricted and YouTube is requiring account age-verification"),
    ("needs_user", "Join this channel to get access to members-only content like this video, and other perks."),
    ("needs_user", "This video is available to this channel's members on level: Amateur (or any higher level)."),
    ("needs_user", "This video requires payment to watch."),
    ("needs_user", "This video is only available to Music Premium members"),
    ("needs_user", f"Login details are needed to download this content. {LOGIN_HINT}"),
    ("needs_user", f"This video is only available for registered users. {LOGIN_HINT}"),
    ("needs_user", f"Please sign in. {LOGIN_HINT}"),
    ("needs_user", "The uploader has not made this video available in your country"),
    ("needs_user", f"Video unavailable. {BLOCKED_BY} in your country on copyright grounds"),
    ("needs_user", "This video is not available from your location due to geo restriction"),
    ("permanent", "Video unavailable"),
    ("permanent", "Video unavailable. This video has been removed by the uploader"),
    ("permanent", "This video has been removed for violating YouTube's policy on hate speech."),
    ("permanent", f"Video unavailable. {TERMINATED}"),
    ("permanent", f"Video unavailable. {BLOCKED_BY} on copyright grounds"),
    ("permanent", "This video is no longer available due to a copyright claim by Somebody"),
    ("permanent", "This video does not exist."),
    ("permanent", f"Private video. Sign in if you've been granted access to this video. {LOGIN_HINT}"),
    ("permanent", "This video is private"),
    ("permanent", "This video is DRM protected"),
    ("permanent", "YouTube said: The playlist does not exist."),
    ("permanent", "The channel/playlist does not exist and the URL redirected to youtube.com home page"),
    ("permanent", "This channel does not have a videos tab"),
    ("permanent", "YouTube said: This playlist type is unviewable."),
]


@pytest.mark.parametrize(("error_class", "message"), MESSAGES)
def test_what_youtube_says_decides_when_it_is_tried_again(error_class, message):
    error = fetch_error(as_raised(extractor_error(message)), YOUTUBE)
    assert error.error_class == error_class
    assert str(error).startswith(f"{YOUTUBE}: {message[:12]}")
    # the same when yt-dlp lost the exception and only its text is left
    from yt_dlp.utils import DownloadError

    assert classify(DownloadError(f"\x1b[0;31mERROR:\x1b[0m [youtube] -MoFwJmGGa4: {message}"), YOUTUBE) == classify(
        extractor_error(message), YOUTUBE
    )


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (RATE_LIMITED, "unavailable"),
        ("Video unavailable. This content isn't available", "unavailable"),
        ("Video unavailable", ""),
        ("HTTP Error 403: Forbidden", "forbidden"),
        ("unable to download video data: HTTP Error 503: Service Unavailable", "network"),
    ],
)
def test_what_means_little_alone_and_much_in_a_row_is_marked(message, kind):
    assert classify(extractor_error(message), YOUTUBE).kind == kind


@pytest.mark.parametrize(
    ("status", "error_class", "kind"),
    [
        (400, "permanent", ""),
        (401, "needs_user", ""),
        (402, "needs_user", ""),
        (403, "retry", "forbidden"),
        (404, "permanent", ""),
        (408, "retry", "network"),
        (410, "permanent", ""),
        (416, "retry", "network"),
        (425, "retry", "network"),
        (429, "blocked", ""),
        (451, "needs_user", ""),
        (500, "retry", "network"),
        (503, "retry", "network"),
        (302, "retry", ""),
    ],
)
def test_a_status_decides_wherever_yt_dlp_keeps_it(status, error_class, kind):
    from yt_dlp.utils import DownloadError

    for error in (
        http_error(status),
        download_page_error(status),
        as_raised(download_page_error(status)),
        DownloadError(f"\r[download] Got error: HTTP Error {status}: Reason. Giving up after 3 retries"),
    ):
        fault = classify(error, ELSEWHERE)
        assert (fault.error_class, fault.kind) == (error_class, kind)
        assert f"HTTP Error {status}" in fault.what


def test_an_odd_status_of_youtube_says_nothing_of_the_video():
    assert classify(http_error(400), YOUTUBE).error_class == "retry"
    assert classify(http_error(404), YOUTUBE).error_class == "permanent"


def network_errors():
    from yt_dlp.networking.exceptions import (
        CertificateVerifyError,
        IncompleteRead,
        ProxyError,
        SSLError,
        TransportError,
    )
    from yt_dlp.utils import ContentTooShortError

    return [
        TransportError("[Errno -2] Name or service not known"),
        TransportError(cause=TimeoutError("timed out")),
        IncompleteRead(100, 200),
        SSLError("handshake failure"),
        CertificateVerifyError("certificate has expired"),
        ProxyError("Unable to connect to proxy"),
        ContentTooShortError(100, 200),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
    ]


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_network_breaks_is_tried_again(number, wrapped):
    fault = classify(as_raised(network_errors()[number], wrapped), ELSEWHERE)
    assert (fault.error_class, fault.kind) == ("retry", "network")


def test_yt_dlps_own_kinds_of_error_decide_before_their_words_do():
    from requests.exceptions import InvalidSchema  # type: ignore[import-untyped]
    from yt_dlp.cookies import CookieLoadError
    from yt_dlp.networking.exceptions import RequestError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

    refused = InvalidSchema("No connection adapters were found for 'ftp://piano.example/x'")
    for error, error_class in (
        (GeoRestrictedError("This video was removed", countries=["PL"]), "needs_user"),
        (UnsupportedError("https://piano.example/private video"), "permanent"),
        (UserNotLive(video_id="x"), "retry"),
        (CookieLoadError("failed to load cookies"), "needs_user"),
        (RequestError(cause=refused), "permanent"),
    ):
        assert classify(error, ELSEWHERE).error_class == error_class
        assert classify(as_raised(error), ELSEWHERE).error_class == error_class
    assert "ftp://piano.example/x" in classify(RequestError(cause=refused)).what


def test_a_site_other_than_youtube_without_a_fitting_format_holds_no_audio():
    message = "Requested format is not available. Use --list-formats for a list of available formats"
    assert classify(extractor_error(message), ELSEWHERE).error_class == "permanent"


@pytest.mark.parametrize(
    "error", [KeyError("url"), RecursionError(), AssertionError(), AttributeError("x"), ValueError("")]
)
def test_what_nobody_knows_is_tried_again_and_named(error):
    found = fetch_error(error, ELSEWHERE)
    assert found.error_class == "retry"
    assert str(found).startswith(f"{ELSEWHERE}: ")
    assert len(str(found)) > len(ELSEWHERE) + 10


def test_messages_hold_no_colours_no_advice_for_a_command_line_and_no_passwords():
    from yt_dlp.utils import bug_reports_message

    error = extractor_error("\x1b[0;31mIt broke\x1b[0m\nat https://me:secret@piano.example/x", expected=False)
    assert bug_reports_message()[2:30] in str(error)
    for raised in (as_raised(error), as_raised(extractor_error(MESSAGES[0][1])), as_raised(download_page_error(503))):
        text = str(fetch_error(raised, "https://me:secret@piano.example/a.mp3"))
        assert text.isprintable()
        for word in (
            "\x1b",
            "ERROR",
            "report this issue",
            "--cookies",
            "github.com",
            "secret",
            "caused by",
            "[youtube]",
        ):
            assert word not in text
        assert "https://piano.example/a.mp3" in text


def test_a_hint_is_given_where_nothing_better_is_known():
    unknown, gone = extractor_error("No video formats found!"), extractor_error("Video unavailable")
    assert str(fetch_error(unknown, YOUTUBE, "Install deno")).endswith("Install deno")
    assert "Install deno" not in str(fetch_error(gone, YOUTUBE, "Install deno"))


def test_every_exception_an_error_was_made_from_is_looked_at_once():
    try:
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("outer") from None
    except ValueError as error:
        outer = error
    outer.__cause__ = outer
    assert [str(e) for e in causes(outer)] == ["outer", "'inner'"]


def test_a_fetch_error_keeps_its_class_on_the_way_between_processes():
    error = pickle.loads(pickle.dumps(FetchError("x: y", "blocked")))
    assert isinstance(error, RecordingError)
    assert (type(error), str(error), error.error_class) == (FetchError, "x: y", "blocked")
    assert issubclass(Blocked, SetupError)


def test_a_long_address_is_cut_in_messages():
    assert len(shown("https://piano.example/" + "x" * 5000)) == 200
    assert shown("https://u:p@piano.example/a") == "https://piano.example/a"
