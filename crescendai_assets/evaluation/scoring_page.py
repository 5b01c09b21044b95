"""A scored performance as one page: HTML in one file, pictures inside, nothing fetched; it prints on A4.

What is told is in a `ScoreSheet`; nothing is worked out here. All that comes from outside is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib.metadata import version

from crescendai_assets.evaluation.dimension_words import aspect, pole
from crescendai_assets.evaluation.scoring import ScoreSheet
from crescendai_assets.evaluation.scoring_pictures import heard_picture, strip
from crescendai_assets.labels.dimensions import DIMENSIONS, POINTS, Dimension

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body { margin: 0 auto; padding: 28px 24px 40px; max-width: 940px; background: #fff; color: #1c1c1c;
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 24px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 26px 0 8px; }
p { margin: 6px 0; }
.under { color: #555; margin: 0 0 14px; }
.banner { border: 2px solid #a61e1e; background: #fdecea; color: #6d1010; padding: 10px 14px; margin: 12px 0;
  border-radius: 6px; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 14px; margin: 0; font-size: 13px; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { font-weight: 600; color: #555; font-size: 12px; }
th, td { padding: 2px 6px; text-align: left; vertical-align: middle; }
thead th { border-bottom: 1px solid #8a8a8a; }
tr.first th, tr.first td { border-top: 1px solid #ddd; }
th[scope=row] { color: #1c1c1c; font-size: 13px; white-space: nowrap; }
.left { text-align: right; } .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.interval { color: #555; font-size: 12px; }
td img { display: block; width: 100%; min-width: 110px; max-width: 300px; height: auto; }
figure { margin: 8px 0; } figure img { width: 100%; height: auto; display: block; }
figcaption, .note { color: #444; font-size: 12.5px; }
ul { margin: 6px 0; padding-left: 20px; } li { margin: 3px 0; }
footer { margin-top: 26px; border-top: 1px solid #ddd; padding-top: 8px; color: #666; font-size: 12px; }
@media (max-width: 760px) { body { padding: 16px 10px; } .wide { display: none; } th[scope=row] { white-space: normal; }
  th, td { padding: 2px 3px; } table, th[scope=row] { font-size: 11.5px; } dl { grid-template-columns: 1fr; } }
@media print { body { padding: 0; max-width: none; font-size: 11px; } @page { size: A4; margin: 13mm; }
  tr, figure, .banner { break-inside: avoid; } h2 { break-after: avoid; margin-top: 16px; }
  table, dl, th[scope=row] { font-size: 10.5px; } th, td { padding: 1px 5px; } }
"""


def score_page(sheet: ScoreSheet) -> str:
    """The page."""
    banners = "".join(f'<p class="banner" role="alert">{escape(one)}</p>' for one in sheet.banners)
    remarks = "".join(f"<li>{escape(one)}</li>" for one in sheet.remarks)
    parts = len(sheet.spans)
    title = f"{sheet.asked.name}: how it was played"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(sheet.asked.name)}</h1>
<p class="under">{_lasting(sheet.seconds)}; {escape(_given(sheet))}. {escape(_by(sheet))}</p>
{banners}
<h2>What was heard</h2>
<figure><img alt="{escape(_alt_of_heard(sheet))}" src="{_data(heard_picture(sheet), "image/png")}">
<figcaption>{escape(_caption(sheet))}</figcaption></figure>
<h2>How it would be rated{", mean over the parts" if parts > 1 else ""}</h2>
<p class="note">{_key(sheet)}</p>
{_table(sheet)}
<p>{escape(_outstanding(sheet))}</p>
<h2>How far to trust it</h2>
<ul>{"".join(f"<li>{escape(one)}</li>" for one in _trust(sheet))}{remarks}</ul>
<h2>The model</h2>
<dl>{_facts(sheet)}</dl>
<footer>crescendai {escape(version("crescendai-assets"))}. Scales and ratings: Park et al., PercePiano, Scientific
Reports 2024. Intervals: CV+, Barber et al., Annals of Statistics 2021.</footer>
</body>
</html>
"""


def _table(sheet: ScoreSheet) -> str:
    before = ""
    rows: list[str] = []
    for dimension in DIMENSIONS:
        rows.append(_row(sheet, dimension, first=dimension.aspect != before))
        before = dimension.aspect
    return (
        "<table><thead><tr><th scope=col>aspect</th><th scope=col class=left>1</th><th scope=col width=300></th>"
        "<th scope=col>7</th><th scope=col class=number>rating</th><th scope=col class='number wide'>interval</th>"
        "<th scope=col class='number wide'>score</th><th scope=col class='number wide'>percentile</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _row(sheet: ScoreSheet, dimension: Dimension, *, first: bool) -> str:
    place = dimension.index
    score, low, high = (float(values[place]) for values in (sheet.scores, sheet.low, sheet.high))
    percentile = float(sheet.percentile[place])
    picture = strip(sheet.rated[:, place], score, low, high)
    alt = (
        f"{aspect(dimension)}, from {pole(dimension.low)} (1) to {pole(dimension.high)} (7): {score * POINTS:.1f}, "
        f"interval {low * POINTS:.1f} to {high * POINTS:.1f}"
    )
    name = escape(aspect(dimension)) if first else f"<span hidden>{escape(aspect(dimension))}</span>"
    return (
        f"<tr{' class=first' if first else ''}><th scope=row>{name}</th>"
        f"<td class=left>{escape(pole(dimension.low))}</td>"
        f'<td><img alt="{escape(alt)}" src="{_data(picture.encode(), "image/svg+xml")}"></td>'
        f"<td>{escape(pole(dimension.high))}</td><td class=number><strong>{score * POINTS:.1f}</strong></td>"
        f"<td class='number interval wide'>{low * POINTS:.1f} to {high * POINTS:.1f}</td>"
        f"<td class='number wide'>{score:.2f}</td><td class='number wide'>{percentile:.0f}</td></tr>"
    )


def _outstanding(sheet: ScoreSheet) -> str:
    """Dimensions whose interval leaves out what is usual."""
    import numpy as np

    usual = np.median(sheet.rated, axis=0)
    found = []
    for dimension in DIMENSIONS:
        place = dimension.index
        if sheet.low[place] > usual[place]:
            found.append((float(sheet.scores[place] - usual[place]), f"{aspect(dimension)}: {pole(dimension.high)}"))
        elif sheet.high[place] < usual[place]:
            found.append((float(usual[place] - sheet.scores[place]), f"{aspect(dimension)}: {pole(dimension.low)}"))
    if not found:
        return "No interval leaves out the median of the rated performances: nothing stands out for sure."
    words = "; ".join(words for _, words in sorted(found, reverse=True))
    return f"What stands out, the interval leaving out the median of the rated performances: {words}."


def _trust(sheet: ScoreSheet) -> list[str]:
    import numpy as np

    ensemble = sheet.ensemble
    share = f"{ensemble.r2:.0%}" if ensemble.r2 > 0 else "nothing"
    said = [
        f"On rows held out, {ensemble.spec.key} puts {ensemble.pairs:.1%} of pairs of performances of one passage in "
        f"the order in which listeners put them (chance: 50 %), and explains {share} of the differences in ratings "
        f"(R² {ensemble.r2:.3f}); folds by {ensemble.protocol}"
        + (", a protocol known to leak: these figures flatter." if ensemble.leaky else ".")
    ]
    known = sheet.reliability[np.isfinite(sheet.reliability)]
    if len(known):
        said.append(
            f"Listeners do not agree either: the reliability of their mean rating is {known.mean():.2f}, which no "
            "model's R² is expected to pass."
        )
    by_fold = np.nanmean(sheet.measured, axis=1) if np.isfinite(sheet.measured).any() else np.zeros(0)
    by_fold = by_fold[np.isfinite(by_fold)]
    if len(by_fold):
        said.append(
            f"Intervals made in this way held {by_fold.mean():.0%} of the ratings of passages held out, "
            f"{by_fold.min():.0%} to {by_fold.max():.0%} by fold. All rated music is of {', '.join(sheet.works)}: on "
            "other music, and with other instruments and rooms, they may hold fewer."
        )
    else:
        said.append("There are too few finished folds to tell how many ratings such intervals hold.")
    said.append(
        "Scores lie nearer to the middle than ratings do, as predictions must: small differences are no differences."
    )
    return said


def _facts(sheet: ScoreSheet) -> str:
    ensemble = sheet.ensemble
    reports = [member.report for member in ensemble.members]
    learnt = [report.rows["train"] + report.rows.get("inner", 0) for report in reports]
    told = {
        "model": f"{ensemble.spec.key}, {ensemble.spec.title}",
        "asked": f"{len(reports)} of {len(reports) + len(ensemble.missing)} folds by {ensemble.protocol}"
        + (" (leaky)" if ensemble.leaky else "")
        + f", seed {ensemble.seed}; the score is the mean of what they say",
        "held out": f"R² {ensemble.r2:.3f}, pairs {ensemble.pairs:.1%}"
        + ("" if ensemble.whole else "; of single folds, no shuffle is complete"),
        "learnt from": f"{min(learnt):,} to {max(learnt):,} rated performances a fold, of {', '.join(sheet.works)}",
        "folds differ by": f"{sheet.spread.mean() * POINTS:.2f} points (standard deviation, mean over dimensions)",
        "encoder": ensemble.encoder[0] or "none: a model of symbols",
        "performance": ", ".join(path.name for path in (sheet.asked.audio, sheet.asked.midi) if path),
        "score": _score_named(sheet),
        "checkpoints": str(ensemble.members[0].checkpoint.files.folder.parents[1]),
    }
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told.items())


def _key(sheet: ScoreSheet) -> str:
    return (
        "Every scale runs between two words; 4 is neutral, and neither end is better. The dot is the score, the bar "
        f"holds about {sheet.asked.coverage:.0%} of the ratings that listeners would give, the hill is where the "
        f"{len(sheet.rated):,} rated performances lie. Score: as the model says it, rating / 7. Percentile: how many "
        "of 100 rated performances lie further left."
    )


def _given(sheet: ScoreSheet) -> str:
    words = {"audio": "sound", "midi": "MIDI", "score": "score"}
    there = [words[name] for name, path in sheet.asked.given.items() if path is not None]
    return f"given: {_listed(there)}"


def _score_named(sheet: ScoreSheet) -> str:
    if sheet.asked.score is None:
        return "not given"
    return f"{sheet.asked.score.name}{', not used' if sheet.choice.unheard else ''}"


def _by(sheet: ScoreSheet) -> str:
    return f"Scored by {sheet.ensemble.spec.key} ({sheet.ensemble.spec.title})."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _alt_of_heard(sheet: ScoreSheet) -> str:
    what = "Piano roll with pedal" if sheet.performance is not None else "Waveform"
    below = f"; below it the scores of its {len(sheet.spans)} parts by dimension" if len(sheet.spans) > 1 else ""
    return f"{what} of {sheet.asked.name}, {_lasting(sheet.seconds)} long{below}. The figures are in the table."


def _caption(sheet: ScoreSheet) -> str:
    what = (
        "Notes, darker where louder, and the sustain pedal (orange)." if sheet.performance is not None else "Loudness."
    )
    if len(sheet.spans) == 1:
        return what
    return f"{what} Below, each part's rating, 1 to 7: where it leans to a word more than the rated performances do."


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def _data(picture: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"
