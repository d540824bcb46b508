"""Texts that would hang or fill the memory: an error with file and line within a moment, at the check as at sending."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from connectors.messages.bounds import budget
from connectors.messages.catalogue import Catalogue
from connectors.messages.check import check
from connectors.messages.config import Brand
from connectors.messages.render import Renderer, RenderError, environment
from connectors.messages.sample import samples

ACME = Brand.model_validate({"name": "Acme", "url": "https://acme.example", "contact": "help@acme.example"})
DOUBLED = "{% set a = 'x' ~ 'y' %}" + "{% set a = a ~ a %}" * 40
LISTS = "{% set a = ['x'] %}" + "{% set a = a + a %}" * 40
NESTED = "{% set a = ['x', 'y'] %}" + "{% set a = [a, a] %}" * 40
THOUSAND = "{% set a = 'x' * 1000 %}"

HOSTILE = [
    pytest.param("{{ 'a' * 2000000000 }}", id="a long repetition"),
    pytest.param("{{ 2000000000 * 'a' }}", id="the other way round"),
    pytest.param("{{ [1] * 2000000000 }}", id="a long list"),
    pytest.param("{{ 10 ** (10 ** 10) }}", id="a tower of powers"),
    pytest.param("{% set a = 7 ** 300 %}" + "{% set a = a * a %}" * 40, id="squares of squares"),
    pytest.param("{{ -2 ** 100000000 }}", id="a power of a negative number"),
    pytest.param(DOUBLED, id="doubled 40 times"),
    pytest.param(LISTS, id="a list doubled 40 times"),
    pytest.param(NESTED + "{{ a }}", id="lists in lists, printed"),
    pytest.param(NESTED + "{{ a | string }}", id="lists in lists as a string"),
    pytest.param(NESTED + "{{ a == a | list }}", id="lists in lists, compared"),
    pytest.param("{% set d = {'a': lines} %}{{ d }}", id="a group, printed"),
    pytest.param(THOUSAND + "{% for i in a %}{% for j in a %}{% for k in a %}{% endfor %}{% endfor %}{% endfor %}", id="nested loops"),
    pytest.param(THOUSAND + "{% for i in a %}{% for j in a %}{{ a }}{% endfor %}{% endfor %}", id="nested loops that print"),
    pytest.param(THOUSAND + "{% for i in a %}{% for j in a if j == 'y' %}{% endfor %}{% endfor %}", id="nested loops with a filter"),
    pytest.param(THOUSAND + "{% for i in a %}" + "y" * 60000 + "{% endfor %}", id="a long text in a loop"),
    pytest.param(THOUSAND + "{% set b %}{% for i in a %}" + "y" * 60000 + "{% endfor %}{% endset %}", id="a long text in a block"),
    pytest.param(THOUSAND + "{% for i in a %}{{ a | replace('x', a) }}{% endfor %}", id="replaced in a loop"),
    pytest.param(THOUSAND + "{{ a | replace('x', a) | replace('x', a) }}", id="replaced twice"),
    pytest.param(THOUSAND + "{{ a.replace('x', a).replace('x', a) }}", id="replaced by the method"),
    pytest.param(THOUSAND + "{{ a | join(a) | join(a) }}", id="joined"),
    pytest.param(THOUSAND + "{{ a | map('upper') | join(a) | list | join(a) }}", id="joined from a map"),
    pytest.param("{{ 'a'.ljust(2000000000) }}", id="ljust"),
    pytest.param("{{ 'a'.center(2000000000) }}{{ 'a' | center(2000000000) }}", id="center"),
    pytest.param("{{ 'a'.zfill(2000000000) }}", id="zfill"),
    pytest.param("{{ '\t'.expandtabs(2000000000) }}", id="expandtabs"),
    pytest.param("{{ '{:>2000000000}'.format(1) }}", id="str.format"),
    pytest.param("{{ '%2000000000d' % 1 }}", id="a percent format"),
    pytest.param("{{ '%*d' % (2000000000, 1) }}", id="a width by argument"),
    pytest.param("{{ '%.2000000000f' | format(1.0) }}", id="the filter format"),
    pytest.param("{{ 'a\n' | indent(2000000000, true) }}", id="indent"),
    pytest.param("{{ [1] | batch(2000000000, 'x') | list }}", id="batch"),
    pytest.param("{{ 1.5 | round(2000000000) }}", id="round"),
    pytest.param("{{ (5).to_bytes(2000000000, 'big') }}", id="to_bytes"),
    pytest.param("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", id="a macro that calls itself"),
    pytest.param("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}", id="a macro that calls itself twice"),
    pytest.param(THOUSAND + "{% for i in a recursive %}{{ loop(a) }}{% endfor %}", id="a recursive loop"),
    pytest.param("{{ lines | sum(start=[]) }}", id="a sum of lists"),
    pytest.param("{{ 'a' | wordwrap(1, wrapstring='b' * 100000) }}", id="wordwrap"),
    pytest.param("{{ range(2000000000) | list }}", id="range"),
    pytest.param("{{ lipsum(n=100000) }}", id="lipsum"),
    pytest.param("{% set ns = namespace(a='x') %}", id="a namespace"),
]  # fmt: skip


def catalogue(tmp_path: Path, text: str) -> Catalogue:
    body = "\n".join(f"    {line}" for line in ("Hello", text))
    (tmp_path / "nl.yaml").write_text(f"mine:\n  subject: x\n  sms: x\n  text: |\n{body}\n")
    return Catalogue(tmp_path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_would_never_end_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    began = time.process_time()
    text = text.replace("\t", "\\t").replace("\n", "\\n")
    found = check(catalogue(tmp_path, text), [("mine", "SHIPPED", "mail")], ["nl"], ACME)
    assert found
    assert all("mine in nl, text" in said for _, said in found)
    assert any(f"{tmp_path}/nl.yaml, line 2" in said or "without an end" in said for _, said in found), found
    assert time.process_time() - began < 10


def test_sending_refuses_what_the_check_does(tmp_path: Path) -> None:
    from msgspec.structs import replace

    message = replace(next(iter(samples("SHIPPED", "mail", "nl"))), template="mine")
    with pytest.raises(RenderError, match=r"nl\.yaml, line 2\): TooMuch: a value of 2,000,000,000 characters"):
        Renderer(catalogue(tmp_path, "{{ 'a' * 2000000000 }}")).render(message, ACME)


def test_a_layout_is_bounded_too(tmp_path: Path) -> None:
    (tmp_path / "layout.txt.j2").write_text("{{ body }}\n\n{{ 'a' * 2000000000 }}")
    (tmp_path / "nl.yaml").write_text("mine: {subject: x, text: x}\n")
    found = check(Catalogue(tmp_path), [("mine", "SHIPPED", "mail")], ["nl"], ACME)
    assert any("layout.txt.j2, line 3" in said for _, said in found), found


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{% for a, b in {'x': 1}.items() %}{{ a }}{{ b }}{% endfor %}", "x1"),
        ("{{ ['a', 'b'] | join(', ') }}{{ 'a' ~ 1 ~ 2.5 }}", "a, ba12.5"),
        ("{% for i in ['a', 'b'] %}{{ loop.index }}/{{ loop.length }}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "1/2a, 2/2b"),
        ("{% for i in [] %}x{% else %}none{% endfor %}", "none"),
        ("{{ [3, 1, 2] | sort | first }}{{ [1, 2] | sum }}{{ 'abc' | upper | truncate(10) }}{{ 'a-b' | replace('-', '+') }}", "13ABCa+b"),
        ("{{ '%05.2f' | format(3.14159) }}{{ '%s' % 'x' }}{{ 2 ** 10 }}{{ 7 // 2 }}{{ '=' * 20 }}", "03.14x10243" + "=" * 20),
        ("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(1) }}{{ f('b') }}", "<1><b>"),
        ("{{ 'Aa'.lower().startswith('a') }}{% set x %}y{% endset %}{{ x }}{{ none is none }}", "TrueyTrue"),
        ("{% if 'a' in ['a', 'b'] and 'a' in ('a',) %}y{% endif %}{{ [1, 2, 3] | map('string') | list | length }}", "y3"),
        ("{{ [{'q': 1}, {'q': 2}] | map(attribute='q') | sum }}" , None),
    ],
)  # fmt: skip
def test_what_people_write_works_as_in_jinja(text: str, made: str | None) -> None:
    template = environment(html=False).from_string(text)
    with budget():
        if made is None:  # groups within a list are the message's own, never the text's
            with pytest.raises(Exception, match="a list within a list"):
                template.render()
        else:
            assert template.render() == made


def test_an_order_of_500_lines_fits(tmp_path: Path) -> None:
    from msgspec.structs import replace

    message = next(m for m in samples("SHIPPED", "mail", "nl") if m.lines)
    long = replace(message, lines=message.lines[:1] * 500)
    assert Renderer(Catalogue()).render(long, ACME).html.count("<") > 500
