"""The page of the parallel lines in a browser: its numbers are those of the library, and a reader can move everything."""

import math

import numpy as np
import pytest

import otgan
from otgan.teach import page, parallel_lines

N, WIDTH = 64, 0.25
CHAPTERS = range(1, 7)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return page(tmp_path_factory.mktemp("page") / "lines.html", n=N, seed=5, bin_width=WIDTH)


@pytest.fixture
def lines(visit, path):
    """Return a function that opens the page with choices in its address, and waits until all is computed."""

    def open_page(size=(1280, 900), scheme="light", options=None, **choices):
        words = "&".join(f"{name}={value}" for name, value in choices.items())
        seen = visit(f"{path.as_uri()}#{words}", *size, scheme, **(options or {}))
        rest(seen)
        return seen

    return open_page


def rest(seen):
    """Wait until the page has nothing more to compute."""
    seen.page.wait_for_function("otgan.settled() && otgan.measured() !== null")


def state(seen, name):
    return seen.page.evaluate(f"otgan.state.{name}")


def clouds(seen):
    """Return the points that the page shows, as the library takes them."""
    return (np.array(cloud) for cloud in seen.page.evaluate("otgan.points()"))


def cell(seen, name):
    text = seen.page.locator(f"[data-cell={name}]").inner_text()
    return math.inf if text == "∞" else float(text.replace("−", "-"))


def middle(seen, theta):
    """Return the pixels of half the height at some θ."""
    box = seen.page.locator("#lines").bounding_box()
    return box["x"] + box["width"] / 2 * (1 + theta / 1.45), box["y"] + 0.4 * box["height"]


def drag(seen, start, end, steps=8):
    mouse = seen.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=steps)
    mouse.up()
    rest(seen)


# What it looks like


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_chapter_fits_and_can_be_read_by_everybody(lines, axe, width, scheme):
    for chapter in CHAPTERS:
        seen = lines((width, 844), scheme, chapter=chapter, theta=0.5)
        assert seen.overflow() == 0
        if (width, scheme) != (390, "dark"):  # each of the two was looked at, and a look takes a second
            assert axe(seen.page) == []
        assert seen.page.locator("h2").inner_text().startswith(f"{chapter}. ")
        assert seen.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_every_scene_beyond_the_lines(lines, axe, width):
    for scene in ("angle", "gaussians", "eight", "batches"):
        seen = lines((width, 844), chapter=6, scene=scene)
        assert axe(seen.page) == []
        assert seen.page.locator("#beyond .stage:visible").count() == 1
        assert seen.overflow() == 0
        assert seen.errors == []


def test_colors_follow_the_reader(lines):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (lines(scheme=scheme).page for scheme in ("light", "dark"))
    colors = [light.evaluate(ground), dark.evaluate(ground)]
    assert colors[0] != colors[1]
    button = light.locator("#theme")
    for wanted in ("light", "dark"):
        button.click()
        assert button.inner_text() == f"Colors: {wanted}"
    assert light.evaluate(ground) == colors[1]


# Numbers


@pytest.mark.parametrize("theta", [-0.7, 0, 0.01, 0.3])
def test_the_table_is_that_of_the_library(lines, theta):
    seen = lines(chapter=2, theta=theta, n=N)
    for way, row in zip(
        ("closed", "draws", "bins"),
        (
            row
            for row in parallel_lines.table([theta], n=N, seed=5, bin_width=WIDTH).rows
            if row.way != "shared draws"
        ),
        strict=True,
    ):
        for name in parallel_lines.DISTANCES:
            value = getattr(row, name)
            if value is not None:
                assert cell(seen, f"{way}-{name}") == pytest.approx(value, abs=5.1e-4)


def test_exact_transport_of_any_points(lines):
    seen = lines(chapter=1)
    rng = np.random.default_rng(0)
    for n in (1, 2, 17, 60):
        x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
        found = seen.page.evaluate(
            """([x, y]) => {
              const {plan, f, g} = otgan.measure.assignment(otgan.measure.costs(x, y), x.length);
              return {value: otgan.measure.planCost(x, y, plan), plan: [...plan], f: [...f], g: [...g]};
            }""",
            [x.tolist(), y.tolist()],
        )
        assert found["value"] == pytest.approx(otgan.emd(x, y), rel=1e-12)
        assert sorted(found["plan"]) == list(range(n))
        f, g = np.array(found["f"]), np.array(found["g"])
        assert np.all(f[:, None] + g <= np.linalg.norm(x[:, None] - y, axis=2) + 1e-12)
        assert f.mean() + g.mean() == pytest.approx(found["value"], rel=1e-12)


def test_the_order_of_heights_is_optimal_between_upright_lines(lines):
    seen = lines(chapter=2, theta=0.2, n=N)
    x, y = clouds(seen)
    assert seen.page.evaluate("otgan.measured().emd") == pytest.approx(otgan.emd(x, y), rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1])
@pytest.mark.parametrize("name", ["sinkhorn", "divergence"])
def test_entropic_transport(lines, name, epsilon):
    seen = lines(chapter=2, theta=0.3, n=32, cost=name, epsilon=epsilon)
    x, y = clouds(seen)
    found = seen.page.evaluate(
        "(({value, divergence, plan}) => ({value, divergence, plan: [...plan]}))(otgan.measured().entropic)"
    )
    function = {"sinkhorn": otgan.sinkhorn, "divergence": otgan.sinkhorn_divergence}[name]
    wanted = function(x, y, p=1, epsilon=epsilon, tol=1e-10)
    assert found["value" if name == "sinkhorn" else "divergence"] == pytest.approx(wanted, abs=1e-7)
    assert cell(seen, "entropic-emd") == pytest.approx(wanted, abs=5.1e-4)
    plan = np.array(found["plan"]).reshape(32, 32)
    transport = otgan.transport(x, y, p=1, epsilon=epsilon, tol=1e-10)
    assert plan == pytest.approx(transport.plan, abs=1e-7)


def test_it_goes_on_from_the_last_plan_to_the_same_numbers(lines):
    seen = lines(chapter=2, theta=-0.6, n=24, cost="divergence", epsilon=0.02)
    seen.page.evaluate("otgan.change({theta: 0.45})")
    rest(seen)
    x, y = clouds(seen)
    wanted = otgan.sinkhorn_divergence(x, y, p=1, epsilon=0.02, tol=1e-10)
    assert seen.page.evaluate("otgan.measured().entropic.divergence") == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (2, 1), (-3, 0.5), (5, 2)])
def test_two_gaussians(lines, mean, scale):
    found = lines().page.evaluate(f"otgan.measure.gaussians({mean}, {scale})")
    x = np.random.default_rng(1).normal(size=(20_000, 1))
    assert found["w2"] == pytest.approx(math.hypot(mean, 1 - scale))
    assert found["emd"] == pytest.approx(otgan.emd(x, mean + scale * x), abs=0.03)
    kl = math.log(scale) + (1 + mean**2) / (2 * scale**2) - 0.5
    assert found["kl"] == pytest.approx(kl)
    if scale == 1:
        assert found["tv"] == pytest.approx(math.erf(abs(mean) / 2 / math.sqrt(2)), abs=1e-5)
    assert 0 <= found["js"] <= math.log(2)


def test_small_batches_shrink_and_debiased_ones_do_not(lines):
    seen = lines()
    at = [
        seen.page.evaluate(
            f"(() => {{ const m = otgan.measure.batchMinima({m}); return [m.plain.at, m.debiased.at]; }})()"
        )
        for m in (1, 4, 128)
    ]
    # Independent draws one by one are best met by their mean; the bias falls as batches grow.
    assert abs(at[0][0]) < 0.05
    assert at[0][0] < at[1][0] < at[2][0] < 1
    assert all(0.9 < debiased < 1.1 for _, debiased in at[1:])


def test_a_critic_learns_em_under_a_penalty_and_not_under_clipping(lines):
    gains = lines().page.evaluate(
        """[["penalty", 0], ["clip", 0.01]].map(([way, clip]) => {
          const critic = otgan.measure.critic(12);
          for (let k = 0; k < 600; k++) critic.step(0.5, way, clip);
          return [critic.value(0) - critic.value(0.5), critic.slope(0.25), critic.atBound(clip)];
        })"""
    )
    assert gains[0][0] == pytest.approx(0.5, rel=0.15)
    assert gains[0][1] == pytest.approx(-1, rel=0.15)
    assert gains[1][0] < 1e-3
    assert gains[1][2] > 0.5


@pytest.mark.parametrize("seed", [1, 12])
def test_a_penalty_teaches_at_every_distance_whatever_the_network_begins_with(lines, seed):
    thetas = [-1.2, -0.4, -0.1, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.2]
    gains = lines().page.evaluate(
        """([thetas, seed]) => thetas.map(theta => {
          const critic = otgan.measure.critic(seed);
          for (let k = 0; k < 600; k++) critic.step(theta, "penalty", 0);
          return critic.value(0) - critic.value(theta);
        })""",
        [thetas, seed],
    )
    assert gains == pytest.approx(np.abs(thetas).tolist(), rel=0.2)


def test_a_plan_that_takes_too_long_says_how_far_it_came(lines):
    seen = lines(chapter=5, theta=0, n=24, same="true", epsilon=0.008)
    x, y = clouds(seen)
    assert seen.page.evaluate("otgan.measured().entropic.divergence") == pytest.approx(
        otgan.sinkhorn_divergence(x, y, p=1, epsilon=0.008), abs=1e-4
    )
    error = seen.page.evaluate("otgan.measured().entropic.error")
    said = seen.page.locator("#soft").inner_text()
    assert ("below 10⁻⁸" if error <= 1e-8 else "· 10⁻") in said


# What is said of states that are rare


def test_no_edge_of_a_bin_is_crossed_where_the_lines_coincide(lines):
    seen = lines(chapter=2, theta=0, n=1, width=0.02)
    assert cell(seen, "bins-tv") == 1
    assert "crossed" not in seen.page.locator("#say").inner_text()
    seen = lines(chapter=2, theta=0, n=8, same="true")
    assert "TV of 0 as well" in seen.page.locator("#say").inner_text()


def test_a_race_from_0_is_none(lines):
    seen = lines(chapter=3, theta=0, n=8, options={"reduced_motion": "reduce"})
    seen.page.locator("#descend").click()
    rest(seen)
    assert "move the lines apart first" in seen.page.locator("#finish").inner_text()


def test_a_large_blur_does_not_arrive_and_says_so(lines):
    seen = lines(chapter=3, theta=1.2, n=24, epsilon=2, options={"reduced_motion": "reduce"})
    seen.page.locator("#descend").click()
    rest(seen)
    said = seen.page.locator("#finish").inner_text()
    assert said.startswith("Arrived: EM after")
    assert "Sε is still under way" in said


def test_lines_that_coincide_have_an_undecided_discriminator(lines):
    said = lines(chapter=4, theta=0, n=8).page.locator("#say").inner_text()
    assert "½ everywhere" in said
    assert "certain" not in said


def test_single_points_leave_a_debiased_batch_nothing(lines):
    seen = lines(chapter=6, scene="batches")
    seen.page.locator("input[name=batch]").fill("1")
    rest(seen)
    assert "DEBIASED, AT R =\nANY" in seen.page.locator(".stage:visible .facts").inner_text().upper()


def test_gaussians_that_overlap_are_not_said_to_be_apart(lines):
    seen = lines(chapter=6, scene="gaussians")
    for mean, scale, word in (
        ("4.5", "3", "overlap,"),
        ("5", "1", "hardly overlap"),
        ("0", "1", "least here"),
    ):
        seen.page.locator("input[name=mean]").fill(mean)
        seen.page.locator("input[name=scale]").fill(scale)
        rest(seen)
        assert word in seen.page.locator(".stage:visible p").inner_text()


def test_both_lines_stay_in_the_picture(lines):
    seen = lines(chapter=1, theta=1.2, at=0.5)
    assert state(seen, "at") + state(seen, "theta") == pytest.approx(1.4)
    seen.page.locator("#theta").fill("-1.2")
    drag(seen, middle(seen, 0.5), middle(seen, -1.3))
    rest(seen)
    assert abs(state(seen, "at") + state(seen, "theta")) <= 1.4 + 1e-9


@pytest.mark.parametrize("width", [1280, 390])
def test_words_beside_the_slopes_stay_in_the_picture(lines, width):
    for theta, at in ((1.2, 0), (-1.2, 0), (0.9, 0.5), (-0.9, -0.5), (0.1, 0)):
        seen = lines((width, 844), chapter=2, theta=theta, at=at, cost="divergence", epsilon=0.3)
        frame = seen.page.locator("#lines").bounding_box()
        for words in seen.page.locator("#lines text.tick").all():
            box = words.bounding_box()
            assert box["x"] >= frame["x"] - 1, words.inner_text()
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1, words.inner_text()


# Hands


def test_lines_are_dragged_and_the_address_follows(lines):
    seen = lines(chapter=1, theta=0.5)
    drag(seen, middle(seen, 0.5), middle(seen, -0.4))
    assert state(seen, "theta") == pytest.approx(-0.4, abs=0.01)
    assert seen.page.locator("[data-cell=closed-emd]").inner_text() == f"{-state(seen, 'theta'):.3f}"
    seen.page.wait_for_function("location.hash.includes('theta=-0.')")
    theta = float(seen.page.evaluate("new URLSearchParams(location.hash.slice(1)).get('theta')"))
    assert theta == pytest.approx(state(seen, "theta"), abs=1e-4)
    # The other line: the distance between them changes, and so does its place.
    drag(seen, middle(seen, 0), middle(seen, 0.2))
    assert state(seen, "at") == pytest.approx(0.2, abs=0.01)
    assert state(seen, "theta") == pytest.approx(theta - 0.2, abs=0.01)
    assert seen.errors == []


def test_a_touch_drags_too(lines):
    seen = lines((390, 844), options={"has_touch": True, "is_mobile": True}, chapter=1, theta=0.5)
    seen.page.locator("#lines").scroll_into_view_if_needed()
    start, end = middle(seen, 0.5), middle(seen, 0.9)
    session = seen.page.context.new_cdp_session(seen.page)
    for kind, place in (("Start", start), ("Move", end), ("End", None)):
        points = [] if place is None else [{"x": place[0], "y": place[1]}]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    rest(seen)
    assert state(seen, "theta") == pytest.approx(0.9, abs=0.02)


def test_single_points_are_dragged_and_put_back(lines):
    seen = lines(chapter=2, theta=0.5, n=8)
    before = seen.page.evaluate("otgan.measured().emd")
    seen.page.get_by_label("single points").check()
    dot = seen.page.locator("circle.point.side1").nth(2).bounding_box()
    place = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    drag(seen, place, (place[0] + 80, place[1] + 5))
    x, y = clouds(seen)
    assert len(set(y[:, 0])) == 2
    assert seen.page.evaluate("otgan.measured().emd") == pytest.approx(otgan.emd(x, y), rel=1e-12)
    assert "left its line" in seen.page.locator("#say").inner_text()
    seen.page.get_by_role("button", name="Put all back").click()
    rest(seen)
    assert seen.page.evaluate("otgan.measured().emd") == pytest.approx(before, rel=1e-12)


def test_many_moves_are_one_frame(lines):
    seen = lines(chapter=2, theta=0.5, n=N)
    frames = seen.page.evaluate(
        """async () => {
          const before = otgan.frames();
          for (let k = 0; k < 100; k++) otgan.change({theta: k / 100});
          await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
          return otgan.frames() - before;
        }"""
    )
    assert 1 <= frames <= 2


# Keys


def test_everything_by_keyboard(lines):
    seen = lines(chapter=1, theta=0.5)
    keys = seen.page.keyboard
    reached = set()
    for _ in range(40):
        keys.press("Tab")
        reached.add(
            seen.page.evaluate(
                "(e => e.id || e.getAttribute('aria-label') || e.name || e.textContent)(document.activeElement)"
            )
        )
    assert {
        "theme",
        "theta",
        "reveal",
        "The line of P0, its place",
        "The line of P theta, its place",
    } <= reached
    seen.page.locator("[aria-label='The line of P theta, its place']").focus()
    keys.press("ArrowLeft")
    keys.press("Shift+ArrowLeft")
    rest(seen)
    assert state(seen, "theta") == pytest.approx(0.39)
    keys.press("0")
    rest(seen)
    assert state(seen, "theta") == 0
    seen.page.locator("circle.chooser").focus()
    heights = [cloud[0][1] for cloud in seen.page.evaluate("otgan.points()")]
    keys.press("ArrowUp")
    rest(seen)
    assert seen.page.evaluate("otgan.points()")[1][0][1] == pytest.approx(heights[1] + 0.02)
    keys.press("PageDown")
    rest(seen)
    assert "on the line of P0" in seen.page.locator("circle.chooser").get_attribute("aria-label")


def test_the_address_is_read_again(lines):
    seen = lines(chapter=2, theta=0.25, n=10, width=0.3, epsilon=0.5, cost="sinkhorn", same="true")
    assert [state(seen, name) for name in ("chapter", "theta", "n", "width", "epsilon", "cost", "same")] == [
        2, 0.25, 10, 0.3, 0.5, "sinkhorn", True,
    ]  # fmt: skip
    seen.page.evaluate("location.hash = '#theta=0.75&chapter=1'")
    seen.page.wait_for_function("otgan.state.theta === 0.75")
    assert seen.errors == []


@pytest.mark.parametrize(
    "address", ["theta=x&n=-4&width=0&chapter=99", "theta=1e9&epsilon=&cost=none&scene=1"]
)
def test_an_address_that_means_nothing_harms_nothing(visit, path, address):
    seen = visit(f"{path.as_uri()}#{address}")
    rest(seen)
    assert seen.errors == []
    assert abs(state(seen, "theta")) <= 1.2


# The path


@pytest.mark.parametrize("chapter", range(1, 6))
def test_a_prediction_is_answered(lines, chapter):
    seen = lines(chapter=chapter, theta=0.5, options={"reduced_motion": "reduce"})
    quiz = seen.page.locator("#quiz")
    assert quiz.locator("label.right").count() == 0
    quiz.locator("input").first.check()
    seen.page.locator("#reveal").click()
    rest(seen)
    assert quiz.locator("label.right").count() == 1
    assert seen.page.locator("#because").inner_text().startswith(("You were right.", "It is another"))
    assert seen.errors == []


def test_chapters_are_walked(lines):
    seen = lines(chapter=1)
    for chapter in CHAPTERS:
        seen.page.locator("#chapters button").nth(chapter - 1).click()
        rest(seen)
        assert state(seen, "chapter") == chapter
        assert seen.page.locator("#chapters [aria-current]").inner_text().startswith(f"{chapter}.")
    assert seen.errors == []


def test_the_race_is_won_by_transport(lines):
    seen = lines(chapter=3, theta=0.6, n=12, options={"reduced_motion": "reduce"})
    seen.page.locator("#descend").click()
    rest(seen)
    said = seen.page.locator("#finish").inner_text()
    assert "Arrived: EM after" in said
    assert "Sε after" in said
    tracks = seen.page.locator("#tracks svg").get_attribute("aria-label")
    assert "JS at 0.60, TV at 0.60" in tracks


def test_the_dual_is_the_primal(lines):
    seen = lines(chapter=4, theta=0.6, n=20)
    x, y = clouds(seen)
    facts = seen.page.locator("#dual").inner_text()
    assert facts.count(f"{otgan.emd(x, y):.4f}") == 2
    assert "STEEPEST SLOPE OF Φ\n1.000" in facts.upper()


def test_a_critic_learns_on_the_page(lines):
    seen = lines(chapter=4, theta=0.6, options={"reduced_motion": "reduce"})
    seen.page.locator("#learn").click()
    rest(seen)
    learnt = seen.page.locator("#learnt")
    assert learnt.get_attribute("data-steps") == "600"
    assert float(learnt.get_attribute("data-gain")) == pytest.approx(0.6, rel=0.15)


def test_blur_shows_the_plan_and_both_values(lines):
    seen = lines(chapter=5, theta=0, n=16, same="true", epsilon=0.3)
    seen.page.wait_for_function("document.querySelectorAll('#blur path').length >= 2")
    x, y = clouds(seen)
    facts = seen.page.locator("#soft").inner_text()
    assert f"{otgan.sinkhorn(x, y, p=1, epsilon=0.3, tol=1e-10):.4f}" in facts
    assert "0.0000" in facts  # S_ε and EM between equal samples
    assert "is shared among" in seen.page.locator("#plan").get_attribute("aria-label")


@pytest.mark.parametrize("n", [1, 256])
def test_the_fewest_and_the_most_points_have_a_plan(visit, tmp_path, n):
    most = page(tmp_path / "lines.html", n=5000)
    seen = visit(f"{most.as_uri()}#chapter=5&theta=0.3&epsilon=1&n={n}")
    # The curve over ε would take longer.
    seen.page.wait_for_function("otgan.measured() !== null && otgan.measured().entropic.settled")
    assert state(seen, "n") == n
    x, y = clouds(seen)
    wanted = otgan.sinkhorn(x, y, p=1, epsilon=1, tol=1e-10)
    assert f"{wanted:.4f}" in seen.page.locator("#soft").inner_text()
    assert seen.errors == []
