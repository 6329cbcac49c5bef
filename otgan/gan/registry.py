"""The systems by name, one line each: known without loading any of them, or torch."""

from __future__ import annotations

__all__ = ["CLASSES"]

CLASSES = {
    "gan": "gan.GAN",
    "wgan": "wgan.WGAN",
    "wgan-gp": "wgan_gp.WGANGP",
    "smoothed-ot": "smoothed_ot.SmoothedOT",
    "sinkhorn": "sinkhorn.Sinkhorn",
    "wae-gan": "wae.WAEGAN",
    "wae-mmd": "wae.WAEMMD",
    "aae": "aae.AAE",
    "vae": "vae.VAE",
    "avb": "avb.AVB",
    "flow-matching": "flow_matching.FlowMatching",
}
"""Module and class within ``otgan.gan.systems``."""
