"""The numbers of an evaluation by name: what they are, and where they are shown. Loads nothing: the command reads them too."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEASURES", "Measure"]


@dataclass(frozen=True)
class Measure:
    """One number of an evaluation, of the runs that have it.

    Attributes
    ----------
    name : str
        Its key; that of what real samples reach ends with ``_floor``.
    short : str
        The name of an axis, or of a column.
    words : str
        What it is.
    drawn : bool
        Whether its course is drawn, and its floor stands beside it in tables of runs.
    listed : bool
        Whether tables of runs have it.
    """

    name: str
    short: str
    words: str
    drawn: bool = False
    listed: bool = True


MEASURES = (
    Measure("em", "EM", "exact EM to held-out data", drawn=True),
    Measure("modes", "modes", "modes covered"),
    Measure("in_modes", "in modes", "samples within .1 of a mode"),
    Measure("classifier_frechet", "Fréchet", "Fréchet distance of a classifier's features", drawn=True),
    Measure("kid", "KID", "kernel distance of a classifier's features", listed=False),
    Measure("class_tv", "class TV", "TV between the shares of the classes", drawn=True),
    Measure("conditional_accuracy", "accuracy", "samples of the class that they were made for", drawn=True),
    Measure("sharpness", "sharpness", "variance of the Laplacian", listed=False),
    Measure("precision", "precision", "precision", listed=False),
    Measure("recall", "recall", "recall", listed=False),
    Measure("gap", "gap", "what the potentials lack of the optimum, at most", drawn=True, listed=False),
    Measure(
        "gradient_error_bound",
        "gradient error",
        "bound of the generator gradient's error, in units of the cost's largest gradient",
        listed=False,
    ),
)
"""In the order in which they are shown."""
