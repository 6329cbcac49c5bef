"""A plugin that runs the tests in another order: ``-p tests.order --order reversed``, or a number that shuffles them."""

import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", default="", help="'reversed', or a number: the seed of a shuffle")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    order = config.getoption("--order")
    if order == "reversed":
        items.reverse()
    elif order:
        random.Random(int(order)).shuffle(items)
