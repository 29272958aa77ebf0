"""Rules are applied one after the other."""

from __future__ import annotations

import re

from spoken_form.rewriting import rewrite


def test_a_rule_sees_what_the_one_before_it_wrote() -> None:
    rules = ((re.compile("a"), "bb"), (re.compile("b+"), lambda match: str(len(match[0]))))
    assert rewrite("a-b", rules) == "2-1"


def test_no_rules() -> None:
    assert rewrite("as it is", ()) == "as it is"
