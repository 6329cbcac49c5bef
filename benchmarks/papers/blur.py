"""Whether variational autoencoders blur images more than Wasserstein ones, on MNIST: the VEGAN cookbook's claim.

Figure: prior samples of each, beside the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.papers.checks import Checks, last, run_checks
from benchmarks.papers.figures import row, save
from otgan.data import DataError
from otgan.gan.evaluation.figures import image_grid

SYSTEMS = ("vae", "wae-mmd", "wae-gan")
SHARED: Mapping[str, Any] = {
    "network": "dcgan",
    "width": 32,
    "latent": 8,
    "batch": 64,
    "encoder": "gaussian",
}
"""The library's defaults for MNIST, and one kind of encoder for all of them."""
UPDATES = 3000
COMPARED = 1000


def measure(checks: Checks) -> Sequence[str]:
    runs = {
        name: checks.train(name, "mnist", steps=UPDATES, evaluate_every=UPDATES, **SHARED) for name in SYSTEMS
    }
    real = runs["vae"][0].real_samples()[:COMPARED]
    data = sharpness(real)
    checks.show("sharpness of the data", [data])
    checks.show(
        "sharpness of the data, blurred by half a pixel", [sharpness(gaussian_filter(real, (0, 0, 0.5, 0.5)))]
    )
    noise = 0.1 * np.random.default_rng(0).standard_normal(real.shape)
    checks.show("sharpness of the data with noise of .1", [sharpness(np.clip(real + noise, 0, 1))])
    sampled = {name: [sharpness(run.sample(COMPARED, seed=0)) for run in of] for name, of in runs.items()}
    for name, of in runs.items():
        checks.show(f"sharpness of prior samples, {name}", sampled[name], data)
        checks.show(
            f"sharpness of reconstructions, {name}", [sharpness(run.reconstruct(real)) for run in of], data
        )
        checks.show(
            f"classifier-Fréchet distance of prior samples, {name}",
            last(of, "classifier_frechet"),
            last(of, "classifier_frechet_floor")[0],
        )
    for name in SYSTEMS[1:]:
        ratios = [a / b for a, b in zip(sampled["vae"], sampled[name], strict=True)]
        checks.add(f"VAE blurs more: vae over {name}", "< 1", ratios, float(np.median(ratios)) < 1)
        checks.add(
            f"no sharper than the data, which noise would be: {name} over the data",
            "< 1",
            found := [value / data for value in sampled[name]],
            float(np.median(found)) < 1,
        )
    if not checks.quick:
        figure, axes = row(1 + len(SYSTEMS), height=2.8)
        pictures = {"data": real[:64], **{name: of[0].sample(64, seed=0) for name, of in runs.items()}}
        for ax, (name, images) in zip(axes, pictures.items(), strict=True):
            ax.imshow(image_grid(images, gap=2))
            ax.set_axis_off()
            ax.set_title(name)
        save(figure, "blur")
    return (
        "Sharpness is the variance of the discrete Laplacian over the pixels of an image, without its border, averaged "
        f"over {COMPARED} images.",
        f"All: DCGAN of width {SHARED['width']}, Gaussian encoders of {SHARED['latent']} numbers, batch "
        f"{SHARED['batch']}, {UPDATES} updates, library defaults otherwise. Real images are held-out ones.",
    )


def sharpness(images: NDArray[Any]) -> float:
    """Mean over images, of shape (n, 1, height, width), of the variance of the discrete Laplacian over their pixels."""
    inner = images[..., 1:-1, 1:-1]
    around = images[..., :-2, 1:-1] + images[..., 2:, 1:-1] + images[..., 1:-1, :-2] + images[..., 1:-1, 2:]
    return float((around - 4 * inner).var((-2, -1)).mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record; without a copy of MNIST, say so."""
    try:
        run_checks("blur", measure, argv)
    except DataError as error:
        print(f"nothing is measured: {error}")


if __name__ == "__main__":
    main()
