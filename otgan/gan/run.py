"""A training run: what `train` returns, and what a folder of a run is read back as."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from otgan.gan import arguments
from otgan.gan.datasets.scaling import Scaling
from otgan.gan.datasets.training_data import DataDescription, TrainingData, check_held_out, digest
from otgan.gan.errors import OptionError, RunError
from otgan.gan.evaluation import reconstruction
from otgan.gan.evaluation.judge import Judge
from otgan.gan.evaluation.shown import Shown
from otgan.gan.latent import Latent
from otgan.gan.model import Model
from otgan.gan.networks import Space
from otgan.gan.samplers import PRIOR, Laws, check_sampler, laws_of
from otgan.gan.systems import System
from otgan.gan.systems.capabilities import Encoding
from otgan.gan.training import checkpoint
from otgan.gan.training.averages import load_model
from otgan.gan.training.folder import Folder
from otgan.gan.training.history import history_of

__all__ = ["Run"]

_log = logging.getLogger("otgan")


@dataclass(eq=False, repr=False)
class Run(Latent, Shown):
    """A training run: a model, where it comes from, and its history.

    Attributes
    ----------
    model : Model
        The system with the moving averages of its networks, and the data's shape and units.
    data : DataDescription
        What it was trained on.
    seed : int
    history : list of dict
        The rows of ``metrics.jsonl``.
    folder : Folder or None
    """

    model: Model
    data: DataDescription
    seed: int
    history: list[dict[str, Any]]
    folder: Folder | None = None
    own_judge: Judge | None = None
    _laws: dict[tuple[str, int], Laws | None] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        where = "" if self.folder is None else f", {str(self.folder.path)!r}"
        return f"Run({self.system.name!r}, shape {self.space.shape}, step {self.step}{where})"

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        modules: Mapping[str, nn.Module] | None = None,
        device: str | torch.device | None = None,
    ) -> Run:
        """Read a run from its folder, from its last usable checkpoint.

        Parameters
        ----------
        folder : path
        modules : mapping of str to nn.Module, optional
            The networks of one's own that were passed to `train`, by name.
        device : optional
            Where to put the networks; the CPU by default.

        Raises
        ------
        RunError
            If there is no run, or no usable checkpoint in it.
        """
        place = Folder(arguments.path("folder", folder))
        own, where = arguments.modules(modules), arguments.device("cpu" if device is None else device)
        settings = place.settings()
        found = checkpoint.newest(place.path)
        if found is None:
            raise RunError(f"{place.path} has no checkpoint yet: resume the run")
        model = load_model(settings, found.state, own, where, place.path)
        history = history_of(found, place.metrics_file)[0]
        return cls(model, settings.data, settings.seed, history, place)

    def sample(
        self, n: int, seed: int | None = None, sampler: str = PRIOR, *, label: Any = None
    ) -> NDArray[np.float32]:
        """Draw samples from the generator's moving average.

        Parameters
        ----------
        n : int
        seed : int, optional
            Makes the draw repeatable.
        sampler : {"prior", "mixture", "transport"}
            The law of the codes: that of the training, or of systems with an encoder one that is fitted to the codes of the
            data, class by class where samples are made so, see :mod:`otgan.gan.samplers`.
        label : int, str or sequence of them, optional
            Of a conditional run the class of all samples, or of each: its name, or its number where no name is one. By default
            they are drawn by their shares of the training data.

        Returns
        -------
        ndarray of float32, shape (n, d), or (n, C, H, W) for images
            In the units of the data.

        Raises
        ------
        OptionError
            If there is no such class, or the run is not conditional.
        """
        return self.model.sample(n, seed, self._laws_of(sampler), label)

    def evaluate(
        self,
        against: Any = None,
        *,
        labels: Any = None,
        n: int = 2000,
        seed: int = 0,
        data_dir: str | os.PathLike[str] | None = None,
        sampler: str = PRIOR,
    ) -> dict[str, Any]:
        """Compare samples with held-out data, every number beside its real–real floor.

        Parameters
        ----------
        against : data spec, array, tensor or Dataset, optional
            Other data than those the run was trained on; of a run by class, classes that it has learnt, told by their names.
        labels : array-like, shape (n,), or str, optional
            The classes of those other data, or the column that holds them, as for :func:`train`.
        n : int, default 2000
            Samples to compare, at most; no more than are held out.
        seed, sampler
            As for :meth:`sample`.

        Returns
        -------
        dict
            See :class:`otgan.gan.evaluation.judge.Judge`; with ``step``, and for systems with an encoder what
            :func:`otgan.gan.evaluation.reconstruction.evaluate` finds.
        """
        n, seed = arguments.whole("n", n, 2), arguments.seed(seed)
        data_dir = None if data_dir is None else arguments.path("data_dir", data_dir)
        judge = self.judge(against, labels=labels, data_dir=data_dir)
        n = judge.size(n)
        encodes = self.system.encoding is not None
        if encodes:
            check_held_out(n)
        label = self.model.labels(n, seed)
        samples = self.sample(n, seed, sampler, label=self.model.named(label))
        found = {"step": self.step, **judge(samples, label)}
        if encodes:
            held_out = judge.held_out.take(slice(n))
            found |= reconstruction.evaluate(self.model, judge.train.points, held_out, seed)
        return found

    def judge(
        self, against: Any = None, *, labels: Any = None, data_dir: str | os.PathLike[str] | None = None
    ) -> Judge:
        """Make the judge of :meth:`evaluate`, or return the one that there is."""
        if against is None and labels is not None:
            raise OptionError(
                "labels are of other data: say which, against; those of the run's own are known"
            )
        if against is None and self.own_judge is not None:
            return self.own_judge
        source = self.data.spec if against is None else against
        if source is None:
            raise RunError("trained on an array, not kept: say what to evaluate it against; sample by prior")
        labels = self.data.labels if against is None else labels
        data = TrainingData.of(source, self.seed, data_dir, "against", labels)
        if against is None and self.data.digest != digest(
            data.train, data.held_out, labels=bool(self.data.classes)
        ):
            _log.warning(
                "%s holds other samples than this run was trained on: what is held out now may have been trained on",
                source,
            )
        classes = self.model.classes
        if classes is not None:
            data = replace(data, train=classes.numbered(data.train), held_out=classes.numbered(data.held_out))
        judge = Judge.for_space(self.space, data)
        if against is None:
            self.own_judge = judge
        return judge

    def _laws_of(self, sampler: str) -> Laws | None:
        key = (check_sampler(sampler), self.step)
        if key not in self._laws:
            by_class = self.model.classes is not None
            self._laws[key] = laws_of(sampler, self.model, lambda: self.judge().train, by_class=by_class)
        return self._laws[key]

    def real_samples(self) -> NDArray[np.float32]:
        """Held-out samples, shaped as :meth:`sample`."""
        return self.judge().real_samples()

    def real_labels(self) -> NDArray[np.int64] | None:
        """Return the classes of held-out samples, where they have any, as numbers."""
        return self.judge().held_out.labels

    def in_units(self, x: ArrayLike | Tensor) -> Tensor:
        """Return samples in the units of the networks, n of the shape of ``space``."""
        return self.model.in_units(x)

    def autoencoder(self) -> Encoding:
        """Return the system as one with an encoder.

        Raises
        ------
        OptionError
            If it has none.
        """
        return self.model.encoding()

    @property
    def system(self) -> System:
        """The system, with its hyperparameters."""
        return self.model.system

    @property
    def space(self) -> Space:
        """The shape of a sample."""
        return self.model.space

    @property
    def scaling(self) -> Scaling:
        """The units that the networks work in."""
        return self.model.scaling

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The moving averages of the networks, in evaluation mode; at least "generator"."""
        return self.model.networks

    @property
    def step(self) -> int:
        """Generator updates so far."""
        return self.model.step

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.model.device
