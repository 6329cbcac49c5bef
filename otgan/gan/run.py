"""A trained model: what `train` returns, and what a folder of a run is read back as."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from otgan.gan import checkpoint
from otgan.gan.batches import draw_noise, seeded
from otgan.gan.errors import OptionError, RunError
from otgan.gan.evaluate import Judge
from otgan.gan.folder import Folder, write_whole
from otgan.gan.networks import Space
from otgan.gan.reconstruction import examine
from otgan.gan.records import read_metrics
from otgan.gan.samples import Samples, Scaling, as_tensor
from otgan.gan.state import State
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.systems.autoencoding import Autoencoder

__all__ = ["Run"]

_CHUNK = 1000
_TRAVERSED = 16


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
        rng = seeded(self.device, self.seed, 3) if seed is None else seeded(self.device, seed, 4)
        if seed is None:
            rng.seed()
        sizes = [min(_CHUNK, n - start) for start in range(0, n, _CHUNK)]
        noise = (draw_noise(size, self.system.latent, self.system.prior, rng) for size in sizes)
        return np.concatenate([self._decoded(codes) for codes in noise])

    @torch.no_grad()
    def encode(self, x: ArrayLike | Tensor, seed: int | None = None) -> NDArray[np.float32]:
        """Return the code of each sample: the mean of Q(z|x), or of an implicit encoder a draw, always the same.

        Parameters
        ----------
        x : array-like, shape (n, d), or (n, C, H, W) for images
            In the units of the data. Images may be rows of pixels too.
        seed : int, optional
            Draw each code from Q(z|x) instead. A deterministic encoder always returns the same.

        Returns
        -------
        ndarray of float32, shape (n, latent)

        Raises
        ------
        OptionError
            If the system has no encoder, or x has another shape than the data.
        """
        system = self.autoencoder()
        rng = None if seed is None else seeded(self.device, seed, 8)
        parts = []
        for part in self.in_units(x).split(_CHUNK):
            if rng is None:
                codes = system.code(self.networks, part)
            else:
                codes = system.encode(self.networks, part, system.encoder_noise(len(part), rng))
            parts.append(codes.float().cpu().numpy())
        return np.concatenate(parts)

    @torch.no_grad()
    def decode(self, z: ArrayLike | Tensor) -> NDArray[np.float32]:
        """Return what the generator makes of codes, or of any latent vectors.

        Parameters
        ----------
        z : array-like, shape (n, latent)

        Returns
        -------
        ndarray of float32, shape (n, d), or (n, C, H, W) for images
            In the units of the data.

        Raises
        ------
        OptionError
            If z has another shape.
        """
        codes = torch.from_numpy(_rows(z)).to(self.device)
        if codes.ndim != 2 or codes.shape[1] != self.system.latent or not codes.numel():
            raise OptionError(
                f"codes must have the shape (n, {self.system.latent}), got {tuple(codes.shape)}"
            )
        return np.concatenate([self._decoded(part) for part in codes.split(_CHUNK)])

    def reconstruct(self, x: ArrayLike | Tensor, seed: int | None = None) -> NDArray[np.float32]:
        """Encode samples and decode their codes.

        Parameters
        ----------
        x, seed
            As for :meth:`encode`.

        Returns
        -------
        ndarray of float32, shape (n, d), or (n, C, H, W) for images
            In the units of the data.
        """
        return self.decode(self.encode(x, seed))

    def traverse(self, x: ArrayLike | Tensor, steps: int = 9, reach: float = 2.0) -> NDArray[np.float32]:
        """Decode the code of a sample while one of its coordinates after the other crosses the prior.

        Parameters
        ----------
        x : array-like, shape (d,), or (C, H, W) for an image
        steps : int, default 9
            Places of a coordinate, from `reach` standard deviations of the prior below its mean to as many above.
        reach : float, default 2

        Returns
        -------
        ndarray of float32, shape (k, steps, d), or (k, steps, C, H, W) for images
            For the first k coordinates of the code, 16 at most; the others stay as x has them.
        """
        code = self.encode(_rows(x)[None])[0]
        middle, deviation = (0.0, 1.0) if self.system.prior == "normal" else (0.5, 12**-0.5)
        places = middle + deviation * np.linspace(-reach, reach, steps)
        k = min(len(code), _TRAVERSED)
        codes = np.tile(code, (k, steps, 1))
        codes[np.arange(k), :, np.arange(k)] = places
        return self.decode(codes.reshape(k * steps, -1)).reshape(k, steps, *self.space.shape)

    def autoencoder(self) -> Autoencoder:
        """Return the system as one with an encoder.

        Raises
        ------
        OptionError
            If it has none.
        """
        if not isinstance(self.system, Autoencoder):
            having = [name for name, system in SYSTEMS.items() if issubclass(system, Autoencoder)]
            raise OptionError(f"{self.system.name} has no encoder; {', '.join(having)} have one")
        return self.system

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next((p.device for p in self.networks["generator"].parameters()), torch.device("cpu"))

    def _decoded(self, codes: Tensor) -> NDArray[np.float32]:
        decoded: NDArray[np.float32] = (
            self.scaling.to_data(self.networks["generator"](codes).float()).cpu().numpy()
        )
        return decoded

    def in_units(self, x: ArrayLike | Tensor) -> Tensor:
        """Return samples in the units of the networks, n of the shape of ``space``."""
        rows = _rows(x)
        shape = self.space.shape
        if not rows.size or rows.shape[1:] not in (shape, (self.space.dim,)):
            raise OptionError(
                f"samples must have the shape (n, {str(shape)[1:-1].rstrip(',')}), got {rows.shape}"
            )
        return self.scaling.to_units(as_tensor(rows, self.space)).to(self.device)

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
            See :class:`otgan.gan.evaluate.Judge`; with ``step``, and for systems with an encoder what
            :func:`otgan.gan.reconstruction.examine` finds.
        """
        judge = self.judge(against, data_dir=data_dir)
        n = judge.size(n)
        found = {"step": self.step, **judge(self.sample(n, seed=seed))}
        if isinstance(self.system, Autoencoder):
            found |= examine(self, judge.train.points, judge.held_out.points[:n], seed)
        return found

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


def _rows(x: ArrayLike | Tensor) -> NDArray[np.float32]:
    """Copy samples or codes, NumPy-like or torch, into a float32 array."""
    rows: NDArray[np.float32] = np.array(x.detach().cpu().numpy() if isinstance(x, Tensor) else x, np.float32)
    return rows


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
