"""What a run shows of itself: the course of its numbers, and all of it on one page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from otgan.gan import arguments
from otgan.gan.errors import RunError
from otgan.gan.evaluation import export

__all__ = ["Shown"]


class _Run(Protocol):
    """What is asked of a run."""

    history: list[dict[str, Any]]

    @property
    def folder(self) -> Any:
        """Its folder, or None."""

    @property
    def system(self) -> Any:
        """Its system."""

    @property
    def data(self) -> Any:
        """What it was trained on."""

    def sample(
        self, n: int, seed: int | None = None, sampler: str = "prior", *, label: Any = None
    ) -> NDArray[np.float32]:
        """Draw samples."""

    def real_samples(self) -> NDArray[np.float32]:
        """Held-out samples."""


class Shown:
    """A run that shows itself."""

    def write_samples(
        self: _Run,
        path: str | os.PathLike[str],
        n: int,
        seed: int | None = None,
        sampler: str = "prior",
        *,
        label: Any = None,
    ) -> None:
        """Draw samples into a file: .npy, .csv with a row each below the columns' names, or .png as a picture.

        Raises
        ------
        OptionError
            If the name ends otherwise.
        WriteError
            If the system refuses.
        """
        write = export.writer(Path(arguments.path("path", path)))
        write(self.sample(n, seed, sampler, label=label), self.real_samples, self.data.columns)

    def plot(self: _Run) -> Any:
        """Draw the course of the run: its evaluations beside their floors, and the terms of its steps.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from otgan.gan.evaluation.figures import curves_figure  # matplotlib takes long to import

        return curves_figure(self.history, self.system.estimate)

    def write_report(self: _Run, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the run on one page of HTML, which needs nothing beside it: verdict, samples over time, floors, course, settings.

        Parameters
        ----------
        path : path, optional
            ``report.html`` in the folder of the run by default.

        Returns
        -------
        Path

        Raises
        ------
        RunError
            If the run has no folder: its settings and pictures are there.
        """
        if self.folder is None:
            raise RunError(
                "this run has no folder, in which its settings and pictures would be: train with out=..."
            )
        from otgan.gan.evaluation.page import write_page  # matplotlib takes long to import

        place = self.folder.report_file if path is None else Path(arguments.path("path", path))
        settings = self.folder.settings()
        title = f"{settings.system} on {settings.data.spec or 'an array'}"
        pictures = sorted((self.folder.path / "samples").glob("step-*.png"))
        write_page(place, title, settings.flat(), self.history, pictures, self.system.estimate)
        return place
