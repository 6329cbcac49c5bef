"""A trained model: what `train` returns, and what a folder of a run is read back as."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from otgan.data.stored import check_fits
from otgan.gan import arguments, checkpoint
from otgan.gan.batches import draw_noise, seeded
from otgan.gan.errors import DivergedError, OptionError, RunError, reason
from otgan.gan.evaluate import Judge
from otgan.gan.folder import Folder, write_whole
from otgan.gan.networks import Space
from otgan.gan.reconstruction import examine
from otgan.gan.records import history_of
from otgan.gan.samples import Samples, Scaling, as_tensor, check_held_out, digest, rows_of
from otgan.gan.state import State, blank_networks
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.systems.autoencoding import Autoencoder

__all__ = ["Run"]

_CHUNK = 1000
_TRAVERSED = 16

_log = logging.getLogger("otgan")


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
        digest: str | None = None,
    ) -> None:
        self.system, self.space, self.scaling, self.networks = system, space, scaling, networks
        self.step, self.seed, self.history, self.folder = step, seed, history, folder
        self._spec, self._judge, self._digest = spec, judge, digest

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
        place = Folder(arguments.path("folder", folder))
        own, where = arguments.modules(modules), arguments.device("cpu" if device is None else device)
        config = place.config()
        found = checkpoint.newest(place.path)
        if found is None:
            raise RunError(f"{place.path} has no checkpoint yet: resume the run")
        try:
            system = SYSTEMS[config["system"]].for_data("", config["options"])
        except (KeyError, OptionError) as error:
            raise RunError(
                f"{place.config_file} names a system that there is not here: {reason(error)}"
            ) from error
        space = Space(tuple(config["data"]["shape"]))
        made = blank_networks(system, space)
        if unknown := sorted(set(own) - set(made)):
            raise OptionError(f"{system.name} has no network {unknown[0]!r}; it has {', '.join(made)}")
        missing = [name for name in config["modules"] if name in system.averaged and name not in own]
        if missing:
            raise RunError(f"{place.path} was trained with a {missing[0]} of your own: pass it in modules")
        networks = {}
        for name in system.averaged:
            try:
                weights = {
                    key.removeprefix("module."): value
                    for key, value in found.state["averages"][name].items()
                    if key.startswith("module.")
                }
                if name not in own:
                    _check_weights(made[name], weights)
                network = own.get(name) or made[name].to_empty(device="cpu")
                network.load_state_dict(weights)
            except Exception as error:  # whatever a checkpoint of something else happens to hold
                raise RunError(f"{place.path}: its {name} does not fit: {reason(error)}") from error
            networks[name] = network.to(where).eval().requires_grad_(False)
        try:
            scaling = Scaling.read(found.state["scaling"])
        except Exception as error:
            raise RunError(f"{place.path}: its units cannot be read: {reason(error)}") from error
        return cls(
            system,
            space,
            scaling,
            networks,
            step=found.state["step"],
            seed=config["seed"],
            history=history_of(found, place.metrics_file)[0],
            spec=config["data"]["spec"],
            folder=place,
            digest=config["data"]["digest"],
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
        n = arguments.whole("the number of samples", n)
        seed = None if seed is None else arguments.seed(seed)
        check_fits(4 * n * self.space.dim, f"{n} samples")
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
        seed = None if seed is None else arguments.seed(seed)
        rng = None if seed is None else seeded(self.device, seed, 8)
        parts = []
        for part in self.in_units(x).split(_CHUNK):
            if rng is None:
                codes = system.code(self.networks, part)
            else:
                codes = system.encode(self.networks, part, system.encoder_noise(len(part), rng))
            parts.append(codes.float().cpu().numpy())
        found = np.concatenate(parts)
        if not np.isfinite(found).all():
            raise DivergedError(f"step {self.step}: the encoder makes codes that are not finite")
        return found

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
        codes = torch.from_numpy(rows_of("z", z)).to(self.device)
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
        steps, reach = arguments.whole("steps", steps), arguments.real("reach", reach)
        self.autoencoder()
        row = rows_of("x", x)
        if row.shape not in (self.space.shape, (self.space.dim,)):
            raise OptionError(f"x must be one sample of shape {self.space.shape}, got the shape {row.shape}")
        check_fits(4 * _TRAVERSED * steps * self.space.dim, f"{steps} steps of a traversal")
        code = self.encode(row[None])[0]
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
        if not np.isfinite(decoded).all():
            raise DivergedError(f"step {self.step}: the generator makes samples that are not finite")
        return decoded

    def in_units(self, x: ArrayLike | Tensor) -> Tensor:
        """Return samples in the units of the networks, n of the shape of ``space``."""
        rows = rows_of("x", x)
        shape = self.space.shape
        if not rows.size or rows.shape[1:] not in (shape, (self.space.dim,)):
            raise OptionError(
                f"samples must have the shape (n, {str(shape)[1:-1].rstrip(',')}), got {rows.shape}"
            )
        return self.scaling.to_units(as_tensor(rows, self.space)).to(self.device)

    def write_samples(self, path: str | os.PathLike[str], n: int, seed: int | None = None) -> None:
        """Draw samples into a file: .npy in the shape of :meth:`sample`, .csv with a row each, .png as a picture.

        Raises
        ------
        OptionError
            If the name ends otherwise.
        WriteError
            If the system refuses.
        """
        path = Path(arguments.path("path", path))
        if path.suffix.lower() not in {".npy", ".csv", ".png"}:
            raise OptionError(f"samples are written as .npy, .csv or .png, not as {path.name!r}")
        samples = self.sample(n, seed)
        if path.suffix.lower() == ".npy":
            write_whole(path, lambda file: np.save(file, samples))
        elif path.suffix.lower() == ".csv":
            write_whole(
                path, lambda file: np.savetxt(file, samples.reshape(len(samples), -1), "%.9g", delimiter=",")
            )
        else:
            from otgan.gan import figures  # matplotlib takes long to import

            figures.sample_picture(path, samples, None if samples.ndim == 4 else self.real_samples())

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
        n, seed = arguments.whole("n", n, 2), arguments.seed(seed)
        data_dir = None if data_dir is None else arguments.path("data_dir", data_dir)
        judge = self.judge(against, data_dir=data_dir)
        n = judge.size(n)
        if isinstance(self.system, Autoencoder):
            check_held_out(n)
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
        samples = Samples.of(data, self.seed, data_dir, name="against")
        if samples.space != self.space:
            raise RunError(
                f"this run makes samples of shape {self.space.shape}, and cannot be compared with {samples.train.name}, "
                f"whose samples have shape {samples.space.shape}: name data of its own shape"
            )
        if against is None and self._digest not in {None, digest(samples.train, samples.held_out)}:
            _log.warning(
                "%s holds other samples than this run was trained on: what is held out now may have been trained on",
                data,
            )
        judge = Judge(samples.train, samples.held_out)
        if against is None:
            self._judge = judge
        return judge

    def real_samples(self) -> NDArray[np.float32]:
        """Return held-out samples, in the shape of :meth:`sample`."""
        points = self.judge().held_out.points
        return points.reshape(len(points), *self.space.shape)


def _check_weights(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Refuse weights of other shapes before memory is asked for."""
    for key, value in network.state_dict().items():
        if key in weights and tuple(weights[key].shape) != tuple(value.shape):
            raise ValueError(f"{key} has the shape {tuple(weights[key].shape)}, not {tuple(value.shape)}")
