"""Networks of the user's own, tried out before they are trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import RunError, reason
from otgan.gan.networks import given, takes_label
from otgan.gan.streams import Stream, seeded
from otgan.gan.systems import System

__all__ = ["check_encoder", "check_generator", "watch_critic"]


@contextlib.contextmanager
def _trying(name: str, x: Tensor) -> Iterator[None]:
    """Turn what a network of the user's own ends in when it is tried into one sentence."""
    try:
        yield
    except Exception as error:
        raise RunError(
            f"your {name} cannot take rows of shape {tuple(x.shape[1:])}: {reason(error)}"
        ) from error


def check_generator(
    nets: Mapping[str, nn.Module], batches: Batches, shape: tuple[int, ...], own: Mapping[str, nn.Module]
) -> None:
    """Find out before training whether a generator of the user's own makes samples like the data's."""
    if "generator" not in own:
        return
    generator = nets["generator"]
    label = None if batches.label is None else batches.label[:2]
    if label is not None and not takes_label(generator):
        raise RunError(
            "your generator cannot make samples by class: call it with noise and labels, shape (n,), and give it an attribute "
            "takes_label = True"
        )
    noise = torch.zeros(2 if label is None else len(label), batches.latent, device=batches.points.device)
    generator.eval()  # leaves running statistics alone
    with torch.no_grad(), _trying("generator", noise):
        made = tuple(given(nets, label)["generator"](noise).shape)
    generator.train()
    if made != (len(noise), *shape):
        raise RunError(f"your generator makes samples of shape {made[1:]}; those of the data have {shape}")


def check_encoder(
    system: System, nets: Mapping[str, nn.Module], batches: Batches, own: Mapping[str, nn.Module]
) -> None:
    """Find out before training whether an encoder of the user's own makes rows of the length that its kind has."""
    encoding = system.encoding
    if "encoder" not in own or encoding is None:
        return
    encoder, x = nets["encoder"], batches.points[:2]
    noise = encoding.encoder_noise(len(x), seeded(x.device, 0, Stream.MOMENTS))
    encoder.eval()
    with torch.no_grad(), _trying("encoder", x):
        made = tuple(encoding.encoder_rows(encoder, x, noise).shape)
    encoder.train()
    if made != (len(x), encoding.row_length):
        raise RunError(
            f"your encoder makes rows of shape {made[1:]}; encoder={encoding.encoder} with latent={encoding.latent} "
            f"makes rows of shape ({encoding.row_length},)"
        )


def watch_critic(own: Mapping[str, nn.Module]) -> None:
    """Have a critic of the user's own checked the first time that it is called: one number a row, which any mean would hide."""
    critic = own.get("critic")
    if critic is None or isinstance(critic, torch.jit.ScriptModule):  # which takes no hooks
        return

    def check(module: nn.Module, rows: tuple[Tensor, ...], made: Any) -> None:
        del module
        watched.remove()
        n = len(rows[0])
        if not isinstance(made, Tensor) or tuple(made.shape) not in {(n,), (n, 1)}:
            found = (
                f"shape {tuple(made.shape)}" if isinstance(made, Tensor) else f"type {type(made).__name__}"
            )
            raise RunError(f"your critic must make one number a row, shape ({n},) or ({n}, 1), got {found}")

    watched = critic.register_forward_hook(check)
