"""The sections of report.html, from the answer to how it was made."""

from __future__ import annotations

import shlex
from html import escape

from mt.comparison.report.answer import answer, clauses, warnings
from mt.comparison.report.attention import aer_table, attention_charts, findings, layers_table
from mt.comparison.report.attention_maps import maps
from mt.comparison.report.charts import (
    brevity_chart,
    curve_charts,
    differences_chart,
    frequency_charts,
    length_chart,
)
from mt.comparison.report.details import (
    cost_table,
    frequency_table,
    reach_table,
    run_table,
    settings_table,
    versions_table,
    word_gaps_table,
    words_table,
)
from mt.comparison.report.html import bullets, html_figure, html_table, numbers, paragraphs, section
from mt.comparison.report.lookups import (
    Results,
    counted,
    headline,
    metric_title,
    styles,
    test_title,
)
from mt.comparison.report.sentences import browser
from mt.comparison.report.tables import (
    differences_table,
    gaps_table,
    lengths_table,
    scores_table,
    short_outputs_table,
)


def top(results: Results) -> str:
    """The question, the answer, what to be wary of."""
    question = (
        f'<p class="question">{escape(results["question"])}</p>' if results.get("question") else ""
    )
    caution = warnings(results)
    wary = (
        f'<aside class="wary" aria-label="Be wary">{bullets(caution, "plain")}</aside>'
        if caution
        else ""
    )
    return f'{question}<div class="answer">{paragraphs(answer(results))}</div>{wary}'


def scores(results: Results) -> str:
    """Of the headline test set, then of the others."""
    signs, parts = styles(results), []
    for test in results["tests"]:
        title = test_title(test, results)
        parts.append(f"<h3>{escape(title[0].upper() + title[1:])}</h3>" if title else "")
        parts.append(html_table(scores_table(results, test), signs))
    how = (
        "Mean over runs with its 95 % interval, over sentences and, where there are several runs, over seeds. Precision is the geometric "
        "mean of BLEU's four, BP its brevity penalty, length ratio that of output to reference."
    )
    return section("scores", "Scores", *parts, f'<p class="note">{escape(how)}</p>')


def differences(results: Results) -> str:
    chart = differences_chart(results)
    if chart is None:
        return ""
    said = bullets([f"`{name}`: {text}" for name, text in clauses(results)], "clauses")
    parts = [html_figure(chart, gaps_table(results, headline(results))), said]
    for test in results["tests"]:
        title, table = (
            test_title(test, results),
            html_table(differences_table(results, test), styles(results)),
        )
        parts.append(
            table if test is headline(results) else numbers(table, f"The same on the {title}")
        )
    how = (
        "p (Holm): paired bootstrap over sentences and seeds, corrected for the number of variants. p (these runs): approximate "
        "randomisation, which says nothing of other seeds. Needed: what would tell, were the true difference the one seen."
    )
    return section(
        "differences",
        f"Differences from {results['baseline']}",
        *parts,
        f'<p class="note">{escape(how)}</p>',
    )


def lengths(results: Results) -> str:
    parts = []
    for test in results["tests"]:
        for make, table in ((length_chart, lengths_table), (brevity_chart, short_outputs_table)):
            chart = make(results, test)
            parts.append(html_figure(chart, table(results, test)) if chart else "")
    intro = "Does a model fail on long sentences because it stops early, or because it is wrong? Stopping early lowers the brevity penalty."
    return section(
        "length", "By sentence length", f"<p>{escape(intro)}</p>" if any(parts) else "", *parts
    )


def training(results: Results) -> str:
    """The curves, one shown at a time, chosen without a script."""
    charts = curve_charts(results)
    if not charts:
        return ""
    switch = ""
    if len(charts) > 1:
        buttons = ""
        for i, chart in enumerate(charts):
            checked = " checked" if i == 0 else ""
            buttons += f'<input type="radio" name="curve" id="curve-{i}"{checked}><label for="curve-{i}">{escape(chart.x_label)}</label>'
        switch = f'<fieldset class="switch"><legend>Over</legend>{buttons}</fieldset>'
    panels = "".join(
        f'<div class="panel panel-{i}">{html_figure(chart)}</div>' for i, chart in enumerate(charts)
    )
    return section(
        "training",
        "Over training",
        f'<div class="switched">{switch}{panels}</div>',
        html_table(reach_table(results), styles(results)),
    )


def cost(results: Results) -> str:
    return section("cost", "Cost", html_table(cost_table(results), styles(results)))


def words(results: Results) -> str:
    figure = "".join(
        html_figure(chart, frequency_table(results)) for chart in frequency_charts(results)
    )
    gaps = numbers(html_table(word_gaps_table(results)), f"Differences from {results['baseline']}")
    return section("words", "Words", figure, html_table(words_table(results)), gaps)


def attention(results: Results) -> str:
    """How well it aligns, what it is like by length, what stands out; and the maps."""
    charts = "".join(map(html_figure, attention_charts(results)))
    layers = numbers(
        html_table(layers_table(results)), "Every layer: mean, and of short / long sentences"
    )
    found = findings(results)
    stands_out = (
        numbers(bullets(found, "clauses"), f"What stands out: {counted(len(found), 'finding')}")
        if found
        else ""
    )
    return section(
        "attention",
        "Attention",
        html_table(aer_table(results), styles(results)),
        charts,
        layers,
        stands_out,
        maps(results),
    )


def sentences(results: Results) -> str:
    return section("sentences", "Sentences on which systems differ most", browser(results))


def made(results: Results) -> str:
    """How it was made, and how to make it again."""
    command = (results.get("made") or {}).get("command") or []
    again = (
        f"<p>The command that makes it again:</p><pre><code>{escape(shlex.join(command))}</code></pre>"
        if command
        else ""
    )
    matched = bullets(list((results.get("made") or {}).get("match_parameters") or []), "plain")
    signatures = "".join(
        f"<dt>{metric_title(name)}</dt><dd><code>{escape(text)}</code></dd>"
        for name, text in results["signatures"].items()
    )
    settings = html_table(settings_table(results))
    return section(
        "made",
        "How it was made",
        again,
        f"<h3>Settings in which the systems differ</h3>{settings}" if settings else "",
        matched,
        numbers(
            html_table(run_table(results)),
            f"Every run: {counted(len(run_table(results).rows), 'run')} with their seeds and folders",
        ),
        f'<h3>Scores</h3><dl class="signatures">{signatures}</dl>',
        f'<p class="note">{results["bootstrap"]:,} resamples of the sentences for each interval.</p>',
        bullets(results["notes"], "notes"),
        f"<h3>Software and hardware</h3>{html_table(versions_table(results))}"
        if versions_table(results).rows
        else "",
    )
