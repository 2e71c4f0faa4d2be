"""Recipes: surgeries in their order."""

import json

from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import ReplaceHead

SOURCE = Source(kind="caffe", path="deploy.prototxt")


def test_a_further_surgery_comes_last_and_the_recipe_stays():
    first = Recipe(source=SOURCE).then(ReplaceHead(at="fc8", classes=2))
    second = first.then(ReplaceHead(at="head", classes=5))
    assert [surgery.classes for surgery in second.surgeries] == [2, 5]
    assert len(first.surgeries) == 1


def test_what_is_written_is_read_back():
    recipe = Recipe(source=SOURCE, surgeries=(ReplaceHead(at="fc8", classes=2),))
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe
