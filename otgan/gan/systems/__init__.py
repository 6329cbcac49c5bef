"""The systems by name: one file each, and one line here."""

from __future__ import annotations

from otgan.gan.systems.aae import AAE
from otgan.gan.systems.avb import AVB
from otgan.gan.systems.base import System
from otgan.gan.systems.gan import GAN
from otgan.gan.systems.sinkhorn import Sinkhorn
from otgan.gan.systems.smoothed_ot import SmoothedOT
from otgan.gan.systems.vae import VAE
from otgan.gan.systems.wae import WAEGAN, WAEMMD
from otgan.gan.systems.wgan import WGAN
from otgan.gan.systems.wgan_gp import WGANGP

__all__ = ["SYSTEMS", "System"]

SYSTEMS: dict[str, type[System]] = {
    system.name: system for system in (GAN, WGAN, WGANGP, SmoothedOT, Sinkhorn, WAEGAN, WAEMMD, AAE, VAE, AVB)
}
