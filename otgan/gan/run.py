"""A trained model: what `train` returns, and what a folder of a run is read back as."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from otgan.gan import checkpoint
from otgan.gan.batches import draw_noise, seeded
from otgan.gan.errors import OptionError, RunError
from otgan.gan.evaluate import Judge
from otgan.gan.folder import Folder, write_whole
from otgan.gan.networks import Space
from otgan.gan.records import read_metrics
from otgan.gan.samples import Samples, Scaling
from otgan.gan.state import State
from otgan.gan.systems import SYSTEMS, System

__all__ = ["Run"]

_CHUNK = 1000


class Run:
    """A training run: its system, its networks' moving averages, its history.

    Attributes
    ----------
    system : System
    space : Space
        The shape of a sample.
    step : int
        Generator updates so far.
    seed : int
    networks : dict of str to nn.Module
        The moving averages, in evaluation mode; at least "generator".
    history : list of dict
        The rows of ``metrics.jsonl``.
    folder : Folder or None
    """

    def __init__(
        self,
        system: System,
        space: Space,
        scaling: Scaling,
        networks: dict[str, nn.Module],
        *,
        step: int,
        seed: int,
        history: list[dict[str, Any]],
        spec: str | None,
        folder: Folder | None,
        judge: Judge | None = None,
    ) -> None:
        self.system, self.space, self.scaling, self.networks = system, space, scaling, networks
        self.step, self.seed, self.history, self.folder = step, seed, history, folder
        self._spec, self._judge = spec, judge

    def __repr__(self) -> str:
        where = "" if self.folder is None else f", {str(self.folder.path)!r}"
        return f"Run({self.system.name!r}, shape {self.space.shape}, step {self.step}{where})"

    @classmethod
    def of(
        cls,
        state: State,
        system: System,
        samples: Samples,
        seed: int,
        history: list[dict[str, Any]],
        folder: Folder | None,
    ) -> Run:
        """Look at a run in training: networks and history are those of the training itself."""
        return cls(
            system,
            samples.space,
            state.scaling,
            {name: average.module for name, average in state.averages.items()},
            step=state.step,
            seed=seed,
            history=history,
            spec=samples.spec,
            folder=folder,
            judge=Judge(samples.train, samples.held_out),
        )

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
        place = Folder(folder)
        config = place.config()
        state = checkpoint.latest(place.path)
        if state is None:
            raise RunError(f"{place.path} has no checkpoint yet: resume the run")
        system = SYSTEMS[config["system"]].for_data("", config["options"])
        space = Space(tuple(config["data"]["shape"]))
        own = dict(modules or {})
        missing = [name for name in config["modules"] if name in system.averaged and name not in own]
        if missing:
            raise RunError(f"{place.path} was trained with a {missing[0]} of your own: pass it in modules")
        with torch.device("meta"):
            made = system.networks(space)
        networks = {}
        for name in system.averaged:
            network = own.get(name) or made[name].to_empty(device="cpu")
            try:
                network.load_state_dict(
                    {
                        key.removeprefix("module."): value
                        for key, value in state["averages"][name].items()
                        if key.startswith("module.")
                    }
                )
            except RuntimeError as error:
                raise RunError(f"{place.path}: its {name} does not fit: {_first_line(error)}") from error
            networks[name] = network.to(device or "cpu").eval().requires_grad_(False)
        return cls(
            system,
            space,
            Scaling(**state["scaling"]),
            networks,
            step=state["step"],
            seed=config["seed"],
            history=read_metrics(place.metrics_file, state["step"]),
            spec=config["data"]["spec"],
            folder=place,
        )

    @torch.no_grad()
    def sample(self, n: int, seed: int | None = None) -> NDArray[np.float32]:
        """Draw samples from the generator's moving average.

        Parameters
        ----------
        n : int
        seed : int, optional
            Makes the draw repeatable.

        Returns
        -------
        ndarray of float32, shape (n, d), or (n, C, H, W) for images
            In the units of the data.
        """
        if n < 1:
            raise OptionError(f"the number of samples must be at least 1, got {n}")
        generator = self.networks["generator"]
        device = next((p.device for p in generator.parameters()), torch.device("cpu"))
        rng = seeded(device, self.seed, 3) if seed is None else seeded(device, seed, 4)
        if seed is None:
            rng.seed()
        parts = []
        for start in range(0, n, _CHUNK):
            noise = draw_noise(min(_CHUNK, n - start), self.system.latent, self.system.prior, rng)
            parts.append(self.scaling.to_data(generator(noise).float()).cpu().numpy())
        return np.concatenate(parts)

    def write_samples(self, path: Path, n: int, seed: int | None = None) -> None:
        """Draw samples into a file: .npy in the shape of :meth:`sample`, .csv with a row each, .png as a picture.

        Raises
        ------
        OptionError
            If the name ends otherwise.
        """
        samples = self.sample(n, seed)
        if path.suffix == ".npy":
            write_whole(path, lambda file: np.save(file, samples))
        elif path.suffix == ".csv":
            write_whole(path, lambda file: np.savetxt(file, samples.reshape(n, -1), "%.9g", delimiter=","))
        elif path.suffix == ".png":
            from otgan.gan import figures  # matplotlib takes long to import

            figures.sample_picture(path, samples, None if samples.ndim == 4 else self.real_samples())
        else:
            raise OptionError(f"samples are written as .npy, .csv or .png, not as {path.name!r}")

    def evaluate(
        self,
        against: Any = None,
        *,
        n: int = 2000,
        seed: int = 0,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Compare samples with held-out data, every number beside its real–real floor.

        Parameters
        ----------
        against : data spec, array, tensor or Dataset, optional
            Other data than those the run was trained on.
        n : int, default 2000
            Samples to compare, at most; no more than are held out.
        seed : int
            Of the samples.

        Returns
        -------
        dict
            See :class:`otgan.gan.evaluate.Judge`; with ``step``.
        """
        judge = self.judge(against, data_dir=data_dir)
        return {"step": self.step, **judge(self.sample(judge.size(n), seed=seed))}

    def judge(self, against: Any = None, *, data_dir: str | os.PathLike[str] | None = None) -> Judge:
        """Make the judge of :meth:`evaluate`, or return the one that there is."""
        if against is None and self._judge is not None:
            return self._judge
        data = self._spec if against is None else against
        if data is None:
            raise RunError("this run was trained on an array: say what to evaluate it against")
        samples = Samples.of(data, self.seed, data_dir)
        if samples.space != self.space:
            raise RunError(f"samples have shape {self.space.shape}, the data {samples.space.shape}")
        judge = Judge(samples.train, samples.held_out)
        if against is None:
            self._judge = judge
        return judge

    def real_samples(self) -> NDArray[np.float32]:
        """Return held-out samples, in the shape of :meth:`sample`."""
        points = self.judge().held_out.points
        return points.reshape(len(points), *self.space.shape)


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
