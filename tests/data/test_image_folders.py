import numpy as np
import pytest
from PIL import Image

from otgan.data import DataError, SpecError, check, load, open_spec


def save(path, values, **options):
    """Write an array as a picture."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(values).save(path, **options)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "PNG", "tif", "ppm"])
def test_colored_pictures_are_rows_in_the_order_of_their_names(tmp_path, pixels, suffix):
    for k in (2, 0, 3, 1):
        save(tmp_path / f"{k}.{suffix}", pixels[k])
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / f".hidden.{suffix}").write_text("not a picture either")
    data = open_spec(tmp_path)
    assert data.shape == (3, 5, 6)
    assert np.array_equal(data.images(), pixels.transpose(0, 3, 1, 2) / 255)
    assert data.labels is None


def test_gray_pictures_have_one_channel(tmp_path, pixels):
    for k in range(4):
        save(tmp_path / f"{k}.png", pixels[k, ..., 0])
    data = open_spec(tmp_path)
    assert data.shape == (1, 5, 6)
    assert np.array_equal(data.images()[:, 0], pixels[..., 0] / 255)


def test_lossy_pictures_come_close(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))
    save(tmp_path / "a.jpg", ramp, quality=95)
    save(tmp_path / "b.webp", np.repeat(ramp[..., None], 3, axis=2), quality=95)
    data = open_spec(tmp_path)
    assert data.shape == (3, 32, 32)  # one colored picture makes all of them colored
    assert np.abs(data.images() * 255 - ramp).max() < 12


def test_sixteen_bits_are_scaled_too(tmp_path):
    deep = np.array([[0, 65535], [256, 1]], dtype=np.uint16)
    save(tmp_path / "a.png", deep)
    assert np.array_equal(load(tmp_path), deep.reshape(1, -1) / 65535)


def test_palettes_and_opaque_alpha_are_colors(tmp_path, pixels):
    opaque = np.concatenate([pixels[0], np.full((5, 6, 1), 255, np.uint8)], axis=2)
    save(tmp_path / "alpha.png", opaque)
    palette = Image.fromarray(pixels[1]).quantize(4)
    palette.save(tmp_path / "palette.png")
    images = open_spec(tmp_path).images()
    assert np.array_equal(images[0], pixels[0].transpose(2, 0, 1) / 255)
    assert np.array_equal(images[1], np.asarray(palette.convert("RGB")).transpose(2, 0, 1) / 255)


def test_subfolders_are_classes(tmp_path, pixels):
    for k, name in enumerate(["dog", "cat", "cat", "eel"]):
        save(tmp_path / name / f"{k}.png", pixels[k])
    (tmp_path / "empty").mkdir()
    data = open_spec(tmp_path)
    assert data.classes == ("cat", "dog", "eel")
    assert data.labels.tolist() == [0, 0, 1, 2]
    assert np.array_equal(load(f"{tmp_path}:dog")[0], pixels[0].transpose(2, 0, 1).ravel() / 255)
    with pytest.raises(SpecError, match="no class 'cow': it has cat, dog, eel"):
        check(f"{tmp_path}:cow")


def test_only_drawn_pictures_are_decoded(tmp_path, pixels):
    for k in range(4):
        save(tmp_path / f"{k}.png", pixels[k])
    order = np.random.default_rng(5).permutation(4)
    victim = tmp_path / f"{order[-1]}.png"
    victim.write_bytes(victim.read_bytes()[:60])  # the header survives
    assert np.array_equal(
        open_spec(tmp_path, n=3, seed=5).images(), pixels[order[:3]].transpose(0, 3, 1, 2) / 255
    )
    with pytest.raises(DataError, match=rf"{order[-1]}.png: damaged or truncated"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((6, 5, 3), np.uint8), "5 × 6 pixels of 8 bits, .*expected 6 × 5 pixels of 8 bits"),
        (np.zeros((5, 6), np.uint16), "6 × 5 pixels of 16 bits, .*expected 6 × 5 pixels of 8 bits"),
        (np.zeros((5, 6), np.float32), "mode F"),
        (np.zeros((5, 6, 4), np.uint8), "transparent"),
    ],
)
@pytest.mark.parametrize("name", ["0", "9"])
def test_the_odd_picture_is_named(tmp_path, pixels, odd, message, name):
    for k in range(1, 4):
        save(tmp_path / f"{k}.png", pixels[k])
    save(tmp_path / f"{name}.tif", odd)
    with pytest.raises(DataError, match=rf"{name}.tif: .*{message}"):
        load(tmp_path)


def test_what_is_no_picture_is_named(tmp_path, pixels):
    save(tmp_path / "0.png", pixels[0])
    (tmp_path / "1.png").write_text("<html>")
    with pytest.raises(DataError, match=r"1.png: not a readable picture"):
        load(tmp_path)


def test_pictures_of_a_bomb_are_refused(tmp_path, monkeypatch, pixels):
    save(tmp_path / "0.png", pixels[0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match=r"0.png: .*decompression bomb"):
        load(tmp_path)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"no pictures in this folder \(.*\)$"):
        check(tmp_path)
    np.save(tmp_path / "0.npy", np.zeros((3, 2)))
    with pytest.raises(
        DataError,
        match=r"no pictures in this folder \(.*\); its shards are one set by otgan measure --shards$",
    ):
        check(tmp_path)


def test_folders_have_no_members_and_no_test_split(tmp_path, pixels):
    save(tmp_path / "0.png", pixels[0])
    with pytest.raises(SpecError, match="no member 'x'"):
        check(f"{tmp_path}#x")
    with pytest.raises(SpecError, match="no test split"):
        check(tmp_path, split="test")
    with pytest.raises(SpecError, match="no classes"):
        check(f"{tmp_path}:0")
