"""Settings of a run: what is refused, and how the rate goes."""

from __future__ import annotations

import pytest

from tools.train.recipe import Recipe, RecipeError


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Recipe(steps=100, warm_up_steps=10, decay_share=0.5)
    rates = [recipe.rate_factor(step, recipe.warm_up_steps) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[0] == pytest.approx(0.1)
    assert set(rates[9:51]) == {1.0}
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[75] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("warm_up_steps", 0),
        ("head_warm_up_steps", 0),
        ("whole_steps", -1),
        ("encoder_rate", 0.0),
        ("head_rate", float("nan")),
        ("average", 1.0),
        ("decay_share", -0.1),
        ("frozen_layers", 7),
        ("worst_loss", 0.0),
    ],
)
def test_what_cannot_be_trained_with_is_named(name: str, value: float) -> None:
    with pytest.raises(RecipeError, match=name):
        Recipe(**{name: value})


def test_only_the_steps_of_a_run_may_change() -> None:
    earlier = Recipe(steps=10, seed=1)
    Recipe(steps=20, seed=1).check_resumes(earlier)
    with pytest.raises(RecipeError, match="seed"):
        Recipe(steps=10, seed=2).check_resumes(earlier)
